"""The Python of a session: its own to install into, above the node's."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import LocalSession

from openhands_ray.worker import interpreter


def wheel(folder: Path, version: str) -> str:
    """Build a package of one module and one program."""
    info = f"oh_tiny-{version}.dist-info"
    path = folder / f"oh_tiny-{version}-py3-none-any.whl"
    files = {
        "oh_tiny.py": f"VERSION = {version!r}\ndef main(): print('program', VERSION)\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: oh-tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\noh-tiny = oh_tiny:main\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in {**files, f"{info}/RECORD": record}.items():
            packed.writestr(name, content)
    return path.name


@pytest.fixture(scope="module")
def with_kernel(isolation: str) -> Iterator[LocalSession]:
    session = LocalSession(isolation, kernel=True)
    yield session
    session.close()


def cell(session: LocalSession, code: str) -> str:
    return str(session.act("run_ipython", 60, code=code, include_extra=False)["content"])


def test_a_session_installs_into_its_own_environment(with_kernel: LocalSession, isolation: str, tmp_path: Path) -> None:
    session, other = with_kernel, LocalSession(isolation)
    for version in ("1.0", "2.0"):
        name = wheel(tmp_path, version)
        (session.root / "workspace" / name).write_bytes((tmp_path / name).read_bytes())

    shown = cell(session, "%pip install --no-index ./oh_tiny-1.0-py3-none-any.whl")
    assert "Successfully installed oh-tiny-1.0" in shown
    assert cell(session, "import oh_tiny; oh_tiny.VERSION") == "'1.0'"
    assert session.output("python -c 'import oh_tiny; print(oh_tiny.VERSION)'; oh-tiny") == "1.0\nprogram 1.0"

    shown = session.output("pip install --no-index ./oh_tiny-2.0-py3-none-any.whl")
    assert "Successfully installed oh-tiny-2.0" in shown
    assert cell(session, "!python -c 'import oh_tiny; print(oh_tiny.VERSION)'") == "2.0"
    assert "Successfully uninstalled oh-tiny-2.0" in session.output("pip uninstall -y oh-tiny")

    session.output("pip install --no-index ./oh_tiny-1.0-py3-none-any.whl")
    absent = "import importlib.util as u; print(u.find_spec('oh_tiny'))"
    assert other.output(f'python -c "{absent}"') == "None"
    assert subprocess.run([sys.executable, "-c", absent], capture_output=True, text=True, check=True).stdout == "None\n"
    other.close()


def test_it_is_one_python_in_shell_and_kernel_with_the_nodes_packages(with_kernel: LocalSession) -> None:
    program = "import sys, ipykernel, psutil; print(sys.executable, sys.prefix, ipykernel.__file__)"
    shown = with_kernel.output(f"python -c '{program}'")
    assert cell(with_kernel, program) == shown
    assert shown.split()[2].startswith(sys.prefix)
    home = with_kernel.output("echo $HOME")
    assert shown.split()[:2] == [f"{home}/.python/bin/python", f"{home}/.python"]
    assert "already satisfied" in with_kernel.output("pip install --no-index psutil")


def test_a_package_of_the_node_cannot_be_removed(with_kernel: LocalSession) -> None:
    assert "outside environment" in with_kernel.output("pip uninstall -y psutil 2>&1")
    assert cell(with_kernel, "import psutil; psutil.__name__") == "'psutil'"


def test_an_environment_that_the_agent_makes_is_not_touched_by_it(with_kernel: LocalSession) -> None:
    with_kernel.output("python -m venv --without-pip made")
    made = with_kernel.output("made/bin/python -c 'import sys; print(sys.path)'")
    assert "made/lib" in made
    assert ".python" not in made
    assert sys.prefix not in made


def test_it_weighs_next_to_nothing(tmp_path: Path) -> None:
    interpreter.create(str(tmp_path))
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < 4096
    assert len(list(tmp_path.rglob("*"))) < 20


def test_what_was_removed_is_made_again(tmp_path: Path) -> None:
    python = Path(interpreter.create(str(tmp_path)))
    python.unlink()
    assert interpreter.create(str(tmp_path)) == str(python) == interpreter.program(str(tmp_path))
    assert subprocess.run([python, "-c", "import psutil"], check=False).returncode == 0


def test_a_home_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".python").write_text("in the way")
    with pytest.raises(OSError, match="python"):
        interpreter.create(str(tmp_path))


@pytest.mark.long
def test_a_package_of_the_index(with_kernel: LocalSession) -> None:
    assert "Successfully installed cowsay" in cell(with_kernel, "%pip install --disable-pip-version-check cowsay")
    assert "moo" in cell(with_kernel, "import cowsay; cowsay.cow('moo')")
    assert "/.python/lib/" in with_kernel.output("python -c 'import cowsay; print(cowsay.__file__)'")
