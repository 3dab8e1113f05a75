"""The Python of a session: an environment of its own, where ``pip`` installs, above the node's packages.

It is what ``python -m venv`` makes, but for two things: the packages below it are those of the node's environment and
not of the interpreter that this was made of, and there is no copy of pip, since the node has one. So it is a few links
and lines of text; a session that installs nothing pays nothing else for it.
"""

from __future__ import annotations

import contextlib
import os
import site
import sys
from pathlib import Path

#: Where it is, below the session's home.
FOLDER = ".python"

_PIP = '#!/bin/sh\nexec "$(dirname -- "$0")/python" -m pip "$@"\n'


def program(home: str) -> str:
    """Return the path of the interpreter."""
    return os.path.join(home, FOLDER, "bin", "python")


def create(home: str) -> str:
    """Make it below ``home``, where it is not there yet; return the path of the interpreter.

    Raises:
        OSError: it could not be written.
    """
    python = Path(program(home))
    if os.access(python, os.X_OK):
        return str(python)
    root, version = python.parents[1], f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = root / "lib" / version / "site-packages"
    packages.mkdir(parents=True, exist_ok=True)
    python.parent.mkdir(exist_ok=True)
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    _link(python, base)
    for name in ("python3", version):
        _link(python.with_name(name), "python")
    for name in ("pip", "pip3"):
        script = python.with_name(name)
        script.write_text(_PIP)
        script.chmod(0o755)
    (packages / "node.pth").write_text("".join(f"import site; site.addsitedir({each!r})\n" for each in _packages()))
    number = ".".join(map(str, sys.version_info[:3]))
    (root / "pyvenv.cfg").write_text(
        f"home = {os.path.dirname(base)}\ninclude-system-site-packages = false\nversion = {number}\n"
    )
    return str(python)


def _packages() -> list[str]:
    """Return the folders of the node's packages, in the order in which they are searched."""
    own = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return [*own, *site.getsitepackages()]


def _link(path: Path, target: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    path.symlink_to(target)
