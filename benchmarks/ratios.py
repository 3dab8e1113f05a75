"""Operations beside their references: measured in one process, call by call in turn, so that the ratio holds on a busy
machine, where neither time does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean, median

from openhands.events.action import (
    BrowseURLAction,
    CmdRunAction,
    FileEditAction,
    FileReadAction,
    FileWriteAction,
    IPythonRunCellAction,
)
from openhands.events.action.action import Action
from openhands.runtime.base import Runtime

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
    shared_cluster,
)
from benchmarks.once import MeasuredOnce
from benchmarks.references import BareActor, BareBrowser, BareKernel, PtyActor, run_program

#: How often all pairs are measured, each time with sessions and references of their own: two of the same differ by more
#: than one does from one moment to the next.
ROUNDS = 1 if quick() else 5

#: Seconds for which an operation and its reference are measured in a round.
MEASURE_S = 0.1 if quick() else 0.6

#: Pairs of calls at least, and those before them that do not count.
LEAST_PAIRS, WARM_UP_PAIRS = 5, 2

#: Bytes of an answer to a simple command, which is most of what a bare call would carry.
ANSWER_BYTES = 250

# The interpreter that a session finds first, too.
_PYTHON = (f"{sys.prefix}/bin/python3", "-S", "-c", "print(6 * 7)")

Call = Callable[[], object]
Pair = tuple[Call, Call]


@dataclass(frozen=True)
class Beside:
    """The sessions and the references of all pairs."""

    runtime: Runtime
    actor: BareActor
    terminal: PtyActor
    kernel: BareKernel

    def act(self, action: Action, expected: str) -> None:
        act(self.runtime, action, expected)

    def simple_command(self) -> Pair:
        answer = b"x" * ANSWER_BYTES
        return lambda: self.act(CmdRunAction("echo word"), "word"), lambda: self.actor.swap(answer)

    def simple_command_and_pty(self) -> Pair:
        return lambda: self.act(CmdRunAction("echo word"), "word"), lambda: self.terminal.run("echo word")

    def python_command(self) -> Pair:
        command = "python3 -S -c 'print(6 * 7)'"
        return lambda: self.act(CmdRunAction(command), "42"), lambda: run_program(*_PYTHON)

    def file_write(self) -> Pair:
        data = TEXT.encode()
        return lambda: self.act(FileWriteAction("/workspace/w.txt", TEXT), ""), lambda: self.actor.swap(data)

    def file_read(self) -> Pair:
        self.act(FileWriteAction("/workspace/r.txt", TEXT), "")
        data = TEXT.encode()
        return lambda: self.act(FileReadAction("/workspace/r.txt"), "line 39"), lambda: self.actor.swap(data)

    def file_edit(self) -> Pair:
        self.act(FileWriteAction("/workspace/e.txt", TEXT), "")
        words, data = ["line 20 of", "row 20 of"], TEXT.encode()

        def edit() -> None:
            old, new = words
            self.act(FileEditAction("/workspace/e.txt", command="str_replace", old_str=old, new_str=new), new)
            words.reverse()

        return edit, lambda: self.actor.swap(data)

    def megabyte_write(self) -> Pair:
        data = MEGABYTE.encode()
        return lambda: self.act(FileWriteAction("/workspace/mw.txt", MEGABYTE), ""), lambda: self.actor.take(data)

    def megabyte_read(self) -> Pair:
        self.act(FileWriteAction("/workspace/mr.txt", MEGABYTE), "")
        self.actor.take(MEGABYTE.encode())
        return lambda: read_whole(self.runtime, "/workspace/mr.txt", len(MEGABYTE)), self.actor.give

    def cell(self) -> Pair:
        code = "print('word')"
        return lambda: self.act(IPythonRunCellAction(code), "word"), lambda: self.kernel.run(code)


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
    "IPython cell / jupyter_client": Beside.cell,
}


@dataclass(frozen=True)
class Found:
    """What was measured of a pair.

    Attributes:
        ratio: how many times the reference the operation takes: of each two calls in turn, since what else the machine
            does slows both; of these the median, and of the rounds the mean.
        ours: median of the operation, in seconds.
        reference: that of the reference.
    """

    ratio: float
    ours: float
    reference: float


class Ratio(MeasuredOnce[dict[str, Found | str]]):
    """The median of an operation, of its reference, and of the one over the other; or why there is none."""

    timeout = 240.0
    version = "2"
    params = [list(PAIRS)]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["pair"]  # noqa: RUF012

    def measure(self) -> dict[str, Found | str]:
        """Measure all pairs, in one process."""
        shared_cluster()
        rounds = [_round() for _ in range(ROUNDS)]
        return {name: _together([each[name] for each in rounds]) for name in PAIRS}

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
    version = "2"

    def setup(self) -> None:
        """Skip it, unless it is asked for."""
        only_on_request()

    def measure(self) -> Found:
        """Measure both in turn."""
        shared_cluster()
        runtime, reference = connected_runtime(), BareBrowser()
        try:
            url = served_page(runtime)
            return interleaved(
                lambda: act(runtime, BrowseURLAction(url), "Benchmark page"), lambda: reference.browse(url)
            )
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


def _round() -> dict[str, Found | str]:
    with _beside() as beside, awake():
        return {name: _measure(pair, beside) for name, pair in PAIRS.items()}


@contextmanager
def _beside() -> Iterator[Beside]:
    runtime = connected_runtime(jupyter=True)
    beside = Beside(runtime, BareActor(), PtyActor(), BareKernel())
    try:
        yield beside
    finally:
        for reference in (beside.actor, beside.terminal, beside.kernel):
            reference.close()
        leave(runtime)


def _measure(pair: Callable[[Beside], Pair], beside: Beside) -> Found | str:
    try:
        return interleaved(*pair(beside))
    except Exception as error:  # of this pair alone: the others can still be measured
        return f"{type(error).__name__}: {error}"


def _together(rounds: Sequence[Found | str]) -> Found | str:
    """Return what all rounds say, or the error of the first that had one.

    Each round's ratio is without outliers, so their mean tells more than their median would. With times, a whole round
    may be an outlier.
    """
    found = [each for each in rounds if isinstance(each, Found)]
    if len(found) < len(rounds):
        return next(each for each in rounds if isinstance(each, str))
    return Found(
        fmean(each.ratio for each in found),
        median(each.ours for each in found),
        median(each.reference for each in found),
    )


def interleaved(ours: Call, reference: Call) -> Found:
    """Measure two calls in turn."""
    samples: list[tuple[float, float]] = []
    for _ in range(WARM_UP_PAIRS):
        ours()
        reference()
    end = time.perf_counter() + MEASURE_S
    while len(samples) < LEAST_PAIRS or time.perf_counter() < end:
        start = time.perf_counter()
        ours()
        between = time.perf_counter()
        reference()
        samples.append((between - start, time.perf_counter() - between))
    return Found(median(mine / theirs for mine, theirs in samples), *map(median, zip(*samples, strict=True)))
