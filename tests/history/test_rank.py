from __future__ import annotations

import itertools
import math
import random

import pytest

from openhands_ray.history import rank


def smaller_pairs(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    return sum(b < a for a in before for b in after)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 3), (3, 3), (4, 2), (4, 5)])
def test_the_chance_is_the_share_of_all_orders(m: int, n: int) -> None:
    everything = range(m + n)
    splits = [
        (before, tuple(x for x in everything if x not in before)) for before in itertools.combinations(everything, m)
    ]
    for before, after in splits:
        as_extreme = sum(smaller_pairs(*other) <= smaller_pairs(before, after) for other in splits)
        assert rank.p_value(before, after) == pytest.approx(as_extreme / len(splits))


@pytest.mark.parametrize(("m", "n"), [(3, 4), (5, 5)])
def test_the_chance_of_events_is_the_share_of_all_their_places(m: int, n: int) -> None:
    for events in range(m + n + 1):
        places = list(itertools.combinations(range(m + n), events))
        for after in range(max(0, events - m), min(n, events) + 1):
            as_extreme = sum(sum(place >= m for place in each) >= after for each in places)
            expected = as_extreme / len(places)
            assert rank.p_value_of_counts(events - after, m, after, n) == pytest.approx(expected)


def test_the_shift_is_the_median_difference_between_its_bounds() -> None:
    shift = rank.shift([1.0, 2.0, 3.0, 4.0, 5.0], [11.0, 12.0, 13.0, 14.0, 15.0], 0.004)

    # At this chance of error only the outermost of the 25 differences are bounds.
    assert (shift.lower, shift.estimate, shift.upper) == (6, 10, 14)


def test_too_few_values_bound_nothing() -> None:
    shift = rank.shift([1.0, 2.0], [5.0, 6.0], 0.01)

    assert (shift.lower, shift.upper) == (-math.inf, math.inf)
    assert shift.estimate == 4


def test_ties_prove_nothing() -> None:
    same = [7.0] * 8

    assert rank.p_value(same, same) == 1
    assert rank.shift(same, same, 0.01) == rank.Shift(0, 0, 0)


@pytest.mark.parametrize("most", [5, 6, 9, 27, 100])
def test_the_looks_spend_the_chance_of_error_once(most: int) -> None:
    looks = rank.looks(most)

    assert looks[0].runs == 5
    assert looks[-1].runs <= most
    assert sum(look.share for look in looks) == pytest.approx(1)
    assert all(before.runs < after.runs for before, after in itertools.pairwise(looks))


def test_looking_again_and_again_is_seldom_wrong() -> None:
    """With no difference, the lower bound is above zero at any look in at most 1 of 100 series, however noisy."""
    generator = random.Random(5)
    looks = rank.looks(27)
    wrong = 0
    for _ in range(1000):
        before, after = ([generator.paretovariate(1.5) for _ in range(27)] for _ in range(2))
        bounds = (rank.shift(before[: look.runs], after[: look.runs], 0.01 * look.share).lower for look in looks)
        wrong += any(bound > 0 for bound in bounds)

    assert wrong <= 20  # of 10 at most expected: more than 20 has a chance of 1 in 600
