"""The kernel, without a sandbox."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import gone

from openhands_ray.worker.ipython import IPython


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


def test_the_extra_names_the_folder_and_the_interpreter(ipython: IPython) -> None:
    shown = text(ipython, "1", include_extra=True)
    assert shown == f"1\n[Jupyter current working directory: /]\n[Jupyter Python interpreter: {sys.executable}]"


def test_it_follows_the_shells_folder(ipython: IPython, tmp_path: Path) -> None:
    assert text(ipython, "import os; os.getcwd()", cwd=str(tmp_path)) == repr(str(tmp_path))


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


def test_a_kernel_that_dies_is_replaced(ipython: IPython) -> None:
    shown = text(ipython, "import os; lost = 1; print('last', flush=True); os._exit(3)")
    assert "The kernel died. Its variables are lost" in shown
    assert "NameError" in text(ipython, "lost")


def test_a_kernel_that_died_between_cells_is_replaced(ipython: IPython) -> None:
    pid = int(text(ipython, "import os; os.getpid()"))
    psutil.Process(pid).kill()
    assert gone([psutil.Process(pid)]) if psutil.pid_exists(pid) else True
    text(ipython, "1")
    assert text(ipython, "2") == "2"


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
