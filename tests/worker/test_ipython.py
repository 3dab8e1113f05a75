"""The kernel, without a sandbox."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import gone

from openhands_ray.worker.ipython import IPython

LOST = "its variables are lost, files are not."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernel")


@pytest.fixture(scope="module")
def ipython(folder: Path) -> Iterator[IPython]:
    kernel = IPython({"PATH": os.environ["PATH"], "HOME": str(folder), "MINE": "yes"}, str(folder))
    kernel.start_in_background()
    yield kernel
    kernel.close()


def cell(ipython: IPython, code: str, cwd: str = "/", timeout_s: float | None = 30, **args: Any) -> Any:
    return ipython.execute({"code": code, "include_extra": False, **args}, cwd, timeout_s)


def text(ipython: IPython, code: str, **options: Any) -> str:
    return str(cell(ipython, code, **options)["content"])


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("print('a'); 6 * 7", "a\n42"),
        ("x = 1", "[Code executed successfully with no output]"),
        ("import sys; print('e', file=sys.stderr)", "e"),
        ("!echo from the shell", "from the shell"),
        ("import os; os.environ['MINE']", "'yes'"),
        ("", "[Code executed successfully with no output]"),
    ],
)
def test_a_cell(ipython: IPython, code: str, shown: str) -> None:
    assert text(ipython, code) == shown


def test_state_persists(ipython: IPython) -> None:
    text(ipython, "def f(n):\n    return n + value\nvalue = 40")
    assert text(ipython, "f(2)") == "42"


def test_an_error_is_shown_without_colours(ipython: IPython) -> None:
    shown = text(ipython, "1 / 0")
    assert shown.endswith("ZeroDivisionError: division by zero")
    assert "\x1b" not in shown


def test_the_extra_names_the_folder_and_the_interpreter(ipython: IPython, folder: Path) -> None:
    shown = text(ipython, "1", include_extra=True)
    python = folder / ".python/bin/python"
    assert shown == f"1\n[Jupyter current working directory: /]\n[Jupyter Python interpreter: {python}]"
    assert text(ipython, "import sys; sys.executable") == repr(str(python))


@pytest.mark.parametrize("name", ["plain", 'it\'s "quoted"', "back\\slash", "{braces}\nline", "é"])
def test_it_follows_the_shells_folder(ipython: IPython, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert text(ipython, "import os; os.getcwd()", cwd=str(tmp_path / name)) == repr(str(tmp_path / name))


def test_an_image_is_a_data_url(ipython: IPython) -> None:
    code = "from IPython.display import Image, display\ndisplay(Image(data=b'\\x89PNG\\r\\n\\x1a\\n', format='png'))"
    (url,) = cell(ipython, code)["extras"]["image_urls"]
    assert url.startswith("data:image/png;base64,iVBORw0KGgo")


def test_all_of_a_large_output_arrives(ipython: IPython) -> None:
    assert text(ipython, "for n in range(20000): print(n)").split("\n") == [str(n) for n in range(20000)]


def test_a_cell_that_takes_too_long_is_interrupted_and_the_state_stays(ipython: IPython) -> None:
    text(ipython, "kept = 5")
    assert text(ipython, "while True: pass", timeout_s=0.5).startswith("[Execution timed out (0.5 seconds).]")
    assert text(ipython, "kept") == "5"


def test_input_fails_rather_than_waits(ipython: IPython) -> None:
    assert "StdinNotImplementedError" in text(ipython, "input('?')")


def test_code_that_is_no_unicode_is_refused_and_the_session_goes_on(ipython: IPython) -> None:
    with pytest.raises(UnicodeEncodeError):  # the executor answers it with an error
        text(ipython, "'\ud800'")
    assert text(ipython, "'on'") == "'on'"


def test_code_of_megabytes(ipython: IPython) -> None:
    assert text(ipython, f"len('{'x' * 5_000_000}')") == "5000000"


def test_what_code_sends_as_the_kernel_does_no_harm(ipython: IPython) -> None:
    send = """
kernel = get_ipython().kernel
kernel.iopub_socket.send_multipart([b'rubbish'])
kernel.session.send(kernel.iopub_socket, 'stream', {'no': 'text'}, parent=kernel.get_parent())
kernel.session.send(kernel.iopub_socket, 'display_data', {'data': 5}, parent=kernel.get_parent())
kernel.session.send(kernel.iopub_socket, 'error', {'traceback': None}, parent=kernel.get_parent())
print('after it')
"""
    assert text(ipython, send) == "after it"
    assert text(ipython, "'on'") == "'on'"


def test_a_kernel_that_dies_is_replaced(ipython: IPython) -> None:
    shown = text(ipython, "import os, time; lost = 1; print('last'); time.sleep(0.5); os._exit(3)")
    assert shown == f"last\n[The kernel died while it ran this cell: {LOST} The next cell runs in a new one.]"
    assert "NameError" in text(ipython, "lost")


def test_a_kernel_that_died_between_cells_is_replaced_before_the_next(ipython: IPython) -> None:
    kernel = psutil.Process(int(text(ipython, "import os; os.getpid()")))
    kernel.kill()
    assert gone([kernel])
    assert text(ipython, "2") == f"2\n[The kernel had ended since the last cell: {LOST} This cell ran in a new one.]"


def test_a_cell_that_ignores_the_interrupt_costs_the_kernel_and_no_more(
    ipython: IPython, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openhands_ray.worker.kernel.INTERRUPT_GRACE_S", 1)
    endless = "import time\nwhile True:\n    try:\n        time.sleep(100)\n    except KeyboardInterrupt: pass"
    assert text(ipython, endless, timeout_s=0.5) == "[Execution timed out (0.5 seconds).]"
    assert text(ipython, "1", timeout_s=0.1) == "[Execution timed out (0.1 seconds).]"
    stuck = "The cell before this one could not be interrupted, so the kernel was ended"
    expected = f"[Execution timed out (1.5 seconds).]\n[{stuck}: {LOST} This cell did not run.]"
    assert text(ipython, "print('never')", timeout_s=1.5) == expected
    assert text(ipython, "2") == "2"


def test_a_thread_that_prints_without_end_fills_no_memory(ipython: IPython) -> None:
    text(ipython, "import threading\nstop = threading.Event(); line = 'x' * 999")
    text(ipython, "def flood():\n    while not stop.is_set(): print(line)\nthreading.Thread(target=flood).start()")
    text(ipython, "import time; time.sleep(2)")
    shown = text(ipython, "stop.set()")
    assert shown.startswith("[Below is the output of earlier cells.]\n")
    assert len(shown) < 4_000_000
    text(ipython, "import time; time.sleep(0.5)")  # what the thread still had
    assert text(ipython, "1") == "1"


def environment_cell(**variables: str) -> str:
    """Return what OpenHands' ``Runtime.add_env_vars`` has the kernel run."""
    lines = [f'os.environ["{name}"] = {json.dumps(value)}\n' for name, value in variables.items()]
    return "import os\n" + "".join(lines) + "\n"


@pytest.fixture
def cold(folder: Path) -> Iterator[IPython]:
    """A session whose kernel nobody has needed yet."""
    own = IPython({"PATH": os.environ["PATH"], "HOME": str(folder)}, str(folder))
    yield own
    own.close()


def test_variables_do_not_wait_for_the_kernel(cold: IPython) -> None:
    children = len(psutil.Process().children())
    value = 'it\'s "$HOME" \\ \n\t\u00e9\u6f22'
    cold.add_environment({"A": value, "B": ""})
    cold.add_environment({"B": "2"})
    assert len(psutil.Process().children()) == children
    assert text(cold, "[os.environ[name] for name in 'AB']") == repr([value, "2"])
    cold.add_environment({"C": "3"})
    assert text(cold, "os.environ['C']") == "'3'"
    text(cold, "exit()")
    assert text(cold, "[os.environ[name] for name in 'ABC']") == repr([value, "2", "3"])


@pytest.mark.parametrize(
    "code",
    [
        environment_cell(A="\0"),
        environment_cell(A="😀"),  # to Python, json's escape of it is two halves
        environment_cell(**{"A=B": "x"}),
        'import os\nos.environ["A"] = 5\n\n',
        'import os\nos.environ["A"] = "x" + 1\n\n',
    ],
)
def test_variables_that_cannot_be_set_fail_as_in_openhands(ipython: IPython, code: str) -> None:
    assert "Error" in text(ipython, code)


def test_such_a_cell_asks_a_cold_kernel(cold: IPython) -> None:
    assert "ValueError: embedded null byte" in text(cold, environment_cell(A="\0"))


def test_a_kernel_that_cannot_start_is_an_error(folder: Path) -> None:
    own = IPython({"PATH": "/usr/bin", "HOME": str(folder)}, "/nowhere")
    observation = own.execute({"code": "1"}, "/", 5)
    assert observation["observation"] == "error"
    assert "The kernel could not be started" in observation["content"]
    own.close()


def test_close_leaves_no_process_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = IPython({"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, str(tmp_path))
    process = psutil.Process(int(text(own, "import os; os.getpid()")))
    own.close()
    own.close()
    assert gone([process])
    assert not list(tmp_path.glob("kernel-*"))


def test_variables_are_set_before_the_next_cell_and_in_a_new_kernel(ipython: IPython) -> None:
    ipython.add_environment({"ADDED": "it's $1\n\U0001f600", "NUL": "\0", "HALF": "\ud800", "A=B": "x", "": "x"})
    show = "import os; os.environ.get('ADDED'), [name in os.environ for name in ('NUL', 'HALF', 'A=B')]"
    expected = f"({"it's $1\n\U0001f600"!r}, [False, False, False])"
    assert text(ipython, show) == expected
    text(ipython, "import os; os._exit(1)")
    assert text(ipython, show) == expected
