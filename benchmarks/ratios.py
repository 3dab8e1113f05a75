"""Operations beside their references: measured in one process, call by call in turn, so that the ratio holds on a busy
machine, where neither time does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import fmean, median
from typing import NamedTuple

from openhands.core.config import OpenHandsConfig
from openhands.events.action import (
    BrowseURLAction,
    CmdRunAction,
    FileEditAction,
    FileReadAction,
    FileWriteAction,
    IPythonRunCellAction,
)
from openhands.events.action.action import Action

from benchmarks.actions import served_page
from benchmarks.awake import awake
from benchmarks.common import (
    MEGABYTE,
    TEXT,
    act,
    connected_runtime,
    leave,
    only_on_request,
    quick,
    read_whole,
    runtime_class,
    shared_cluster,
)
from benchmarks.once import MeasuredOnce
from benchmarks.references import BareActor, BareBrowser, BareKernel, PtyActor, run_program

#: How often all pairs are measured, each time with sessions and references of their own: two of the same differ by more
#: than one does from one moment to the next. Two kernels do so by 5 %, other pairs by half of that.
ROUNDS, KERNEL_ROUNDS = (1, 1) if quick() else (6, 14)

#: Seconds for which an operation and its reference are measured in a round; a fourth of them before that do not count:
#: reading 1 MB has the memory that it goes on with after some thirty times. What carries 1 MB varies most; a program
#: that is started, and a cell, take longest.
MEASURE_S, MEASURE_MEGABYTE_S, MEASURE_PROGRAM_S, MEASURE_CELL_S = (0.1,) * 4 if quick() else (0.3, 1.0, 0.6, 0.4)
WARM_UP_SHARE = 0.25

#: Pairs of calls at least.
LEAST_PAIRS = 5

#: Bytes of an answer to a simple command, which is most of what a bare call would carry.
ANSWER_BYTES = 250

# The interpreter that a session finds first, too.
_PYTHON = (f"{sys.prefix}/bin/python3", "-S", "-c", "print(6 * 7)")

Call = Callable[[], object]


class Pair(NamedTuple):
    """An operation and its reference, and for how long they are measured."""

    ours: Call
    reference: Call
    duration_s: float = MEASURE_S


class Beside:
    """A session, and the references of its pairs, until ``close``."""

    def __init__(self) -> None:
        """Start them."""
        self.runtime = connected_runtime()
        self.actor, self.terminal = BareActor(), PtyActor()

    def close(self) -> None:
        """End them; the connection to the cluster stays."""
        self.actor.close()
        self.terminal.close()
        self.runtime.close()

    def act(self, action: Action, expected: str) -> None:
        act(self.runtime, action, expected)

    def simple_command(self) -> Pair:
        answer = b"x" * ANSWER_BYTES
        return Pair(lambda: self.act(CmdRunAction("echo word"), "word"), lambda: self.actor.swap(answer))

    def simple_command_and_pty(self) -> Pair:
        return Pair(lambda: self.act(CmdRunAction("echo word"), "word"), lambda: self.terminal.run("echo word"))

    def python_command(self) -> Pair:
        command = CmdRunAction("python3 -S -c 'print(6 * 7)'")
        return Pair(lambda: self.act(command, "42"), lambda: run_program(*_PYTHON), MEASURE_PROGRAM_S)

    def file_write(self) -> Pair:
        data = TEXT.encode()
        return Pair(lambda: self.act(FileWriteAction("/workspace/w.txt", TEXT), ""), lambda: self.actor.swap(data))

    def file_read(self) -> Pair:
        self.act(FileWriteAction("/workspace/r.txt", TEXT), "")
        data = TEXT.encode()
        return Pair(lambda: self.act(FileReadAction("/workspace/r.txt"), "line 39"), lambda: self.actor.swap(data))

    def file_edit(self) -> Pair:
        self.act(FileWriteAction("/workspace/e.txt", TEXT), "")
        words, data = ["line 20 of", "row 20 of"], TEXT.encode()

        def edit() -> None:
            old, new = words
            self.act(FileEditAction("/workspace/e.txt", command="str_replace", old_str=old, new_str=new), new)
            words.reverse()

        return Pair(edit, lambda: self.actor.swap(data))

    def megabyte_write(self) -> Pair:
        data = MEGABYTE.encode()
        write = FileWriteAction("/workspace/mw.txt", MEGABYTE)
        return Pair(lambda: self.act(write, ""), lambda: self.actor.take(data), MEASURE_MEGABYTE_S)

    def megabyte_read(self) -> Pair:
        self.act(FileWriteAction("/workspace/mr.txt", MEGABYTE), "")
        self.actor.take(MEGABYTE.encode())
        size = len(MEGABYTE)
        return Pair(lambda: read_whole(self.runtime, "/workspace/mr.txt", size), self.actor.give, MEASURE_MEGABYTE_S)


class KernelBeside:
    """A session with a kernel, and one by itself, until ``close``."""

    def __init__(self) -> None:
        """Start them."""
        self.runtime, self.kernel = connected_runtime(jupyter=True), BareKernel()

    def close(self) -> None:
        """End them; the connection to the cluster stays."""
        self.kernel.close()
        self.runtime.close()

    def cell(self) -> Pair:
        cell = IPythonRunCellAction("print('word')")
        return Pair(lambda: act(self.runtime, cell, "word"), lambda: self.kernel.run(cell.code), MEASURE_CELL_S)


#: What is compared: the name in the site, and the pair of calls.
PAIRS: dict[str, Callable[[Beside], Pair]] = {
    "simple command / bare actor call": Beside.simple_command,
    "simple command / raw pty in an actor": Beside.simple_command_and_pty,
    "command that starts Python / subprocess": Beside.python_command,
    "file write / bare actor call": Beside.file_write,
    "file read / bare actor call": Beside.file_read,
    "file edit / bare actor call": Beside.file_edit,
    "1 MB write / bare actor call": Beside.megabyte_write,
    "1 MB read / bare actor call": Beside.megabyte_read,
}
KERNEL_PAIRS: dict[str, Callable[[KernelBeside], Pair]] = {"IPython cell / jupyter_client": KernelBeside.cell}


@dataclass(frozen=True)
class Found:
    """What was measured of a pair.

    Attributes:
        ratio: how many times the reference the operation takes: of each two calls in turn, since what else the machine
            does slows both; of these the median, and of the rounds the mean without the smallest and the largest.
        ours: median of the operation, in seconds.
        reference: that of the reference.
    """

    ratio: float
    ours: float
    reference: float


class Ratio(MeasuredOnce[dict[str, Found | str]]):
    """The median of an operation, of its reference, and of the one over the other; or why there is none."""

    timeout = 240.0
    version = "3"
    params = [[*PAIRS, *KERNEL_PAIRS]]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["pair"]  # noqa: RUF012

    def measure(self) -> dict[str, Found | str]:
        """Measure all pairs, in one process."""
        shared_cluster()
        os.environ["OPENHANDS_RAY_WARM_SESSIONS"] = "0"  # none is to be started beside what is measured
        try:
            return {
                **_in_rounds(ROUNDS, Beside, PAIRS),
                **_in_rounds(KERNEL_ROUNDS, KernelBeside, KERNEL_PAIRS),
            }
        finally:
            runtime_class().teardown(OpenHandsConfig())

    def track_ratio(self, pair: str) -> float:
        """Return how many times the reference it takes."""
        return self._of(pair).ratio

    def track_ours(self, pair: str) -> float:
        """Return the seconds of the operation."""
        return self._of(pair).ours

    def track_reference(self, pair: str) -> float:
        """Return the seconds of the reference."""
        return self._of(pair).reference

    def _of(self, pair: str) -> Found:
        found = self.measured()[pair]
        if isinstance(found, str):
            raise AssertionError(found)
        return found

    track_ratio.pretty_name = "Ratio to the reference"  # type: ignore[attr-defined]
    track_ratio.unit = "ratio"  # type: ignore[attr-defined]
    track_ours.pretty_name = "Operation, beside its reference"  # type: ignore[attr-defined]
    track_ours.unit = "seconds"  # type: ignore[attr-defined]
    track_reference.pretty_name = "Reference"  # type: ignore[attr-defined]
    track_reference.unit = "seconds"  # type: ignore[attr-defined]


class BrowserRatio(MeasuredOnce[Found]):
    """A page in the session's browser beside BrowserGym as OpenHands configures it, which takes long."""

    timeout = 300.0
    version = "3"

    def setup(self) -> None:
        """Skip it, unless it is asked for."""
        only_on_request()

    def measure(self) -> Found:
        """Measure both in turn."""
        shared_cluster()
        runtime, reference = connected_runtime(), BareBrowser()
        try:
            url = served_page(runtime)
            browse = BrowseURLAction(url)
            return interleaved(Pair(lambda: act(runtime, browse, "Benchmark page"), lambda: reference.browse(url)))
        finally:
            reference.close()
            leave(runtime)

    def track_ratio(self) -> float:
        """Return how many times the reference it takes."""
        return self.measured().ratio

    def track_ours(self) -> float:
        """Return the seconds of the operation."""
        return self.measured().ours

    def track_reference(self) -> float:
        """Return the seconds of the reference."""
        return self.measured().reference

    track_ratio.pretty_name = "Ratio of browsing to BrowserGym"  # type: ignore[attr-defined]
    track_ratio.unit = "ratio"  # type: ignore[attr-defined]
    track_ours.pretty_name = "Browsing, beside BrowserGym"  # type: ignore[attr-defined]
    track_ours.unit = "seconds"  # type: ignore[attr-defined]
    track_reference.pretty_name = "BrowserGym"  # type: ignore[attr-defined]
    track_reference.unit = "seconds"  # type: ignore[attr-defined]


def _in_rounds[B: Beside | KernelBeside](
    count: int, start: Callable[[], B], pairs: Mapping[str, Callable[[B], Pair]]
) -> dict[str, Found | str]:
    rounds = []
    for _ in range(count):
        with closing(start()) as beside, awake():
            rounds.append({name: _measure(pair, beside) for name, pair in pairs.items()})
    return {name: _together([each[name] for each in rounds]) for name in pairs}


def _measure[B](pair: Callable[[B], Pair], beside: B) -> Found | str:
    try:
        return interleaved(pair(beside))
    except Exception as error:  # of this pair alone: the others can still be measured
        return f"{type(error).__name__}: {error}"


def _together(rounds: Sequence[Found | str]) -> Found | str:
    """Return what all rounds say, or the error of the first that had one.

    The first 1 MB in a new cluster are slow, and that round is an outlier; but the mean of the others tells more than
    the median of all. With times, each round may be an outlier.
    """
    found = [each for each in rounds if isinstance(each, Found)]
    if len(found) < len(rounds):
        return next(each for each in rounds if isinstance(each, str))
    ratios = sorted(each.ratio for each in found)
    return Found(
        fmean(ratios[1:-1] or ratios), median(each.ours for each in found), median(each.reference for each in found)
    )


def interleaved(pair: Pair) -> Found:
    """Measure the two calls of a pair in turn."""
    _in_turn(pair, WARM_UP_SHARE * pair.duration_s)
    samples = _in_turn(pair, pair.duration_s)
    return Found(median(mine / theirs for mine, theirs in samples), *map(median, zip(*samples, strict=True)))


def _in_turn(pair: Pair, duration_s: float) -> list[tuple[float, float]]:
    samples: list[tuple[float, float]] = []
    end = time.perf_counter() + duration_s
    while len(samples) < LEAST_PAIRS or time.perf_counter() < end:
        start = time.perf_counter()
        pair.ours()
        between = time.perf_counter()
        pair.reference()
        samples.append((between - start, time.perf_counter() - between))
    return samples
