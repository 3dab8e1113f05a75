"""Operations beside their references: measured in one process, call by call in turn, so that the ratio holds on a busy
machine, where neither time does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from statistics import fmean, median
from typing import NamedTuple

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
from benchmarks.common import MEGABYTE, TEXT, act, connected_runtime, only_on_request, quick, read_whole, requested
from benchmarks.once import MeasuredOnce
from benchmarks.references import BareActor, BareBrowser, BareKernel, InActor, RawPty, run_program
from benchmarks.session import shared_session

#: How often all pairs are measured, each time with sessions and references of their own: two of the same differ by more
#: than one does from one moment to the next, in reading 1 MB by 4 %.
ROUNDS = 1 if quick() else 8

#: Seconds for which an operation and its reference are measured in a round where nothing else is said: what varies
#: most, and what takes longest, have more. A round tells most pairs to 1 to 2 %, programs to 4 %; so it does 1 MB read,
#: but for that no longer one would tell more.
MEASURE_S = 0.2

#: And each of them in a quick run.
QUICK_S = 0.1

#: Seconds before that which do not count.
WARM_UP_S = 0.05

#: Times that 1 MB is read before: then it has the memory that it goes on with.
FIRST_READS = 1 if quick() else 30

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
    """A session with a kernel, and the references of its pairs, until ``close``."""

    def __init__(self) -> None:
        """Start them side by side, and wait for all; this process is connected to a cluster."""
        self.terminal, self.kernel = InActor(RawPty), InActor(BareKernel)
        with ThreadPoolExecutor() as pool:
            actor, runtime = pool.submit(BareActor), pool.submit(connected_runtime, jupyter=True)
        self.actor, self.runtime = actor.result(), runtime.result()
        self.near_kernel = BareKernel() if requested() else None
        self.act(IPythonRunCellAction("print('there')"), "there")
        self.kernel.run("print('there')")

    def close(self) -> None:
        """End them; the connection to the cluster stays."""
        for each in (self.near_kernel, self.actor, self.terminal, self.kernel, self.runtime):
            if each is not None:
                each.close()

    def act(self, action: Action, expected: str) -> None:
        act(self.runtime, action, expected)

    def simple_command(self) -> Pair:
        answer = b"x" * ANSWER_BYTES
        return Pair(lambda: self.act(CmdRunAction("echo word"), "word"), lambda: self.actor.swap(answer), 0.4)

    def simple_command_and_pty(self) -> Pair:
        return Pair(lambda: self.act(CmdRunAction("echo word"), "word"), lambda: self.terminal.run("echo word"), 0.4)

    def python_command(self) -> Pair:
        command = CmdRunAction("python3 -S -c 'print(6 * 7)'")
        return Pair(lambda: self.act(command, "42"), lambda: run_program(*_PYTHON), 0.7)

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
        return Pair(lambda: self.act(write, ""), lambda: self.actor.take(data), 0.5)

    def megabyte_read(self) -> Pair:
        self.act(FileWriteAction("/workspace/mr.txt", MEGABYTE), "")
        self.actor.take(MEGABYTE.encode())
        pair = Pair(lambda: read_whole(self.runtime, "/workspace/mr.txt", len(MEGABYTE)), self.actor.give, 0.7)
        for _ in range(FIRST_READS):
            pair.ours(), pair.reference()
        return pair

    def cell(self) -> Pair:
        return self._cell_beside(self.kernel)

    def cell_and_client(self) -> Pair:
        return self._cell_beside(self.near_kernel)

    def _cell_beside(self, kernel: InActor | BareKernel | None) -> Pair:
        assert kernel is not None  # for the types
        cell = IPythonRunCellAction("print('word')")
        return Pair(lambda: self.act(cell, "word"), lambda: kernel.run(cell.code), 1.0)


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
    "IPython cell / jupyter_client in an actor": Beside.cell,
}

#: What is compared on request: in one process with what calls it a kernel is quicker, but differs more from the next.
REQUESTED_PAIRS: dict[str, Callable[[Beside], Pair]] = {"IPython cell / jupyter_client": Beside.cell_and_client}


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
    version = "5"
    params = [[*PAIRS, *REQUESTED_PAIRS]]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["pair"]  # noqa: RUF012

    def setup(self, pair: str) -> None:
        """Skip what is to be asked for."""
        if pair in REQUESTED_PAIRS:
            only_on_request()

    def measure(self) -> dict[str, Found | str]:
        """Measure all pairs, in one process."""
        os.environ["OPENHANDS_RAY_WARM_SESSIONS"] = "0"  # none is to be started beside what is measured
        with shared_session():  # which connects this process
            return _in_rounds(PAIRS | (REQUESTED_PAIRS if requested() else {}))

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
        with shared_session() as runtime, closing(BareBrowser()) as reference:
            url = served_page(runtime)
            browse = BrowseURLAction(url)
            return interleaved(Pair(lambda: act(runtime, browse, "Benchmark page"), lambda: reference.browse(url)))

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


def _in_rounds(pairs: Mapping[str, Callable[[Beside], Pair]]) -> dict[str, Found | str]:
    rounds = []
    for _ in range(ROUNDS):
        with closing(Beside()) as beside, awake():
            rounds.append({name: _measure(pair, beside) for name, pair in pairs.items()})
    return {name: _together([each[name] for each in rounds]) for name in pairs}


def _measure(pair: Callable[[Beside], Pair], beside: Beside) -> Found | str:
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
    duration_s = QUICK_S if quick() else pair.duration_s
    _in_turn(pair, WARM_UP_S)
    samples = _in_turn(pair, duration_s)
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
