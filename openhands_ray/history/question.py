"""What is hunted: a change of a benchmark's value, a limit that it crosses, or that it begins to fail.

A question says three things of runs: what each of them tells (``observe``), whether two commits differ in the way that
is hunted (``compare``, by exact tests), and how much one more run speaks for the side of the bad end (``weigh``, a log
likelihood ratio, for Wald's sequential test of the commits in between).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median
from typing import Protocol

from openhands_ray.history import rank
from openhands_ray.history.runs import Failure, Run

# The most that a single run may say, as a log likelihood ratio: e^2.5 is 12 to 1. So a commit is never judged by fewer
# than three runs, and a run that was disturbed never outweighs two that were not. Huber (1965) has shown that clipping
# is the best that can be done where a part of the observations comes from anywhere.
CLIP = 2.5


class Verdict(Enum):
    """Whether the second of two commits differs in the way that is hunted."""

    WORSE = "worse"
    SAME = "same"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Comparison:
    """Two commits, by the runs that were made of them in turn.

    Attributes:
        verdict: with the chance of error that was granted.
        before: the observations of the first, in the order of measurement.
        after: those of the second.
        shift: how much larger the second ones are; of events, the difference of their rates.
        p_value: the chance of such evidence without a difference, over all looks at it; 1 where there is none.
    """

    verdict: Verdict
    before: tuple[float, ...]
    after: tuple[float, ...]
    shift: rank.Shift
    p_value: float

    @property
    def ratio(self) -> rank.Shift | None:
        """The second over the first; None where the first is zero, or negative."""
        level = median(self.before)
        if level <= 0:
            return None
        return rank.Shift(*(1 + each / level for each in (self.shift.estimate, self.shift.lower, self.shift.upper)))


Weigh = Callable[[float], float]


class Question(Protocol):
    """What is asked of a range of commits."""

    def observe(self, run: Run) -> float | None:
        """Returns what a run tells; None where it tells nothing, so that its commit has to be stepped over."""

    def observe_stored(self, value: float | None) -> float | None:
        """Returns what a result that asv has stored tells; None where it tells nothing."""

    def compare(self, before: Sequence[float], after: Sequence[float], error: float, *, last: bool) -> Comparison:
        """Compares two commits.

        Args:
            before: the observations of the older one.
            after: those of the newer one, equally many.
            error: the chance of a wrong verdict that may be spent.
            last: whether no more runs will be made, so that a doubtful size is accepted.
        """

    def seems_between(self, here: Sequence[float], before: Sequence[float], after: Sequence[float]) -> bool:
        """Tells whether a commit's observations lie rather between those of two others than on either side."""

    def beside(self, value: float, reference: float, level: float) -> float:
        """Returns an observation with the change of the machine's own speed taken out of it.

        Args:
            value: the observation.
            reference: one of the good end, taken at the same time.
            level: what the good end's used to be.
        """

    def weighing(self, before: Sequence[float], after: Sequence[float], *, beside: bool = False) -> Weigh:
        """Returns how to weigh an observation: positive speaks for the side of ``after``.

        Args:
            before: the observations of a good commit.
            after: those of a bad one.
            beside: whether what is weighed was taken beside a reference.
        """


@dataclass(frozen=True)
class Change:
    """The value rises, or falls.

    Attributes:
        smallest: the least relative change that is looked for.
        decrease: whether a fall is hunted, as of a rate of success.
        timeout_s: what a timing that timed out has lasted at least; None where a time-out tells nothing.
    """

    smallest: float = 0.05
    decrease: bool = False
    timeout_s: float | None = None

    def observe(self, run: Run) -> float | None:
        if run.failure is Failure.TIMEOUT and self.timeout_s is not None:
            return self.timeout_s
        return run.value

    def observe_stored(self, value: float | None) -> float | None:
        return None if value is None or math.isnan(value) else value

    def compare(self, before: Sequence[float], after: Sequence[float], error: float, *, last: bool) -> Comparison:
        least = self.smallest * abs(median(before))
        towards = rank.shift(self._signed(before), self._signed(after), error)
        verdict = Verdict.UNSURE
        # A size that is known to less than a factor of two or so would not tell the sides of a commit in between.
        known = towards.estimate >= least and towards.upper - towards.lower <= 2 * towards.estimate
        if towards.lower > 0 and (known or (last and towards.upper >= least)):
            verdict = Verdict.WORSE
        elif towards.upper < least or towards.upper <= 0:
            verdict = Verdict.SAME
        p_value = rank.p_value(self._signed(before), self._signed(after))
        shift = rank.shift(before, after, error)
        return Comparison(verdict, tuple(before), tuple(after), shift, p_value)

    def seems_between(self, here: Sequence[float], before: Sequence[float], after: Sequence[float]) -> bool:
        good, bad = median(before), median(after)
        return bad != good and 0.25 < (median(here) - good) / (bad - good) < 0.75

    def beside(self, value: float, reference: float, level: float) -> float:
        return value - (reference - level)

    def weighing(self, before: Sequence[float], after: Sequence[float], *, beside: bool = False) -> Weigh:
        good, bad = median(before), median(after)
        # A difference of two runs has twice the variance of one.
        variance = _noise(before, after) ** 2 * (2 if beside else 1)

        def weigh(value: float) -> float:
            # The normal likelihood ratio of two means.
            product = (value - (good + bad) / 2) * (bad - good)
            if variance == 0:
                return math.copysign(CLIP, product) if product else 0.0
            return max(-CLIP, min(CLIP, product / variance))

        return weigh

    def _signed(self, values: Sequence[float]) -> list[float]:
        return [-value for value in values] if self.decrease else list(values)


class _Event:
    """A question that a run answers by yes or no: 1.0 or 0.0."""

    # The rates between which it is decided that nothing is to be hunted: the newer commit shows the event so rarely, or
    # the older one so often already.
    _RARE, _OFTEN = 0.1, 0.5

    def compare(self, before: Sequence[float], after: Sequence[float], error: float, *, last: bool) -> Comparison:
        of_before, of_after = len(before), len(after)
        p_value = rank.p_value_of_counts(int(sum(before)), of_before, int(sum(after)), of_after)
        verdict = Verdict.UNSURE
        if p_value <= error:
            verdict = Verdict.WORSE
        elif self._odds(after) <= math.log(error) or self._odds(before) >= -math.log(error):
            verdict = Verdict.SAME
        difference = sum(after) / of_after - sum(before) / of_before
        return Comparison(verdict, tuple(before), tuple(after), rank.Shift(difference, math.nan, math.nan), p_value)

    def seems_between(self, here: Sequence[float], before: Sequence[float], after: Sequence[float]) -> bool:
        return False  # yes or no: there is nothing between

    def beside(self, value: float, reference: float, level: float) -> float:
        return value  # an event is none of the machine's speed

    def weighing(self, before: Sequence[float], after: Sequence[float], *, beside: bool = False) -> Weigh:
        # Half an event is added to both counts, so that what was not seen in a few runs does not count as impossible.
        good, bad = ((sum(events) + 0.5) / (len(events) + 1) for events in (before, after))

        def weigh(value: float) -> float:
            odds = math.log(bad / good) if value else math.log((1 - bad) / (1 - good))
            return max(-CLIP, min(CLIP, odds))

        return weigh

    def _odds(self, events: Sequence[float]) -> float:
        """Returns the log likelihood ratio of "often" against "rare"."""
        yes, no = math.log(self._OFTEN / self._RARE), math.log((1 - self._OFTEN) / (1 - self._RARE))
        return sum(yes if event else no for event in events)


@dataclass(frozen=True)
class Limit(_Event):
    """The value exceeds a limit, or falls below it.

    Attributes:
        limit: in the benchmark's unit; a value equal to it still holds.
        below: whether falling below is hunted.
        timeout_s: what a timing that timed out has lasted at least.
    """

    limit: float
    below: bool = False
    timeout_s: float | None = None

    def observe(self, run: Run) -> float | None:
        if run.failure is Failure.TIMEOUT and self.timeout_s is not None:
            return self.observe_stored(self.timeout_s)
        return self.observe_stored(run.value)

    def observe_stored(self, value: float | None) -> float | None:
        if value is None or math.isnan(value):
            return None
        return float(value < self.limit if self.below else value > self.limit)


@dataclass(frozen=True)
class Failing(_Event):
    """The benchmark fails. A commit that cannot even be built tells nothing about that."""

    def observe(self, run: Run) -> float | None:
        if run.failure in (Failure.BUILD, Failure.SKIPPED):
            return None
        return float(run.failure is not None)

    def observe_stored(self, value: float | None) -> float | None:
        if value is None:
            return 1.0
        return None if math.isnan(value) else 0.0


def _noise(*samples: Sequence[float]) -> float:
    """Returns the standard deviation within samples, by the median of the deviations, which few outliers do not move.

    The factor makes it that of a normal distribution. Each sample's own median takes a degree of freedom.
    """
    deviations = [abs(value - median(sample)) for sample in samples for value in sample]
    lost = len(samples)
    return 1.4826 * median(deviations) * math.sqrt(len(deviations) / max(1, len(deviations) - lost))
