"""The walls around a session: bubblewrap where the kernel lets it work, a plain process otherwise."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from openhands_ray.worker import cgroup, interpreter
from openhands_ray.worker.volumes import Volume, link, prepared

Isolation = Literal["sandbox", "process"]

#: What of the host's system a sandbox sees, read only.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt")

#: What of it stays hidden: readable by root, and a session may run as root.
_HIDDEN_FILES = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-")
_HIDDEN_FOLDERS = ("/etc/ssh", "/etc/ssl/private", "/etc/sudoers.d")


#: What stands in the command of the shell that waits for a session's end: the cluster's watchdog lets it do its work.
JANITOR = "openhands-ray-janitor"

# The session may have left folders that even their owner cannot list.
_REMOVE = 'chmod -R u+rwX -- "$0" 2>/dev/null; rm -rf -- "$0"'


@dataclass(frozen=True)
class Sandbox:
    """One session's folders, and how a program is started inside its walls.

    ``root`` holds ``workspace``, ``home`` and ``tmp``; it is the session's own and goes with it.
    """

    root: Path
    workspace: str
    isolation: Isolation
    volumes: Sequence[Volume] = ()
    network: bool = True  # the node's; a sandbox without it has a loopback of its own
    disk_bytes: int = 0  # what fits into each of its folders, which are in memory then; 0: what the node's disk holds
    _mounted: list[Volume] = field(default_factory=list)

    def create(self) -> None:
        """Make the folders.

        Raises:
            OSError: the node does not have a volume, or it cannot be where it is to be.
        """
        self.root.mkdir(mode=0o700, parents=True)
        for name in ("workspace", "home", "tmp"):
            (self.root / name).mkdir(mode=0o700)
        (self.root / "tmp").chmod(0o1777)
        self._mounted.extend(prepared(self.volumes, self.root / "copies"))
        if self.isolation == "process":
            link(self._mounted, self.workspace, self.root / "workspace")

    def remove(self) -> None:
        """Remove the folders and all that is in them. Idempotent."""
        subprocess.run(["/bin/sh", "-c", _REMOVE, str(self.root)], check=False, capture_output=True)

    def remove_at_the_end_of(self, lifeline: int, groups: Sequence[Path] = ()) -> None:
        """Have the folders removed when the last holder of the other end of the pipe ``lifeline`` has gone.

        What is in the control groups ``groups`` then is ended first, and they are removed too.

        The shell that waits for it is nobody's child here: Ray kills the children of a worker with it.
        """
        waiting = f": {JANITOR}; trap '' HUP INT TERM; read -r line; {cgroup.REMOVE}; {_REMOVE}"
        subprocess.run(
            ["setsid", "--fork", "/bin/sh", "-c", waiting, str(self.root), *map(str, groups)],
            stdin=lifeline,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=True,
        )

    @property
    def home(self) -> str:
        """The session's home, as the session sees it."""
        if self.isolation == "process":
            return str(self.root / "home")
        return "/root" if os.getuid() == 0 else f"/home/{getpass.getuser()}"

    @property
    def folder(self) -> str:
        """The workspace's folder, as the session sees it."""
        return self.workspace if self.isolation == "sandbox" else str(self.root / "workspace")

    def environment(self) -> dict[str, str]:
        """Return the whole environment of a session: nothing of the node's, which may hold secrets."""
        system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {
            "PATH": f"{Path(interpreter.program(self.home)).parent}:{Path(sys.prefix, 'bin')}:{system}",
            "HOME": self.home,
            "USER": getpass.getuser(),
            "LOGNAME": getpass.getuser(),
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "TERM": "screen",
        }
        if self.isolation == "process":
            environment["TMPDIR"] = str(self.root / "tmp")
        return environment

    def wrap(self, argv: Sequence[str], code: Path) -> list[str]:
        """Return ``argv`` as it runs inside the walls, where it also sees the folder ``code``."""
        return list(argv) if self.isolation == "process" else [_bubblewrap(), *self._options(code), "--", *argv]

    def _options(self, code: Path) -> Iterator[str]:
        yield from ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-cgroup-try")
        if not self.network:
            yield "--unshare-net"
        # The executor is the first process of its namespace: the only one that `kill -9 -1` spares.
        yield from ("--cap-drop", "ALL", "--die-with-parent", "--as-pid-1")
        yield from _system_mounts()
        yield from ("--proc", "/proc", "--dev", "/dev", *self._in_memory("/run"), "--dir", "/var")
        yield from (*self._own("tmp", "/tmp"), "--symlink", "/tmp", "/var/tmp")
        yield from (*self._own("home", self.home), *self._own("workspace", self.workspace))
        resolver = Path("/etc/resolv.conf")
        if resolver.is_symlink():
            yield from ("--ro-bind-try", str(resolver.resolve()), str(resolver.resolve()))
        for folder in _python_folders(code):
            yield from ("--ro-bind", folder, folder)
        for volume in self._mounted:
            yield from ("--bind" if volume.writable else "--ro-bind", volume.source, volume.target)
        if self.disk_bytes:
            yield from (*self._in_memory("/dev/shm"), "--remount-ro", "/dev", "--remount-ro", "/")
        yield from ("--chdir", self.workspace)

    def _own(self, name: str, target: str) -> Sequence[str]:
        """Return how the session's own folder ``name`` gets to where the session sees it."""
        if not self.disk_bytes:
            return "--bind", str(self.root / name), target
        return "--perms", f"{(self.root / name).stat().st_mode & 0o7777:o}", *self._in_memory(target)

    def _in_memory(self, target: str) -> Sequence[str]:
        size = ("--size", str(self.disk_bytes)) if self.disk_bytes else ()
        return *size, "--tmpfs", target


def _system_mounts() -> Iterator[str]:
    for name in _SYSTEM:
        if os.path.islink(name):  # /bin is a link to usr/bin on most systems
            yield from ("--symlink", os.readlink(name), name)
        else:
            yield from ("--ro-bind-try", name, name)
    for name in _HIDDEN_FILES:
        if os.path.exists(name):
            yield from ("--ro-bind", "/dev/null", name)
    for name in _HIDDEN_FOLDERS:
        if os.path.isdir(name):
            yield from ("--tmpfs", name)


def _python_folders(code: Path) -> list[str]:
    """Return the folders of the interpreter and of ``code`` that the system's own do not hold."""
    wanted = dict.fromkeys(os.path.realpath(each) for each in (sys.base_prefix, sys.prefix, str(code)))
    shown = [*wanted, *dict.fromkeys([sys.base_prefix, sys.prefix])]
    inside = (*_SYSTEM, *(os.path.realpath(each) for each in (sys.base_prefix, sys.prefix)))
    return [
        each
        for each in dict.fromkeys(shown)
        if not any(each != outer and each.startswith(outer + os.sep) for outer in inside)
    ]


def _bubblewrap() -> str:
    found = shutil.which("bwrap", path=os.environ.get("PATH", "") + ":/usr/bin:/usr/local/bin")
    if found is None:
        raise FileNotFoundError("bwrap")
    return found


@cache
def sandbox_problem() -> str | None:
    """Return why bubblewrap cannot be used on this node, or None where it can. Tried once per process."""
    try:
        trial = [_bubblewrap(), "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
        done = subprocess.run(trial, capture_output=True, text=True, check=False, timeout=10)
    except FileNotFoundError:
        return "bubblewrap is not installed (Debian, Ubuntu: apt-get install bubblewrap)"
    except subprocess.TimeoutExpired:
        return "bubblewrap did not answer within 10 seconds"
    return None if done.returncode == 0 else f"bubblewrap does not work here: {done.stderr.strip()}"


def executor_argv(fds: Sequence[int], code: Path) -> list[str]:
    """Return the command that starts an executor of exactly the package in ``code``, whatever else is installed."""
    program = (
        f"import sys; sys.path.insert(0, {str(code.parent)!r}); from openhands_ray.worker.executor import main; main()"
    )
    return [sys.executable, "-I", "-c", program, *map(str, fds)]


def executor_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the executor itself, whose shell and kernel get ``environment`` alone."""
    return {**environment, "PYTHONDONTWRITEBYTECODE": "1"}
