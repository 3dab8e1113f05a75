"""Exact rank statistics of two small samples, and a rule to look at them again and again as they grow.

No distribution is assumed, so neither the tail of slow runs nor a scale matters:

- The test is that of Mann and Whitney (1947): among ``m * n`` pairs, how often is one of the second sample the smaller?
  Its distribution is counted, not approximated. With ties the bounds stay valid, and are cautious.
- The size of the shift is the median of all pairwise differences (Hodges and Lehmann, 1963). Its bounds are two of
  those differences: the test, inverted (Hollander, Wolfe and Chicken, *Nonparametric Statistical Methods*, 2014,
  chapter 4).
- Whoever looks after every run and stops when he likes what he sees is wrong more often than he thinks (Armitage,
  McPherson and Rowe, 1969). So the chance of error is spent over the looks: two fifths of it at the first one, the rest
  in equal parts at the later ones (a union bound, the plainest way to spend it in the sense of Lan and DeMets, 1983).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from statistics import median

FIRST_LOOK = 5  # runs of each: the fewest whose perfect separation (1 in 252) can decide at 0.4 %
_FIRST_SHARE = 0.4


@dataclass(frozen=True)
class Shift:
    """How much larger the second sample is, in the unit of the values.

    Attributes:
        estimate: the median of all pairwise differences.
        lower: the shift is below this with at most the stated chance of error.
        upper: the shift is above this with at most the same chance.
    """

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Look:
    """One of the moments at which growing samples are judged.

    Attributes:
        runs: of each sample.
        share: of the chance of error that may be spent here.
    """

    runs: int
    share: float


def looks(most: int) -> list[Look]:
    """Returns the moments to look: at 5, 6, 7, 8, 10, 12, 15, … runs.

    Args:
        most: runs of each sample; at least ``FIRST_LOOK``.
    """
    moments = [FIRST_LOOK]
    while (following := moments[-1] + max(1, moments[-1] // 4)) <= most:
        moments.append(following)
    later = len(moments) - 1
    shares = [_FIRST_SHARE if later else 1.0, *[(1 - _FIRST_SHARE) / max(1, later)] * later]
    return [Look(runs, share) for runs, share in zip(moments, shares, strict=True)]


def shift(before: Sequence[float], after: Sequence[float], error: float) -> Shift:
    """Returns the shift between two samples, each bound being wrong with a chance of at most ``error``.

    A bound is infinite where the samples are too small for that chance.
    """
    differences = sorted(b - a for a in before for b in after)
    rank = _critical_rank(len(before), len(after), error)
    if rank == 0:
        return Shift(median(differences), float("-inf"), float("inf"))
    return Shift(median(differences), differences[rank - 1], differences[-rank])


def p_value(before: Sequence[float], after: Sequence[float]) -> float:
    """Returns the chance of samples at least as shifted upwards as these if there were no shift (one-sided).

    Ties count against the shift.
    """
    below = sum(b <= a for a in before for b in after)
    return _distribution(len(before), len(after))[below]


def p_value_of_counts(before: int, of_before: int, after: int, of_after: int) -> float:
    """Returns the chance of at least ``after`` events in the second sample if both were equally prone to them.

    Fisher's exact test, one-sided: ``before`` events of ``of_before`` runs against ``after`` of ``of_after``.
    """
    events, runs = before + after, of_before + of_after
    ways = sum(comb(of_after, k) * comb(of_before, events - k) for k in range(after, min(events, of_after) + 1))
    return ways / comb(runs, events)


def _critical_rank(m: int, n: int, error: float) -> int:
    """Returns the largest number of differences below a bound that keeps its chance of error; 0 where none does."""
    rank = 0
    for chance in _distribution(m, n):
        if chance > error:
            break
        rank += 1
    return rank


@cache
def _distribution(m: int, n: int) -> tuple[float, ...]:
    """Returns the chance that U is at most 0, 1, 2, …, m * n, where both samples come from one distribution."""
    # The number of orders for each U is a coefficient of the Gaussian binomial: prod (1 - x^(n+i)) / (1 - x^i).
    counts = [1] + [0] * (m * n)
    for i in range(1, m + 1):
        for power in range(m * n, n + i - 1, -1):
            counts[power] -= counts[power - n - i]
        for power in range(i, m * n + 1):
            counts[power] += counts[power - i]
    total, sums = 0, []
    for count in counts:
        total += count
        sums.append(total)
    return tuple(each / total for each in sums)
