"""What several sessions do at once, each driven by a thread of one process."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from statistics import median

from openhands.events.action import CmdRunAction, FileWriteAction
from openhands.runtime.base import Runtime

from benchmarks.clock import clock
from benchmarks.common import (
    MEGABYTE,
    act,
    connected_runtime,
    keep_warm,
    leave,
    not_when_quick,
    quick,
    read_whole,
    seconds,
    shared_cluster,
)
from benchmarks.once import MeasuredOnce
from benchmarks.session import shared_session

#: Commands that each session runs in one measurement, and the turns in which all is measured. The median counts.
ACTIONS, TURNS = 10, 1 if quick() else 4

#: Sessions at once, at most.
MOST = 4 if quick() else 16

#: Iterations of an empty loop in bash: about a second.
LOOPS = 300_000


class _Sessions:
    """Sessions that are connected before the measurement."""

    timeout = 180.0
    runtimes: list[Runtime]

    def connect(self, count: int) -> None:
        """Connect so many, side by side."""
        self.runtimes = []
        keep_warm(0)
        shared_cluster()
        with ThreadPoolExecutor(count) as pool:
            self.runtimes = list(pool.map(lambda _: connected_runtime(), range(count)))

    def disconnect(self) -> None:
        """End them."""
        for runtime in self.runtimes:
            leave(runtime)


def _warm_up(pool: Executor, runtimes: list[Runtime]) -> None:
    _side_by_side(pool, lambda runtime: act(runtime, CmdRunAction("echo warm"), "warm"), runtimes)


def _side_by_side(pool: Executor, work: Callable[[Runtime], object], runtimes: list[Runtime]) -> None:
    """Have all of these do the work, each in a thread of its own."""
    list(pool.map(work, runtimes))


#: Seconds of an action by what it is and by how many sessions there are.
Measured = dict[tuple[str, int], float]


class Sessions(_Sessions, MeasuredOnce[Measured]):
    """Sessions that act at once: how long an action takes of the whole, which falls while cores are free."""

    version = "4"
    params = [[1, 4, 16]]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["sessions"]  # noqa: RUF012

    def setup(self, count: int) -> None:
        """Skip the most of them in a quick run."""
        if count > MOST:
            not_when_quick()

    def measure(self) -> Measured:
        """Connect them, and measure all in turn, fewer sessions more often: each number of them does as much."""
        times: dict[tuple[str, int], list[float]] = {}
        self.connect(MOST)
        try:
            with ThreadPoolExecutor(MOST) as pool:
                for count in [each for each in self.params[0] if each <= MOST] * TURNS:
                    some = self.runtimes[:count]
                    _warm_up(pool, some)
                    for _ in range(MOST // count):
                        commands_s = clock.seconds(_side_by_side, pool, _commands, some) / (count * ACTIONS)
                        files_s = clock.seconds(_side_by_side, pool, _files, some) / (count * 2)
                        times.setdefault(("commands", count), []).append(commands_s)
                        times.setdefault(("files", count), []).append(files_s)
        finally:
            self.disconnect()
        return {measured: median(seconds) for measured, seconds in times.items()}

    def track_rapid_commands(self, count: int) -> float:
        """Return the seconds of all by the number of commands."""
        return self.measured()["commands", count]

    def track_large_files(self, count: int) -> float:
        """Return the seconds of all by the number of megabytes that are written and read."""
        return self.measured()["files", count]

    track_rapid_commands.pretty_name = "Rapid-fire commands by sessions"  # type: ignore[attr-defined]
    track_rapid_commands.unit = "seconds"  # type: ignore[attr-defined]
    track_large_files.pretty_name = "1 MB files in parallel by sessions"  # type: ignore[attr-defined]
    track_large_files.unit = "seconds"  # type: ignore[attr-defined]


def _commands(runtime: Runtime) -> None:
    for number in range(ACTIONS):
        act(runtime, CmdRunAction(f"echo rapid {number}"), f"rapid {number}")


def _files(runtime: Runtime) -> None:
    act(runtime, FileWriteAction("/workspace/megabyte.txt", MEGABYTE), "")
    read_whole(runtime, "/workspace/megabyte.txt", len(MEGABYTE))


class Utilisation(_Sessions):
    """How much of the cores the sessions' commands have, when there is one for each core."""

    version = "2"
    unit = "ratio"

    def setup(self) -> None:
        """Connect them; not in a quick run."""
        self.runtimes = []
        not_when_quick()
        self.connect(os.cpu_count() or 1)

    def teardown(self) -> None:
        """End them."""
        self.disconnect()

    def track_slowdown(self) -> float:
        """Return how many times longer a computation takes on all cores at once than alone; 1 is ideal."""
        with ThreadPoolExecutor(len(self.runtimes)) as pool:
            _warm_up(pool, self.runtimes)
            alone = seconds(_side_by_side, pool, _compute, self.runtimes[:1])
            return seconds(_side_by_side, pool, _compute, self.runtimes) / alone

    track_slowdown.pretty_name = "Computation on all cores, beside one alone"  # type: ignore[attr-defined]


def _compute(runtime: Runtime) -> None:
    act(runtime, CmdRunAction(f"for ((i = 0; i < {LOOPS}; i++)); do :; done; echo computed"), "computed")


#: Sessions that come and go in one measurement, and the measurements, of which the median counts.
COME_AND_GO, MEASUREMENTS = 4, 2


class Churn:
    """Sessions that come and go."""

    timeout = 180.0
    version = "3"
    unit = "seconds"

    def setup(self) -> None:
        """Skip it in a quick run, which has ``NewSession``."""
        not_when_quick()

    def track_session(self) -> float:
        """Return the seconds of a session from its beginning over one command to its end, two at a time."""
        with shared_session(), ThreadPoolExecutor(2) as pool:  # the one that is there before: its start is not counted
            times = [clock.seconds(lambda: list(pool.map(_live, range(COME_AND_GO)))) for _ in range(MEASUREMENTS)]
            return median(times) / COME_AND_GO

    track_session.pretty_name = "Sessions that come and go"  # type: ignore[attr-defined]


def _live(number: int) -> None:
    runtime = connected_runtime()
    try:
        act(runtime, CmdRunAction(f"echo {number}"), str(number))
    finally:
        runtime.close()
