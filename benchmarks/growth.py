"""How cost grows: with payload, output, age of the session, number of sessions, length of the workflow."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from statistics import median

from openhands.events.action import CmdRunAction, FileReadAction, FileWriteAction
from openhands.runtime.base import Runtime

from benchmarks.common import (
    SessionBenchmark,
    act,
    connected_runtime,
    leave,
    not_when_quick,
    only_on_request,
    quick,
    read_whole,
    requested,
    shared_cluster,
)
from benchmarks.once import MeasuredOnce
from benchmarks.resources import sessions_mb

_KB, _MB = 1000, 1_000_000

#: Commands that are timed where one number is tracked: their median counts.
TIMED = 50

#: Up to which age (in actions) a session is looked at, and how many live at the same time, where no more is asked for.
QUICK_AGE, USUAL_AGE, USUAL_SESSIONS = 1, 1000, 4


class Payload(SessionBenchmark):
    """Files of 1 B to 100 MB."""

    version = "1"
    rounds = 1  # several parameters each, for the shape of the curve rather than for the last percent
    repeat = (3, 7, 1.0)
    timeout = 300.0
    params = [[1, _KB, 100 * _KB, _MB, 10 * _MB, 100 * _MB]]  # noqa: RUF012
    param_names = ["bytes"]  # noqa: RUF012

    def setup(self, size: int) -> None:
        """Skip the largest, unless it is asked for."""
        _skip_above(1, 10 * _MB, size)
        super().setup(size)

    def prepare(self, size: int) -> None:
        """Write the file that is read."""
        line = "x" * 99 + "\n"
        self.text = (line * (size // len(line) + 1))[:size]
        self.time_write(size)

    def time_write(self, size: int) -> None:
        """Write a file."""
        act(self.runtime, FileWriteAction("/workspace/payload.txt", self.text), "")

    def time_read(self, size: int) -> None:
        """Read it."""
        read_whole(self.runtime, "/workspace/payload.txt", size)

    time_write.pretty_name = "File write by size"  # type: ignore[attr-defined]
    time_read.pretty_name = "File read by size"  # type: ignore[attr-defined]


class Output(SessionBenchmark):
    """Commands that print 1 to 100,000 lines."""

    version = "1"
    rounds = 1  # several parameters each, for the shape of the curve rather than for the last percent
    repeat = (3, 7, 1.0)
    params = [[1, 100, 10_000, 100_000]]  # noqa: RUF012
    param_names = ["lines"]  # noqa: RUF012

    def setup(self, lines: int) -> None:
        """Skip the longer ones in a quick run."""
        _skip_above(1, 100_000, lines)
        super().setup(lines)

    def time_lines(self, lines: int) -> None:
        """Print them."""
        act(self.runtime, CmdRunAction(f"seq {lines}"), str(lines))

    time_lines.pretty_name = "Command by lines of output"  # type: ignore[attr-defined]


class Age(MeasuredOnce[dict[int, float]]):
    """A session that has run many actions already."""

    version = "2"
    timeout = 300.0
    unit = "seconds"
    params = [[1, 100, 1000, 10_000]]  # noqa: RUF012
    param_names = ["actions before"]  # noqa: RUF012

    def setup(self, age: int) -> None:
        """Skip the oldest, unless it is asked for."""
        _skip_above(QUICK_AGE, USUAL_AGE, age)

    def measure(self) -> dict[int, float]:
        """Let one session age, and look at it at each age."""
        shared_cluster()
        runtime, done = connected_runtime(), 0
        oldest = QUICK_AGE if quick() else max(self.params[0]) if requested() else USUAL_AGE
        found = {}
        try:
            for age in (each for each in self.params[0] if each <= oldest):
                for number in range(done, age):
                    act(runtime, CmdRunAction(f"echo {number}"), str(number))
                found[age] = _median_command(runtime)
                done = age + TIMED
        finally:
            leave(runtime)
        return found

    def track_command(self, age: int) -> float:
        """Return the median of a simple command (seconds)."""
        return self.measured()[age]

    track_command.pretty_name = "Simple command by age of the session"  # type: ignore[attr-defined]


class Sessions(MeasuredOnce[dict[int, float]]):
    """Many sessions that live at the same time."""

    version = "1"
    timeout = 600.0
    unit = "seconds"
    params = [[1, 4, 16, 64]]  # noqa: RUF012
    param_names = ["sessions"]  # noqa: RUF012

    def setup(self, count: int) -> None:
        """Skip the most of them, unless they are asked for."""
        _skip_above(0, USUAL_SESSIONS, count)

    def measure(self) -> dict[int, float]:
        """Connect more and more of them."""
        shared_cluster()
        with closing(_more_and_more(self.params[0])) as living:
            return {len(runtimes): _median_command(runtimes[-1]) for runtimes in living}

    def track_command(self, count: int) -> float:
        """Return the median of a simple command (seconds) in one of them."""
        return self.measured()[count]

    track_command.pretty_name = "Simple command by sessions that live"  # type: ignore[attr-defined]


class SessionsMemory(MeasuredOnce[dict[int, float]]):
    """The memory of many sessions, on a cluster of their own, below this process."""

    version = "1"
    timeout = 600.0
    unit = "MB"
    params = [[1, 4, 16, 64]]  # noqa: RUF012
    param_names = ["sessions"]  # noqa: RUF012

    def setup(self, count: int) -> None:
        """Skip the most of them, unless they are asked for."""
        _skip_above(0, USUAL_SESSIONS, count)

    def measure(self) -> dict[int, float]:
        """Connect more and more of them, each of which has done something."""
        with closing(_more_and_more(self.params[0])) as living:
            return {len(runtimes): sessions_mb() / len(runtimes) for runtimes in living}

    def track_each(self, count: int) -> float:
        """Return what one of them takes (MB)."""
        return self.measured()[count]

    track_each.pretty_name = "Memory of a session by sessions that live"  # type: ignore[attr-defined]


class Workflow(SessionBenchmark):
    """Workflows of 1 to 100 actions."""

    version = "1"
    rounds = 1  # several parameters each, for the shape of the curve rather than for the last percent
    repeat = (3, 7, 1.0)
    params = [[1, 10, 50, 100]]  # noqa: RUF012
    param_names = ["actions"]  # noqa: RUF012

    def setup(self, actions: int) -> None:
        """Skip the longer ones in a quick run."""
        _skip_above(10, 100, actions)
        super().setup(actions)

    def time_actions(self, actions: int) -> None:
        """Run commands, writes and reads in turn."""
        for number in range(actions):
            path = f"/workspace/{number // 3}.txt"
            if number % 3 == 0:
                act(self.runtime, CmdRunAction(f"echo {number}"), str(number))
            elif number % 3 == 1:
                act(self.runtime, FileWriteAction(path, f"text {number}"), "")
            else:
                act(self.runtime, FileReadAction(path), f"text {number - 1}")

    time_actions.pretty_name = "Workflow by number of actions"  # type: ignore[attr-defined]


def _more_and_more(counts: list[int]) -> Generator[list[Runtime]]:
    """Yield so many sessions at the same time, each used, and then more of them; end them."""
    runtimes: list[Runtime] = []
    try:
        for count in (each for each in counts if each <= USUAL_SESSIONS or requested()):
            while len(runtimes) < count:
                runtimes.append(connected_runtime())
                act(runtimes[-1], CmdRunAction("echo benchmark"), "benchmark")
            yield runtimes
    finally:
        for runtime in runtimes:
            leave(runtime)


def _skip_above(quickly: int, usually: int, size: int) -> None:
    """Skip what is larger than this in a quick run, and than that unless it is asked for."""
    if size > quickly:
        not_when_quick()
    if size > usually:
        only_on_request()


def _median_command(runtime: Runtime | None) -> float:
    times = []
    for number in range(TIMED):
        start = time.perf_counter()
        act(runtime, CmdRunAction(f"echo timed {number}"), f"timed {number}")
        times.append(time.perf_counter() - start)
    return median(times)
