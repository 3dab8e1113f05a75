"""How cost grows: with payload, output, age of the session, number of sessions, length of the workflow.

It is the shape of a curve that counts here, not the last percent of a value. So all values of a curve are measured in
one process, one after the other; and none in a quick run, since the first of each is what ``actions`` measures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from statistics import median
from typing import ClassVar

from openhands.events.action import CmdRunAction, FileReadAction, FileWriteAction
from openhands.runtime.base import Runtime

from benchmarks.clock import clock
from benchmarks.common import (
    act,
    connected_runtime,
    keep_warm,
    leave,
    not_when_quick,
    only_on_request,
    read_whole,
    requested,
)
from benchmarks.once import MeasuredOnce
from benchmarks.resources import sessions_mb
from benchmarks.session import shared_session

_KB, _MB = 1000, 1_000_000

#: Calls for each value, of which the median counts: as many as fit into so many seconds, and no fewer than these.
MEASURE_S, LEAST = 0.3, 3

#: Commands that are timed in a session of some age.
TIMED = 50


class Curve[Of](MeasuredOnce[dict[Of, float]]):
    """Base of what is measured for each value of one parameter.

    Attributes:
        usually: the largest value that is measured where no more is asked for.
    """

    timeout = 300.0
    usually: ClassVar[int]
    params: ClassVar[list[list[int]]]

    def setup(self, value: int) -> None:
        """Skip the larger ones."""
        not_when_quick()
        if value > self.usually:
            only_on_request()

    def values(self) -> list[int]:
        """Return those that are to be measured."""
        return [value for value in self.params[0] if value <= self.usually or requested()]


class Payload(Curve[tuple[str, int]]):
    """Files of 1 B to 100 MB."""

    version = "3"
    params = [[1, _KB, 100 * _KB, _MB, 10 * _MB, 100 * _MB]]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["bytes"]  # noqa: RUF012
    usually = 10 * _MB

    def measure(self) -> dict[tuple[str, int], float]:
        """Write and read them."""
        path, line = "/workspace/payload.txt", "x" * 99 + "\n"
        found = {}
        with shared_session() as runtime:
            for size in self.values():
                write = FileWriteAction(path, (line * (size // len(line) + 1))[:size])
                found["write", size] = _median_seconds(act, runtime, write, "")
                found["read", size] = _median_seconds(read_whole, runtime, path, size)
        return found

    def track_write(self, size: int) -> float:
        """Return the seconds of writing one."""
        return self.measured()["write", size]

    def track_read(self, size: int) -> float:
        """Return the seconds of reading one."""
        return self.measured()["read", size]

    track_write.pretty_name = "File write by size"  # type: ignore[attr-defined]
    track_write.unit = "seconds"  # type: ignore[attr-defined]
    track_read.pretty_name = "File read by size"  # type: ignore[attr-defined]
    track_read.unit = "seconds"  # type: ignore[attr-defined]


class Output(Curve[int]):
    """Commands that print 1 to 100,000 lines."""

    version = "3"
    unit = "seconds"
    params = [[1, 100, 10_000, 100_000]]  # noqa: RUF012
    param_names = ["lines"]  # noqa: RUF012
    usually = 100_000

    def measure(self) -> dict[int, float]:
        """Print them."""
        with shared_session() as runtime:
            return {lines: _median_seconds(_print, runtime, lines) for lines in self.values()}

    def track_lines(self, lines: int) -> float:
        """Return the seconds of such a command."""
        return self.measured()[lines]

    track_lines.pretty_name = "Command by lines of output"  # type: ignore[attr-defined]


def _print(runtime: Runtime, lines: int) -> None:
    act(runtime, CmdRunAction(f"seq {lines}"), str(lines))


class Workflow(Curve[int]):
    """Workflows of 1 to 100 actions."""

    version = "3"
    unit = "seconds"
    params = [[1, 10, 50, 100]]  # noqa: RUF012
    param_names = ["actions"]  # noqa: RUF012
    usually = 100

    def measure(self) -> dict[int, float]:
        """Run them."""
        with shared_session() as runtime:
            return {actions: _median_seconds(_work, runtime, actions) for actions in self.values()}

    def track_actions(self, actions: int) -> float:
        """Return the seconds of such a workflow."""
        return self.measured()[actions]

    track_actions.pretty_name = "Workflow by number of actions"  # type: ignore[attr-defined]


def _work(runtime: Runtime, actions: int) -> None:
    """Run commands, writes and reads in turn."""
    for number in range(actions):
        path = f"/workspace/{number // 3}.txt"
        if number % 3 == 0:
            act(runtime, CmdRunAction(f"echo {number}"), str(number))
        elif number % 3 == 1:
            act(runtime, FileWriteAction(path, f"text {number}"), "")
        else:
            act(runtime, FileReadAction(path), f"text {number - 1}")


class Age(Curve[int]):
    """A session that has run many actions already."""

    version = "3"
    unit = "seconds"
    params = [[1, 100, 1000, 10_000]]  # noqa: RUF012
    param_names = ["actions before"]  # noqa: RUF012
    usually = 1000

    def measure(self) -> dict[int, float]:
        """Let one session age, and look at it at each age."""
        found, done = {}, 0
        with shared_session() as runtime:
            for age in self.values():
                for number in range(done, age):
                    _echo(runtime, str(number))
                found[age] = _median_command(runtime)
                done = age + TIMED
        return found

    def track_command(self, age: int) -> float:
        """Return the median of a simple command (seconds)."""
        return self.measured()[age]

    track_command.pretty_name = "Simple command by age of the session"  # type: ignore[attr-defined]


class _Living(Curve[tuple[str, int]]):
    """Sessions that live at the same time, on a cluster of their own, below this process."""

    timeout = 600.0
    params = [[1, 4, 16, 64]]  # noqa: RUF012
    param_names = ["sessions"]  # noqa: RUF012
    usually = 4

    def measure(self) -> dict[tuple[str, int], float]:
        """Connect more and more of them, each of which has done something."""
        keep_warm(0)
        found = {}
        with closing(_more_and_more(self.values())) as living:
            for runtimes in living:
                found["MB", len(runtimes)] = sessions_mb() / len(runtimes)
                found["seconds", len(runtimes)] = _median_command(runtimes[-1])
        return found


class Sessions(_Living):
    """What a session takes of time where many live."""

    version = "4"
    unit = "seconds"

    def track_command(self, count: int) -> float:
        """Return the median of a simple command (seconds) in one of them."""
        return self.measured()["seconds", count]

    track_command.pretty_name = "Simple command by sessions that live"  # type: ignore[attr-defined]


class SessionsMemory(_Living):
    """What a session takes of memory where many live."""

    version = "1"
    unit = "MB"

    def track_each(self, count: int) -> float:
        """Return what one of them takes (MB)."""
        return self.measured()["MB", count]

    track_each.pretty_name = "Memory of a session by sessions that live"  # type: ignore[attr-defined]


def _more_and_more(counts: list[int]) -> Generator[list[Runtime]]:
    """Yield so many sessions that live at the same time, each of which has been used; end them."""
    runtimes: list[Runtime] = []
    try:
        for count in counts:
            while len(runtimes) < count:
                runtimes.append(connected_runtime())
                _echo(runtimes[-1], "benchmark")
            yield runtimes
    finally:
        for runtime in runtimes:
            leave(runtime)


def _median_command(runtime: Runtime) -> float:
    return median(clock.seconds(_echo, runtime, f"timed {number}") for number in range(TIMED))


def _echo(runtime: Runtime, words: str) -> None:
    act(runtime, CmdRunAction(f"echo {words}"), words)


def _median_seconds[**P](call: Callable[P, object], *args: P.args, **options: P.kwargs) -> float:
    """Return how long a call takes, after one that does not count."""
    call(*args, **options)
    times: list[float] = []
    end = time.perf_counter() + MEASURE_S
    while len(times) < LEAST or time.perf_counter() < end:
        times.append(clock.seconds(call, *args, **options))
    return median(times)
