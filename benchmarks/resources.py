"""What the cluster and a session cost in memory.

Memory is the unique set size (USS) by psutil, summed over a process tree: pages that processes share are not counted,
so that the sum is what would be free again without them.
"""

from __future__ import annotations

import re

import psutil
from openhands.events.action import CmdRunAction, IPythonRunCellAction

from benchmarks.common import act, connected_runtime, leave

_MB = 1e6

# As Ray names it, and before it has: the program that Python runs. The raylet has that among its arguments, too.
_WAITING_WORKER = re.compile(r"ray::IDLE|\S*python\S* (-\S+ )*\S*/default_worker\.py ")


class Memory:
    """The memory of Ray's own processes, and of one session: on a cluster of its own, below this process."""

    timeout = 180.0
    version = "3"
    unit = "MB"

    def setup(self) -> None:
        """Start a cluster and one session, and use it."""
        self.runtime = connected_runtime()
        act(self.runtime, CmdRunAction("echo benchmark"), "benchmark")

    def teardown(self) -> None:
        """End the session and the cluster."""
        leave(self.runtime)

    def track_cluster(self) -> float:
        """Ray's own processes, without the workers of sessions."""
        ray, _ = _split_tree()
        if not ray:
            raise AssertionError("There are no processes of Ray below this one.")
        return _unique_mb(ray)

    def track_session(self) -> float:
        """The whole tree of a session: its worker and its shell."""
        return _session_mb()

    track_cluster.pretty_name = "Memory of the Ray cluster"  # type: ignore[attr-defined]
    track_cluster.unit = "MB"  # type: ignore[attr-defined]
    track_session.pretty_name = "Memory of a session"  # type: ignore[attr-defined]
    track_session.unit = "MB"  # type: ignore[attr-defined]


class KernelMemory:
    """The memory of a session whose kernel has run a cell."""

    timeout = 180.0
    version = "3"

    def setup(self) -> None:
        """Start a cluster and one session, and use its shell and its kernel."""
        self.runtime = connected_runtime(jupyter=True)
        act(self.runtime, CmdRunAction("echo benchmark"), "benchmark")
        act(self.runtime, IPythonRunCellAction("print('benchmark')"), "benchmark")

    def teardown(self) -> None:
        """End the session and the cluster."""
        leave(self.runtime)

    def track_session(self) -> float:
        """The whole tree of the session."""
        return _session_mb()

    track_session.pretty_name = "Memory of a session with its kernel"  # type: ignore[attr-defined]
    track_session.unit = "MB"  # type: ignore[attr-defined]


def _split_tree() -> tuple[list[psutil.Process], list[psutil.Process]]:
    """Return Ray's own processes below this one, and those of sessions: their workers and all below them.

    A worker that waits for a session is neither: Ray starts one now and then, and ends it again.
    """
    ray, sessions, waiting = [], [], psutil.Process().children()
    while waiting:
        process = waiting.pop()
        title = " ".join(process.cmdline())
        if title.startswith("ray::SessionActor"):
            sessions += [process, *process.children(recursive=True)]
        elif not _WAITING_WORKER.match(title):
            ray.append(process)
            waiting += process.children()
    return ray, sessions


def _session_mb() -> float:
    _, sessions = _split_tree()
    if not sessions:
        raise AssertionError("There is no session below this process.")
    return _unique_mb(sessions)


def _unique_mb(processes: list[psutil.Process]) -> float:
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().uss
        except psutil.NoSuchProcess:
            continue
    return total / _MB
