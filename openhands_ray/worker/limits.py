"""What one session may take of its node, and by what each limit is held there.

A limit is held by the kernel where that is possible: by a control group, by a resource limit of the session's
processes, or by the size of a mount. Where no control group can be made, memory and processes are watched instead.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import cache

import psutil

from openhands_ray.worker.prctl import SET_DUMPABLE, prctl

#: Share of the node's memory that a session may use where nothing is said: one alone does not take the node along.
DEFAULT_MEMORY_SHARE = 0.75

#: Processes and threads that a session may have where nothing is said: several times what a browser and a build need,
#: and an eighth of what the kernel has numbers for by default.
DEFAULT_PROCESSES = 4096

#: The controller of control groups that holds a limit.
CONTROLLERS = {"memory_bytes": "memory", "processes": "pids", "cpus": "cpu"}

#: The first kernel that counts processes by user namespace, and so by sandbox.
_COUNTED_BY_NAMESPACE = (5, 14)

_RLIMITS = {
    "open_files": resource.RLIMIT_NOFILE,
    "file_bytes": resource.RLIMIT_FSIZE,
    "processes": resource.RLIMIT_NPROC,
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What was asked for. None: what protects the node, where that costs nothing; 0: no limit.

    Attributes:
        memory_bytes: Memory of all processes, their caches and what is in folders of memory.
        processes: Processes and threads.
        cpus: Time on the CPU per second of the clock, in seconds.
        open_files: Open files of one process.
        file_bytes: Size of one file.
        disk_bytes: What fits into the workspace, into home and into ``/tmp``, each; they are in memory then.
    """

    memory_bytes: int | None = None
    processes: int | None = None
    cpus: float | None = None
    open_files: int | None = None
    file_bytes: int | None = None
    disk_bytes: int | None = None

    def asked(self) -> dict[str, float]:
        """Return the limits that were asked for by name."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name))}

    def by_default(self) -> dict[str, float]:
        """Return the limits that hold though nobody asked for them."""
        defaults: dict[str, float] = {
            "memory_bytes": int(DEFAULT_MEMORY_SHARE * psutil.virtual_memory().total),
            "processes": DEFAULT_PROCESSES,
        }
        return {name: value for name, value in defaults.items() if getattr(self, name) is None}

    @staticmethod
    def exceeded(name: str, value: float) -> str:
        """Return what to say of a limit at which something was ended or refused."""
        if name == "memory_bytes":
            return f"The session reached its memory limit of {value / 2**20:.0f} MiB, and a process in it was killed."
        return f"The session reached its limit of {value:.0f} processes, and no more were let be."


@dataclass(frozen=True)
class Held:
    """The limits of a session, by what holds them."""

    group: Mapping[str, float]
    rlimits: Mapping[str, int]
    watched: Mapping[str, int]
    disk_bytes: int
    missing: Collection[str]  # defaults that nothing holds here

    def description(self) -> dict[str, dict[str, float | str]]:
        """Return each limit by name: its ``value`` and by what it is ``held``."""
        kinds = {"control group": self.group, "resource limit": self.rlimits, "watcher": self.watched}
        mount = {"disk_bytes": self.disk_bytes} if self.disk_bytes else {}
        return {
            name: {"value": value, "held": kind}
            for kind, limits in {**kinds, "mount": mount}.items()
            for name, value in limits.items()
        }


def hold(limits: Limits, *, sandboxed: bool, controllers: Collection[str], problem: str) -> Held:
    """Decide by what each limit is held.

    Args:
        limits: what was asked for.
        sandboxed: whether the session has namespaces and mounts of its own.
        controllers: those that a control group can be made with.
        problem: why there are no more.

    Raises:
        OSError: nothing on this node holds a limit that was asked for.
    """
    asked = limits.asked()
    group: dict[str, float] = {}
    rlimits: dict[str, int] = {}
    watched: dict[str, int] = {}
    missing = []
    for name, value in {**limits.by_default(), **asked}.items():
        if CONTROLLERS.get(name) in controllers:
            group[name] = value
        elif name in ("open_files", "file_bytes") or (name == "processes" and sandboxed and _counts_by_sandbox()):
            rlimits[name] = int(value)
        elif name not in asked:
            missing.append(name)
        elif name in ("memory_bytes", "processes"):
            watched[name] = int(value)
        elif name == "cpus":
            raise OSError(f"a limit of CPU time needs a control group, and {problem}")
        elif not sandboxed:
            raise OSError("a limit of the disk needs a sandbox, whose mounts hold it, and this session has none")
    return Held(group, rlimits, watched, int(asked.get("disk_bytes", 0)), missing)


@cache
def _counts_by_sandbox() -> bool:
    """Whether the kernel holds a limit of processes for each sandbox alone. It never does for root's."""
    release = os.uname().release.split(".")
    return os.getuid() != 0 and (int(release[0]), int(release[1].split("-")[0])) >= _COUNTED_BY_NAMESPACE


def confine(rlimits: Mapping[str, int]) -> None:
    """Set the resource limits of this process, and of all that it starts from now on."""
    for name, value in rlimits.items():
        _, most = resource.getrlimit(_RLIMITS[name])
        wanted = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(_RLIMITS[name], (wanted, wanted))


def go_first() -> None:
    """Have the kernel, where memory is short, kill this process and what it starts before the executor.

    To be called between fork and exec.
    """
    with contextlib.suppress(OSError):
        prctl(SET_DUMPABLE, 1)  # else this file belongs to root
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        try:
            os.write(score, b"1000")
        finally:
            os.close(score)
