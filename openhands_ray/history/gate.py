"""What changed between two results of a benchmark: worse, better, broken, or nothing but noise.

A value is worse when both hold:

1. It rose by more than the benchmark's threshold in ``asv.conf.json``: of its entries in ``regressions_thresholds`` and
   in ``single_run_thresholds`` the larger. asv compares levels of several commits, and single runs differ by more.
2. The rise is beyond the noise. Where asv has stored samples of both, enough for it, that is the exact test of Mann and
   Whitney, at 1 in 500; otherwise asv's 99 % intervals must not overlap. Either way the middle halves of the samples
   must not overlap: samples of one process are alike, so that a burst of other work in one of two rounds convinces any
   test over samples, but leaves the lower half of them where it was.

What is measured once, as a ``track_`` benchmark, tells nothing of its noise: the threshold alone decides then.

asv's own test (``asv continuous``, ``asv compare``) is not used since it cannot see any change between six samples and
six: it takes 1 in 462, the two-sided chance of a perfect separation, against a limit of 1 in 500.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import comb

from openhands_ray.history import rank
from openhands_ray.history.noise import threshold
from openhands_ray.history.results import Measurement

ERROR = 0.002  # the limit of asv's own test
_MOST_SAMPLES = 40  # of a side; the exact test of more takes long, and would decide the same


class Change(StrEnum):
    """What became of a benchmark."""

    WORSE = "worse"
    BROKEN = "broken"  # it had a value before, and has none now
    ACKNOWLEDGED = "worse, acknowledged"
    BETTER = "better"
    NOISE = "noise"  # beyond the threshold, but not beyond the noise
    SAME = "same"
    NEW = "new"  # no value before
    FAILING = "failing"  # no value before either
    NOT_RUN = "not run"  # it was not measured, or skipped itself, and was not expected


class Evidence(StrEnum):
    """What told a change from the noise."""

    SAMPLES = "rank test"
    INTERVALS = "intervals"
    NONE = "threshold alone"


@dataclass(frozen=True)
class Comparison:
    """One benchmark at two commits.

    Attributes:
        before: None where it was not run.
        after: likewise; one of both is there.
        threshold: the relative increase that counts.
        change: what became of it.
        evidence: None where there was nothing to compare.
    """

    before: Measurement | None
    after: Measurement | None
    threshold: float
    change: Change
    evidence: Evidence | None = None

    @property
    def measurement(self) -> Measurement:
        """The newer one that there is."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def ratio(self) -> float | None:
        """New over old: above 1 is more. None where either is missing or the old one is zero."""
        old, new = _value(self.before), _value(self.after)
        return None if old is None or new is None or old == 0 else new / old


def compare_all(
    before: Mapping[str, Measurement],
    after: Mapping[str, Measurement],
    thresholds: Mapping[str, float],
    *,
    complete: bool,
    acknowledged: Collection[str] = (),
) -> tuple[Comparison, ...]:
    """Compares every benchmark that either commit has.

    Args:
        before: by ``Measurement.name``.
        after: likewise.
        thresholds: as ``History.single_run_thresholds``.
        complete: whether a benchmark that was measured before and is missing now, or skips itself, is broken.
        acknowledged: names of those whose rise is known and accepted.
    """
    found = []
    for name in sorted(before.keys() | after.keys()):
        comparison = compare(before.get(name), after.get(name), threshold(name, thresholds), complete=complete)
        if comparison.change is Change.WORSE and name in acknowledged:
            comparison = replace(comparison, change=Change.ACKNOWLEDGED)
        found.append(comparison)
    return tuple(found)


def compare(
    before: Measurement | None, after: Measurement | None, limit: float, *, complete: bool = True
) -> Comparison:
    """Compares two results of one benchmark.

    Args:
        before: None where it was not run.
        after: likewise.
        limit: the relative increase that counts.
        complete: whether what is missing now is broken.
    """
    old, new = _value(before), _value(after)
    if before is None or after is None or old is None or new is None:
        return Comparison(before, after, limit, _without_value(before, after, complete))
    evidence = _evidence(before, after)
    margin = limit * abs(old) if new > old else limit * abs(new)
    if new == old or abs(new - old) <= margin:
        change = Change.SAME
    elif not _differs(before, after, evidence):
        change = Change.NOISE
    else:
        change = Change.WORSE if new > old else Change.BETTER
    return Comparison(before, after, limit, change, evidence)


def _without_value(before: Measurement | None, after: Measurement | None, complete: bool) -> Change:
    if after is not None and after.measured:
        return Change.NEW
    had_value = before is not None and before.measured
    if after is not None and after.failed:
        return Change.BROKEN if had_value else Change.FAILING
    return Change.BROKEN if had_value and complete else Change.NOT_RUN


def _value(measurement: Measurement | None) -> float | None:
    return measurement.value if measurement is not None and measurement.measured else None


def _evidence(before: Measurement, after: Measurement) -> Evidence:
    orders = comb(len(before.samples) + len(after.samples), len(after.samples))
    if 1 / orders < ERROR:
        return Evidence.SAMPLES
    if all(math.isfinite(_width(each)) and each.statistics.get("repeat", 0) > 1 for each in (before, after)):
        return Evidence.INTERVALS
    return Evidence.NONE


def _width(measurement: Measurement) -> float:
    return measurement.statistics.get("ci_99_b", math.inf) - measurement.statistics.get("ci_99_a", -math.inf)


def _differs(before: Measurement, after: Measurement, evidence: Evidence) -> bool:
    lower, upper = sorted((before, after), key=lambda each: each.value or 0.0)
    if evidence is Evidence.NONE:
        return True
    if lower.statistics.get("q_75", -math.inf) >= upper.statistics.get("q_25", math.inf):
        return False
    if evidence is Evidence.SAMPLES:
        return rank.p_value(_thinned(lower.samples), _thinned(upper.samples)) < ERROR
    return lower.statistics["ci_99_b"] < upper.statistics["ci_99_a"]


def _thinned(samples: tuple[float, ...]) -> tuple[float, ...]:
    """Returns as many samples as the exact test takes, from all over the measurement."""
    return samples[:: math.ceil(len(samples) / _MOST_SAMPLES)]
