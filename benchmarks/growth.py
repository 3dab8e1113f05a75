"""How cost grows: with payload, output, age of the session, number of sessions, length of the workflow.

It is the shape of a curve that counts here, not the last percent of a value. So all values of all curves of a session
are measured in one process, in turn; and none in a quick run, since the first of each is what ``actions`` measures.
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
from benchmarks.once import MeasuredOnce, reason, unless_failed
from benchmarks.resources import sessions_mb
from benchmarks.session import shared_session

_KB, _MB = 1000, 1_000_000

#: Turns in which all is measured, one curve after the other: what is measured all at once differs more from run to run.
TURNS = 3

#: Calls for each value in each turn, after one that does not count: as many as fit into so many seconds, and no fewer.
MEASURE_S, LEAST = 0.1, 2

#: Commands that are timed in a session of some age, and where so many sessions live.
TIMED = 50

#: What is measured: a value of one of the curves. And what was found for each.
Point = tuple[str, int]
Points = dict[Point, float]
Seconds = dict[Point, list[float]]


class Curve[Found](MeasuredOnce[Found]):
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

    @classmethod
    def values(cls) -> list[int]:
        """Return those that are to be measured."""
        return [value for value in cls.params[0] if value <= cls.usually or requested()]


class _InTurns(Curve[dict[str, Points | str]]):
    """Curves that are measured in turn; what one of them cannot be measured for is no matter to the others."""

    def measure(self) -> dict[str, Points | str]:
        """Measure them; return the points of each class, or what was wrong there."""
        seconds: dict[str, Seconds] = {}
        wrong: dict[str, str] = {}
        keep_warm(0)
        with shared_session() as runtime:
            curves = [Payload, Output, Workflow, Age] * TURNS
            for curve in curves[:-1]:  # a session ages for as long as all others take: once less often
                name = curve.__name__
                if name not in wrong:
                    try:
                        curve.turn(runtime, seconds.setdefault(name, {}))
                    except Exception as error:
                        wrong[name] = reason(error)
        return {name: _medians(points) for name, points in seconds.items()} | wrong

    @classmethod
    def turn(cls, runtime: Runtime, seconds: Seconds) -> None:
        """Measure the curve once more."""
        raise NotImplementedError

    def point(self, kind: str, value: int) -> float:
        """Return what was found there.

        Raises:
            AssertionError: it could not be measured.
        """
        return unless_failed(self.measured()[type(self).__name__])[kind, value]


def _medians(seconds: Seconds) -> Points:
    return {point: median(found) for point, found in seconds.items()}


def _time[**P](found: list[float], call: Callable[P, object], *args: P.args, **options: P.kwargs) -> None:
    """Add how long a call takes, some times, after one that does not count."""
    call(*args, **options)
    end, least = time.perf_counter() + MEASURE_S, len(found) + LEAST
    while len(found) < least or time.perf_counter() < end:
        found.append(clock.seconds(call, *args, **options))


class Payload(_InTurns):
    """Files of 1 B to 100 MB."""

    version = "4"
    params = [[1, _KB, 100 * _KB, _MB, 10 * _MB, 100 * _MB]]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["bytes"]  # noqa: RUF012
    usually = 10 * _MB

    @classmethod
    def turn(cls, runtime: Runtime, seconds: Seconds) -> None:
        """Write and read them."""
        path, line = "/workspace/payload.txt", "x" * 99 + "\n"
        for size in cls.values():
            write = FileWriteAction(path, (line * (size // len(line) + 1))[:size])
            _time(seconds.setdefault(("write", size), []), act, runtime, write, "")
            _time(seconds.setdefault(("read", size), []), read_whole, runtime, path, size)

    def track_write(self, size: int) -> float:
        """Return the seconds of writing one."""
        return self.point("write", size)

    def track_read(self, size: int) -> float:
        """Return the seconds of reading one."""
        return self.point("read", size)

    track_write.pretty_name = "File write by size"  # type: ignore[attr-defined]
    track_write.unit = "seconds"  # type: ignore[attr-defined]
    track_read.pretty_name = "File read by size"  # type: ignore[attr-defined]
    track_read.unit = "seconds"  # type: ignore[attr-defined]


class Output(_InTurns):
    """Commands that print 1 to 100,000 lines."""

    version = "4"
    unit = "seconds"
    params = [[1, 100, 10_000, 100_000]]  # noqa: RUF012
    param_names = ["lines"]  # noqa: RUF012
    usually = 100_000

    @classmethod
    def turn(cls, runtime: Runtime, seconds: Seconds) -> None:
        """Print them."""
        for lines in cls.values():
            _time(seconds.setdefault(("lines", lines), []), act, runtime, CmdRunAction(f"seq {lines}"), str(lines))

    def track_lines(self, lines: int) -> float:
        """Return the seconds of such a command."""
        return self.point("lines", lines)

    track_lines.pretty_name = "Command by lines of output"  # type: ignore[attr-defined]


class Workflow(_InTurns):
    """Workflows of 1 to 100 actions."""

    version = "4"
    unit = "seconds"
    params = [[1, 10, 50, 100]]  # noqa: RUF012
    param_names = ["actions"]  # noqa: RUF012
    usually = 100

    @classmethod
    def turn(cls, runtime: Runtime, seconds: Seconds) -> None:
        """Run them."""
        for actions in cls.values():
            _time(seconds.setdefault(("actions", actions), []), _work, runtime, actions)

    def track_actions(self, actions: int) -> float:
        """Return the seconds of such a workflow."""
        return self.point("actions", actions)

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


class Age(_InTurns):
    """A session that has run many actions already; one in each turn."""

    version = "4"
    unit = "seconds"
    params = [[1, 100, 1000, 10_000]]  # noqa: RUF012
    param_names = ["actions before"]  # noqa: RUF012
    usually = 1000

    @classmethod
    def turn(cls, runtime: Runtime, seconds: Seconds) -> None:
        """Let a session age, and look at it at each age."""
        done = 0
        young = connected_runtime()
        try:
            for age in cls.values():
                for number in range(done, age):
                    _echo(young, str(number))
                seconds.setdefault(("age", age), []).extend(_commands_seconds(young))
                done = age + TIMED
        finally:
            young.close()

    def track_command(self, age: int) -> float:
        """Return the median of a simple command (seconds)."""
        return self.point("age", age)

    track_command.pretty_name = "Simple command by age of the session"  # type: ignore[attr-defined]


class _Living(Curve[Points]):
    """Sessions that live at the same time, on a cluster of their own, below this process."""

    timeout = 600.0
    params = [[1, 4, 16, 64]]  # noqa: RUF012
    param_names = ["sessions"]  # noqa: RUF012
    usually = 4

    def measure(self) -> Points:
        """Connect more and more of them, each of which has done something, and end them again."""
        memory: Points = {}
        seconds: Seconds = {}
        with closing(_more_and_fewer(self.values())) as living:
            for runtimes in living:
                count = len(runtimes)
                if ("MB", count) not in memory:  # not what is left when others have ended
                    memory["MB", count] = sessions_mb() / count
                seconds.setdefault(("seconds", count), []).extend(_commands_seconds(runtimes[-1]))
        return memory | _medians(seconds)


class Sessions(_Living):
    """What a session takes of time where many live."""

    version = "5"
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


def _more_and_fewer(counts: list[int]) -> Generator[list[Runtime]]:
    """Yield so many sessions that live at the same time, each of which has been used, and then fewer again."""
    keep_warm(0)
    runtimes: list[Runtime] = []
    try:
        for count in [*counts, *reversed(counts)]:
            while len(runtimes) < count:
                runtimes.append(connected_runtime())
                _echo(runtimes[-1], "benchmark")
            while len(runtimes) > count:
                runtimes.pop().close()
            yield runtimes
    finally:
        for runtime in runtimes:
            leave(runtime)


def _commands_seconds(runtime: Runtime) -> list[float]:
    return [clock.seconds(_echo, runtime, f"timed {number}") for number in range(TIMED)]


def _echo(runtime: Runtime, words: str) -> None:
    act(runtime, CmdRunAction(f"echo {words}"), words)
