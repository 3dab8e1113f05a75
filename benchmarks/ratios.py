"""Operations beside their references: measured in one process, call by call in turn, so that the ratio holds on a busy
machine, where neither time does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

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
from benchmarks.references import BareActor, BareBrowser, BareKernel, RawPty, run_program

#: Seconds for which an operation and its reference are measured.
MEASURE_S = 0.1 if quick() else 1.5

#: Pairs of calls at least, and those before them that do not count.
LEAST_PAIRS, WARM_UP_PAIRS = 9, 3

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
    terminal: RawPty
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
    "simple command / raw pty": Beside.simple_command_and_pty,
    "command that starts Python / subprocess": Beside.python_command,
    "file write / bare actor call": Beside.file_write,
    "file read / bare actor call": Beside.file_read,
    "file edit / bare actor call": Beside.file_edit,
    "1 MB write / bare actor call": Beside.megabyte_write,
    "1 MB read / bare actor call": Beside.megabyte_read,
    "IPython cell / jupyter_client": Beside.cell,
}

#: Of each pair, the seconds of ours and of the reference, or why there are none.
Medians = dict[str, tuple[float, float] | str]


class Ratio(MeasuredOnce[Medians]):
    """The median of an operation, of its reference, and the one over the other."""

    timeout = 180.0
    version = "1"
    params = [list(PAIRS)]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["pair"]  # noqa: RUF012

    def measure(self) -> Medians:
        """Measure all pairs, in one process."""
        with _beside() as beside:
            return {name: _measure(pair, beside) for name, pair in PAIRS.items()}

    def track_ratio(self, pair: str) -> float:
        """Return how many times the reference it takes."""
        ours, reference = self._of(pair)
        return ours / reference

    def track_ours(self, pair: str) -> float:
        """Return the seconds of the operation."""
        return self._of(pair)[0]

    def track_reference(self, pair: str) -> float:
        """Return the seconds of the reference."""
        return self._of(pair)[1]

    def _of(self, pair: str) -> tuple[float, float]:
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


class BrowserRatio(MeasuredOnce[tuple[float, float]]):
    """A page in the session's browser beside BrowserGym as OpenHands configures it, which takes long."""

    timeout = 300.0
    version = "1"

    def setup(self) -> None:
        """Skip it, unless it is asked for."""
        only_on_request()

    def measure(self) -> tuple[float, float]:
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
        ours, reference = self.measured()
        return ours / reference

    def track_ours(self) -> float:
        """Return the seconds of the operation."""
        return self.measured()[0]

    def track_reference(self) -> float:
        """Return the seconds of the reference."""
        return self.measured()[1]

    track_ratio.pretty_name = "Ratio of browsing to BrowserGym"  # type: ignore[attr-defined]
    track_ratio.unit = "ratio"  # type: ignore[attr-defined]
    track_ours.pretty_name = "Browsing, beside BrowserGym"  # type: ignore[attr-defined]
    track_ours.unit = "seconds"  # type: ignore[attr-defined]
    track_reference.pretty_name = "BrowserGym"  # type: ignore[attr-defined]
    track_reference.unit = "seconds"  # type: ignore[attr-defined]


@contextmanager
def _beside() -> Iterator[Beside]:
    shared_cluster()
    runtime = connected_runtime(jupyter=True)
    beside = Beside(runtime, BareActor(), RawPty(), BareKernel())
    try:
        yield beside
    finally:
        for reference in (beside.actor, beside.terminal, beside.kernel):
            reference.close()
        leave(runtime)


def _measure(pair: Callable[[Beside], Pair], beside: Beside) -> tuple[float, float] | str:
    try:
        return interleaved(*pair(beside))
    except Exception as error:  # of this pair alone: the others can still be measured
        return f"{type(error).__name__}: {error}"


def interleaved(ours: Call, reference: Call) -> tuple[float, float]:
    """Return the medians (seconds) of two calls made in turn."""
    samples: tuple[list[float], list[float]] = ([], [])
    for _ in range(WARM_UP_PAIRS):
        ours()
        reference()
    end = time.perf_counter() + MEASURE_S
    while len(samples[0]) < LEAST_PAIRS or time.perf_counter() < end:
        for call, times in zip((ours, reference), samples, strict=True):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return median(samples[0]), median(samples[1])
