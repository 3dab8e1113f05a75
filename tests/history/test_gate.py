from __future__ import annotations

import math
import random
from statistics import median

import pytest
from asv_runner.statistics import compute_stats

from openhands_ray.history.gate import Change, Comparison, Evidence, compare, compare_all
from openhands_ray.history.results import Measurement

NAME = "actions.File.time_write"


def single(value: float | None) -> Measurement:
    """A value without statistics, as of a ``track_``."""
    return Measurement(NAME, "", NAME, "seconds", value)


def sampled(*samples: float, recorded: bool = True) -> Measurement:
    """A value as asv computes it."""
    value, statistics = compute_stats(list(samples), 1)
    return Measurement(NAME, "", NAME, "seconds", value, statistics, samples if recorded else ())


def around(center: float, count: int = 12, spread: float = 0.02) -> list[float]:
    return [center * (1 + spread * (2 * number / (count - 1) - 1)) for number in range(count)]


def change(before: Measurement | None, after: Measurement | None, limit: float = 0.4) -> Change:
    return compare(before, after, limit).change


def test_a_rise_beyond_the_threshold_and_the_noise_is_worse() -> None:
    found = compare(sampled(*around(1.0)), sampled(*around(1.5)), 0.4)

    assert (found.change, found.evidence) == (Change.WORSE, Evidence.SAMPLES)
    assert found.ratio == pytest.approx(1.5)


def test_a_rise_within_the_threshold_is_none_however_sure() -> None:
    assert change(sampled(*around(1.0)), sampled(*around(1.39))) is Change.SAME


def test_a_rise_that_the_noise_explains_is_noise() -> None:
    before = sampled(0.5, 1.0, 1.0, 1.0, 3.0, 1.0, 0.5, 2.0, 3.0, 1.1)
    after = sampled(0.5, 1.6, 1.0, 1.6, 3.0, 1.6, 0.6, 2.0, 3.0, 1.0)

    assert change(before, after) is Change.NOISE


def test_a_burst_in_one_of_two_rounds_is_noise_whatever_a_test_over_samples_says() -> None:
    quiet = around(1.0, 30)
    before, after = sampled(*quiet), sampled(*quiet[:14], *around(2.0, 16))

    found = compare(before, after, 0.4)

    assert found.ratio is not None
    assert found.ratio > 1.4
    assert found.change is Change.NOISE


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 10, 15, 30, 300])
def test_ten_times_as_slow_is_worse_with_any_number_of_samples(count: int) -> None:
    assert change(sampled(*around(1.0, count)), sampled(*around(10.0, count))) is Change.WORSE


def test_without_the_samples_asvs_intervals_decide() -> None:
    quiet = compare(sampled(*around(1.0), recorded=False), sampled(*around(1.5), recorded=False), 0.4)
    noisy = compare(
        sampled(*around(1.0, spread=0.9), recorded=False), sampled(*around(1.5, spread=0.9), recorded=False), 0.4
    )

    assert (quiet.change, quiet.evidence) == (Change.WORSE, Evidence.INTERVALS)
    assert (noisy.change, noisy.evidence) == (Change.NOISE, Evidence.INTERVALS)


def test_of_a_single_value_the_threshold_alone_decides() -> None:
    found = compare(single(1.0), single(1.5), 0.4)

    assert (found.change, found.evidence) == (Change.WORSE, Evidence.NONE)
    assert compare(sampled(1.0), sampled(1.5), 0.4).evidence is Evidence.NONE


@pytest.mark.parametrize("count", [3, 5, 15])
def test_noise_is_not_called_worse_and_a_slowdown_is(count: int) -> None:
    # Two processes that differ by 5 % (standard deviation), and samples with a tail of slow ones.
    generator = random.Random(1)

    def measured(factor: float) -> Measurement:
        processes = [factor * generator.gauss(1.0, 0.05) for _ in range(2)]
        return sampled(*(level * generator.lognormvariate(0, 0.1) for level in processes for _ in range(count)))

    noise = [change(measured(1.0), measured(1.0), 0.25) for _ in range(300)]
    slower = [change(measured(1.0), measured(1.6), 0.4) for _ in range(300)]

    assert noise.count(Change.WORSE) == 0
    assert slower.count(Change.WORSE) >= 270


def test_a_fall_is_better_by_the_same_rule() -> None:
    assert change(sampled(*around(1.5)), sampled(*around(1.0))) is Change.BETTER
    assert change(sampled(*around(1.3)), sampled(*around(1.0))) is Change.SAME
    assert change(sampled(*around(1.5, 30)), sampled(*around(1.5, 14), *around(0.5, 16))) is Change.NOISE


@pytest.mark.parametrize(
    ("old", "new", "limit", "expected"),
    [
        (0.0, 0.0, 0.0, Change.SAME),
        (0.0, 1.0, 0.0, Change.WORSE),
        (0.0, 1.0, 0.4, Change.WORSE),
        (5.0, 0.0, 0.4, Change.BETTER),
        (-10.0, -5.0, 0.4, Change.WORSE),
        (-10.0, -9.0, 0.4, Change.SAME),
    ],
)
def test_values_at_and_below_zero(old: float, new: float, limit: float, expected: Change) -> None:
    assert change(single(old), single(new), limit) is expected


@pytest.mark.parametrize(
    ("before", "after", "expected", "incomplete"),
    [
        (single(1.0), single(None), Change.BROKEN, Change.BROKEN),
        (single(1.0), None, Change.BROKEN, Change.NOT_RUN),
        (single(1.0), single(math.nan), Change.BROKEN, Change.NOT_RUN),
        (single(None), single(None), Change.FAILING, Change.FAILING),
        (None, single(None), Change.FAILING, Change.FAILING),
        (single(None), None, Change.NOT_RUN, Change.NOT_RUN),
        (single(math.nan), single(math.nan), Change.NOT_RUN, Change.NOT_RUN),
        (single(None), single(1.0), Change.NEW, Change.NEW),
        (None, single(1.0), Change.NEW, Change.NEW),
    ],
)
def test_what_has_no_value_is_of_a_kind_of_its_own(
    before: Measurement | None, after: Measurement | None, expected: Change, incomplete: Change
) -> None:
    assert compare(before, after, 0.4).change is expected
    assert compare(before, after, 0.4, complete=False).change is incomplete
    assert compare(before, after, 0.4).ratio is None


def test_every_benchmark_of_either_commit_is_compared_by_its_own_threshold() -> None:
    before = {"a": single(1.0), "b": single(1.0), "gone": single(1.0)}
    after = {"a": single(1.5), "b": single(1.5), "new": single(1.0)}

    found = compare_all(before, after, {"a": 0.6, "b": 0.4}, complete=True)

    assert [c.change for c in found] == [Change.SAME, Change.WORSE, Change.BROKEN, Change.NEW]
    assert [c.threshold for c in found] == [0.6, 0.4, 0.05, 0.05]


def test_what_is_acknowledged_is_told_but_is_not_worse() -> None:
    def acknowledged(after: Measurement) -> Change:
        (found,) = compare_all({"a": single(1.0)}, {"a": after}, {}, complete=True, acknowledged={"a"})
        return found.change

    assert acknowledged(single(2.0)) is Change.ACKNOWLEDGED
    assert acknowledged(single(1.0)) is Change.SAME
    assert acknowledged(single(None)) is Change.BROKEN


@pytest.mark.parametrize(("new", "old"), [(None, 1.0), (1.0, None), (1.0, 0.0), (math.nan, 1.0), (1.0, math.nan)])
def test_there_is_no_ratio_of_what_is_not_there(new: float | None, old: float | None) -> None:
    assert Comparison(single(old), single(new), 0.4, Change.SAME).ratio is None


def test_the_samples_of_the_tests_are_what_they_are_called() -> None:
    assert median(around(1.5)) == pytest.approx(1.5)
