"""What the cluster and a session cost in memory.

Memory is the unique set size (USS) by psutil, summed over a process tree: pages that processes share are not counted,
so that the sum is what would be free again without them.
"""

from __future__ import annotations

import re
import time
from collections import Counter

import psutil
from openhands.events.action import CmdRunAction, FileWriteAction, IPythonRunCellAction
from openhands.runtime.base import Runtime

from benchmarks.clock import clock
from benchmarks.common import act, connected_runtime, leave, not_when_quick, quick
from benchmarks.once import MeasuredOnce

_MB = 1e6

# As Ray names it, and before it has: the program that Python runs. The raylet has that among its arguments, too.
_WAITING_WORKER = re.compile(r"ray::IDLE|\S*python\S* (-\S+ )*\S*/default_worker\.py ")


class _OneCluster(MeasuredOnce[dict[str, float]]):
    """A cluster of its own, below this process, with a session that grows older, and then with one with a kernel."""

    timeout = 240.0
    unit = "MB"

    def measure(self) -> dict[str, float]:
        """Measure the session when it is new, and when it is used; and then the other one, not in a quick run."""
        session = connected_runtime()
        try:
            act(session, CmdRunAction("echo benchmark"), "benchmark")
            found = {"cluster": _cluster_mb(), "session": sessions_mb()}
            if quick():
                return found
            _use(session)
            found["used session"] = sessions_mb()
            found |= _command_seconds(session)
            session.close()
            with_kernel = connected_runtime(jupyter=True)
            act(with_kernel, CmdRunAction("echo benchmark"), "benchmark")
            act(with_kernel, IPythonRunCellAction("print('benchmark')"), "benchmark")
            return found | {"session with kernel": sessions_mb()}
        finally:
            leave(session)


class Memory(_OneCluster):
    """The memory of Ray's own processes, and of one session."""

    version = "3"

    def track_cluster(self) -> float:
        """Ray's own processes, without the workers of sessions."""
        return self.measured()["cluster"]

    def track_session(self) -> float:
        """The whole tree of a session: its worker and its shell."""
        return self.measured()["session"]

    track_cluster.pretty_name = "Memory of the Ray cluster"  # type: ignore[attr-defined]
    track_session.pretty_name = "Memory of a session"  # type: ignore[attr-defined]


class KernelMemory(_OneCluster):
    """The memory of a session whose kernel has run a cell."""

    version = "3"

    def setup(self) -> None:
        """Skip it in a quick run."""
        not_when_quick()

    def track_session(self) -> float:
        """The whole tree of the session."""
        return self.measured()["session with kernel"]

    track_session.pretty_name = "Memory of a session with its kernel"  # type: ignore[attr-defined]


class UsedMemory(_OneCluster):
    """The memory of a session that has run a thousand actions."""

    version = "1"

    def setup(self) -> None:
        """Skip it in a quick run."""
        not_when_quick()

    def track_session(self) -> float:
        """The whole tree of the session."""
        return self.measured()["used session"]

    track_session.pretty_name = "Memory of a session after 1,000 actions"  # type: ignore[attr-defined]


#: Actions before the memory is looked at, and over which CPU time is counted; the turns in which the clock is read.
ACTIONS, TURNS = 1000, 20


class Cpu(_OneCluster):
    """The CPU time of an action: of this process, and of the cluster's, of which Ray's own take next to nothing.

    In seconds of the steady clock: a processor that does less in its time has more of it to its account.
    """

    version = "4"
    unit = "seconds"
    params = [["client", "cluster"]]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["of"]  # noqa: RUF012

    def setup(self, of: str) -> None:
        """Skip it in a quick run."""
        not_when_quick()

    def track_command(self, of: str) -> float:
        """Return the seconds that a simple command takes of a core."""
        return self.measured()[f"CPU of {of}"]

    track_command.pretty_name = "CPU time of a simple command"  # type: ignore[attr-defined]


def _use(runtime: Runtime) -> None:
    for number in range(ACTIONS // 2):
        act(runtime, CmdRunAction(f"echo {number}"), str(number))
        act(runtime, FileWriteAction(f"/workspace/{number % 10}.txt", f"{number}" * 1000), "")


def _command_seconds(runtime: Runtime) -> dict[str, float]:
    """Return the seconds of CPU that a command takes, by whose they are."""
    ray, sessions = _split_tree()
    whose = {"client": [psutil.Process()], "cluster": [*ray, *sessions]}
    spent, steady_s, watch_s = Counter[str](), 0.0, 0.0
    for _ in range(TURNS):
        start, start_s = clock(), time.perf_counter()
        before = {of: _cpu_seconds(processes) for of, processes in whose.items()}
        for number in range(ACTIONS // TURNS):
            act(runtime, CmdRunAction(f"echo {number}"), str(number))
        spent.update({of: _cpu_seconds(processes) - before[of] for of, processes in whose.items()})
        watch_s += time.perf_counter() - start_s
        steady_s += clock() - start
    return {f"CPU of {of}": cpu_s * steady_s / watch_s / ACTIONS for of, cpu_s in spent.items()}


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (each.cpu_times() for each in processes))


#: Sessions of which it is counted what they leave, each with a cluster of its own.
LIVES = 3


class Leftovers(MeasuredOnce[dict[str, int]]):
    """What sessions and their clusters leave in the process that had them, and below it.

    What Ray keeps once counts, too, and a socket that it closes now at once and now later: of one session alone it
    would be now none and now one, as if something had begun to leak.
    """

    timeout = 180.0
    version = "3"
    unit = "left"
    params = [["processes", "threads", "file descriptors"]]  # noqa: RUF012
    param_names = ["of"]  # noqa: RUF012

    def setup(self, of: str) -> None:
        """Skip it in a quick run."""
        not_when_quick()

    def measure(self) -> dict[str, int]:
        """Have a session and its cluster, and again, and again."""
        before = _possessions()
        for _ in range(LIVES):
            _live()
        after = _possessions()
        return {of: after[of] - before[of] for of in before}

    def track_left(self, of: str) -> float:
        """Return how many more there are after them than before."""
        return float(self.measured()[of])

    track_left.pretty_name = "Left after three sessions and their clusters"  # type: ignore[attr-defined]


def _live() -> None:
    runtime = connected_runtime()
    act(runtime, CmdRunAction("sleep 1000 & echo benchmark"), "benchmark")
    leave(runtime)


def _possessions() -> dict[str, int]:
    process = psutil.Process()
    return {
        "processes": len(process.children(recursive=True)),
        "threads": process.num_threads(),
        "file descriptors": process.num_fds(),
    }


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


def _cluster_mb() -> float:
    ray, _ = _split_tree()
    if not ray:
        raise AssertionError("There are no processes of Ray below this one.")
    return _unique_mb(ray)


def sessions_mb() -> float:
    """Return the unique memory (MB) of all sessions below this process: their workers and all below them."""
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
