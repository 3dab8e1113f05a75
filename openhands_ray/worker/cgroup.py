"""Control groups, of either version: what holds the memory, the processes and the CPU time of a whole session.

A session gets a group below the one that its actor is in, so what limits the actor limits it too. The limits are those
of the group, and the session is in a group within it: as root it could mount the control groups of its own namespace
and write there, but it never sees more than the inner one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import signal
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from openhands_ray.worker.limits import CONTROLLERS

#: Seconds for the processes of a group to be gone after they were killed.
END_TIMEOUT_S = 5

#: Microseconds over which CPU time is counted. The kernel's own default.
PERIOD_US = 100_000

#: The group within that the session's processes are in.
INNER = "session"

# Processes that a session needs for the next action. A bomb that is being capped is now and then below its limit.
_ROOM = 8

#: Enters the groups whose lists of processes come before ``--``, and becomes the program after it. Where memory is
#: short, that is the last to be killed; Ray has its workers, and what they start, be the first of the machine.
ENTER = (
    "{ echo 0 > /proc/self/oom_score_adj; } 2>/dev/null; "
    'while [ "$1" != -- ]; do echo 0 > "$1" || exit 1; shift; done; shift; exec "$@"'
)

#: Ends all that is in the groups that are its arguments, and removes them.
REMOVE = (
    'for group in "$@"; do tries=0; while [ -d "$group" ] && [ $tries -lt 100 ]; do '
    f'while read -r pid; do [ "$pid" -gt 0 ] && kill -9 "$pid"; done < "$group/{INNER}/cgroup.procs"; '
    f'rmdir "$group/{INNER}" "$group" && break; [ -d "$group/{INNER}" ] || rmdir "$group"; '
    "tries=$((tries + 1)); sleep 0.05; done; done 2>/dev/null"
)


@dataclass(frozen=True)
class Place:
    """A folder of the control group file system in which groups with a controller can be made."""

    version: int
    folder: Path


class ControlGroup:
    """The group of one session: one folder, or with version 1 one for each controller."""

    def __init__(self, limits: Mapping[str, float], where: Mapping[str, Place]) -> None:
        """Make it.

        Args:
            limits: ``memory_bytes``, ``processes``, ``cpus``, as far as this group is to hold them.
            where: the places of the controllers.

        Raises:
            OSError: it cannot be made; nothing is left of it.
        """
        name = f"openhands-ray-{secrets.token_hex(8)}"
        self._limits = limits
        self.folders: list[Path] = []
        self._counters: list[tuple[str, int]] = []
        try:
            for limit, value in limits.items():
                place = where[CONTROLLERS[limit]]
                self._make(place.folder / name)
                _set(place.folder / name, place.version, limit, value)
            self._watch()
        except OSError:
            self.remove()
            raise
        self._seen = self._count()

    def _make(self, folder: Path) -> None:
        if folder not in self.folders:
            folder.mkdir()
            self.folders.append(folder)
            (folder / INNER).mkdir()

    def _watch(self) -> None:
        """Open the files in which the kernel counts what it did because of a limit."""
        for limit, files in {"memory_bytes": _KILLS, "processes": ("pids.events",)}.items():
            for folder in self.folders if limit in self._limits else []:
                for path in (each / name for each in (folder, folder / INNER) for name in files):
                    with contextlib.suppress(FileNotFoundError):
                        self._counters.append((limit, os.open(path, os.O_RDONLY | os.O_CLOEXEC)))

    def enter(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs ``argv`` in the group, from its first instruction on."""
        return [
            "/bin/sh",
            "-c",
            ENTER,
            "sh",
            *(str(each / INNER / "cgroup.procs") for each in self.folders),
            "--",
            *argv,
        ]

    def news(self) -> list[str]:
        """Return the limits at which the kernel ended a process, or refused one, since the last call."""
        try:
            now = self._count()
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return []  # the group has gone with its session
        before, self._seen = self._seen, now
        return [limit for limit, count in now.items() if count > before[limit]]

    @property
    def full(self) -> bool:
        """Whether it has as many processes as it may have."""
        for folder in self.folders if "processes" in self._limits else []:
            with contextlib.suppress(FileNotFoundError):
                return int((folder / "pids.current").read_text()) >= self._limits["processes"] - _ROOM
        return False

    def _count(self) -> dict[str, int]:
        counts = dict.fromkeys((limit for limit, _ in self._counters), 0)
        for limit, counter in self._counters:
            word = b"oom_kill" if limit == "memory_bytes" else b"max"
            for line in os.pread(counter, 4096, 0).splitlines():
                key, _, value = line.partition(b" ")
                if key == word:
                    counts[limit] += int(value)
        return counts

    def remove(self) -> None:
        """End what is still in it, however it detached itself, and remove it. Idempotent."""
        while self._counters:
            os.close(self._counters.pop()[1])
        deadline = time.monotonic() + END_TIMEOUT_S
        while self.folders and time.monotonic() < deadline:
            _end(self.folders[-1])
            if _removed(self.folders[-1]):
                self.folders.pop()
            else:
                time.sleep(0.002)  # the kernel tells nobody when the last process has left


_KILLS = ("memory.events", "memory.oom_control")  # version 2, version 1


def _set(folder: Path, version: int, limit: str, value: float) -> None:
    if limit == "processes":
        (folder / "pids.max").write_text(str(int(value)))
    elif limit == "cpus":
        quota = max(1000, int(value * PERIOD_US))
        if version == 2:
            (folder / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        else:
            (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (folder / "cpu.cfs_quota_us").write_text(str(quota))
    else:
        memory, swap = _MEMORY[version]
        (folder / memory).write_text(str(int(value)))
        if (folder / swap).exists():  # no more by swapping: version 1 counts both, version 2 swap alone
            (folder / swap).write_text(str(int(value)) if version == 1 else "0")


_MEMORY = {1: ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), 2: ("memory.max", "memory.swap.max")}


def _end(folder: Path) -> None:
    with contextlib.suppress(OSError):
        (folder / "pids.max").write_text("0")  # what is killed one by one must not multiply meanwhile
    with contextlib.suppress(OSError):
        for pid in map(int, (folder / INNER / "cgroup.procs").read_text().split()):
            if pid > 0:  # 0 is a process that cannot be seen from here, and to kill() this one's own group
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _removed(folder: Path) -> bool:
    for each in (folder / INNER, folder):
        try:
            each.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def places(parent: str | None) -> tuple[dict[str, Place], str]:
    """Return where groups can be made, by controller, and why not for all of them.

    Args:
        parent: a folder of version 2 to make them in. None: the group that this process is in.
    """
    found, problem = _places(parent)
    return dict(found), problem


@cache
def _places(parent: str | None) -> tuple[dict[str, Place], str]:
    wanted = set(CONTROLLERS.values())
    if parent is not None:
        found = _unified(Path(parent), wanted)
        return found, "" if len(found) == len(wanted) else f"{parent} cannot be used: {_why_not(Path(parent))}"
    own, found = _own_groups(), {}
    problem = "" if wanted <= own.keys() else "this node has no control groups mounted for that"
    for controller in wanted & own.keys():
        if os.access(own[controller], os.W_OK):
            found[controller] = Place(1, own[controller])
        else:
            problem = f"{own[controller]} cannot be written to"
    if "" in own and (rest := wanted - found.keys()):
        found |= _unified(own[""], rest)
        if rest - found.keys():
            problem = f"{own['']} cannot be used: {_why_not(own[''])}"
    return found, problem


def _unified(folder: Path, wanted: Collection[str]) -> dict[str, Place]:
    """Return the controllers that groups below ``folder`` have, after asking the kernel for those that are missing."""
    passed_on = folder / "cgroup.subtree_control"
    try:
        for controller in (set(wanted) & _words(folder / "cgroup.controllers")) - _words(passed_on):
            with contextlib.suppress(OSError):  # it holds processes itself
                passed_on.write_text(f"+{controller}")
        enabled = _words(passed_on)
    except OSError:
        return {}
    writable = os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)
    return {each: Place(2, folder) for each in wanted if each in enabled and writable}


def _words(path: Path) -> set[str]:
    return set(path.read_text().split())


def _why_not(folder: Path) -> str:
    if not (folder / "cgroup.controllers").exists():
        return "it is no control group of version 2"
    if not os.access(folder, os.W_OK):
        return "it cannot be written to"
    return "it does not have the controllers, or it holds processes itself and so cannot pass them on"


def _own_groups() -> dict[str, Path]:
    """Return the folder of the group that this process is in, by controller; that of version 2 under ``""``."""
    mounts: dict[str, tuple[str, str]] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            root, point = before.split()[3:5]
            for name in [""] if kind == "cgroup2" else options.split(","):
                mounts.setdefault(name, (root, point))
    found = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            if name in mounts:
                root, point = mounts[name]
                found[name] = Path(point, os.path.relpath(path, root))
    return found
