"""Operations beside their references: measured in one process, call by call in turn, so that the ratio holds on a busy
machine, where neither time does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import fmean, median

from openhands.events.action import BrowseURLAction

from benchmarks.actions import served_page
from benchmarks.awake import awake
from benchmarks.clock import speed
from benchmarks.common import act, keep_warm, not_when_quick, only_on_request, quick, requested
from benchmarks.once import MeasuredOnce, reason, unless_failed
from benchmarks.pairs import FURTHER_PAIRS, PAIRS, REQUESTED_PAIRS, Beside, Pair
from benchmarks.references import BareBrowser
from benchmarks.session import shared_session

#: How often all pairs are measured, each time with sessions and references of their own: two of the same differ by more
#: than one does from one moment to the next, in reading 1 MB by 4 %.
ROUNDS = 1 if quick() else 5

#: Seconds for which the speed of the machine is measured, before each pair and after it.
SPEED_S = 0.01

#: Seconds for which each pair is measured in a quick run.
QUICK_S = 0.1


@dataclass(frozen=True)
class Found:
    """What was measured of a pair.

    Attributes:
        ratio: how many times the reference the operation takes: of each two calls in turn, since what else the machine
            does slows both; of these the median, and of the rounds the mean without the smallest and the largest.
        ours: median of the operation, in seconds of the steady clock.
        reference: that of the reference.
    """

    ratio: float
    ours: float
    reference: float


class Ratio(MeasuredOnce[dict[str, Found | str]]):
    """The median of an operation, of its reference, and of the one over the other; or why there is none."""

    timeout = 400.0
    version = "8"
    params = [[*PAIRS, *FURTHER_PAIRS, *REQUESTED_PAIRS]]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["pair"]  # noqa: RUF012

    def setup(self, pair: str) -> None:
        """Skip what is to be asked for, and in a quick run the further pairs."""
        if pair in REQUESTED_PAIRS:
            only_on_request()
        elif pair not in PAIRS:
            not_when_quick()

    def measure(self) -> dict[str, Found | str]:
        """Measure all pairs, in one process."""
        keep_warm(0)
        with shared_session():  # which connects this process
            return _in_rounds()

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
        return unless_failed(self.measured()[pair])

    track_ratio.pretty_name = "Ratio to the reference"  # type: ignore[attr-defined]
    track_ratio.unit = "ratio"  # type: ignore[attr-defined]
    track_ours.pretty_name = "Operation, beside its reference"  # type: ignore[attr-defined]
    track_ours.unit = "seconds"  # type: ignore[attr-defined]
    track_reference.pretty_name = "Reference"  # type: ignore[attr-defined]
    track_reference.unit = "seconds"  # type: ignore[attr-defined]


class BrowserRatio(MeasuredOnce[Found]):
    """A page in the session's browser beside BrowserGym as OpenHands configures it, which takes long."""

    timeout = 300.0
    version = "5"

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


def _in_rounds() -> dict[str, Found | str]:
    rounds: dict[str, list[Found | str]] = {}
    for _ in range(ROUNDS):
        with closing(Beside()) as beside, awake():
            for name, pair in _pairs().items():
                rounds.setdefault(name, []).append(_measure(pair, beside))
    return {name: _together(found) for name, found in rounds.items()}


def _pairs() -> Mapping[str, Callable[[Beside], Pair]]:
    """Return what a round measures."""
    return PAIRS | ({} if quick() else FURTHER_PAIRS) | (REQUESTED_PAIRS if requested() else {})


def _measure(pair: Callable[[Beside], Pair], beside: Beside) -> Found | str:
    try:
        return interleaved(pair(beside))
    except Exception as error:  # of this pair alone: the others can still be measured
        return reason(error)


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
    duration_s = min(QUICK_S, pair.duration_s) if quick() else pair.duration_s
    _in_turn(pair, pair.warm_up_s, 0)
    before = speed(SPEED_S)
    samples = _in_turn(pair, duration_s, pair.least)
    pace = (before + speed(SPEED_S)) / 2
    ours, reference = map(median, zip(*samples, strict=True))
    return Found(median(mine / theirs for mine, theirs in samples), ours * pace, reference * pace)


def _in_turn(pair: Pair, duration_s: float, least: int) -> list[tuple[float, float]]:
    samples: list[tuple[float, float]] = []
    end = time.perf_counter() + duration_s
    while len(samples) < least or time.perf_counter() < end:
        start = time.perf_counter()
        pair.ours()
        between = time.perf_counter()
        pair.reference()
        samples.append((between - start, time.perf_counter() - between))
    return samples
