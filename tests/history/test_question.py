from __future__ import annotations

import math

import pytest

from openhands_ray.history.question import CLIP, Change, Failing, Limit, Question, Verdict
from openhands_ray.history.runs import Failure, Run

GOOD = (10.0, 10.2, 9.9, 10.1, 10.0)
BAD = (20.1, 19.8, 20.0, 20.3, 20.0)
ERROR = 0.005


@pytest.mark.parametrize(
    ("question", "before", "after", "verdict"),
    [
        (Change(), GOOD, BAD, Verdict.WORSE),
        (Change(), BAD, GOOD, Verdict.SAME),  # it became better
        (Change(decrease=True), BAD, GOOD, Verdict.WORSE),
        (Change(decrease=True), GOOD, BAD, Verdict.SAME),
        (Change(), GOOD, GOOD, Verdict.SAME),
        (Change(smallest=0.001), GOOD, GOOD, Verdict.UNSURE),
        (Change(), (0.0,) * 5, (0.0,) * 5, Verdict.SAME),
        (Change(), (0.0,) * 5, (10.0,) * 5, Verdict.WORSE),  # a rate of failures that was zero
        (Change(), (100.0,) * 5, (103.0,) * 5, Verdict.SAME),  # real, but less than what counts
        (Change(smallest=0.02), (100.0,) * 5, (103.0,) * 5, Verdict.WORSE),
        (Failing(), (0.0,) * 5, (1.0,) * 5, Verdict.WORSE),
        (Failing(), (0.0,) * 5, (0.0,) * 5, Verdict.UNSURE),  # it may fail now and then
        (Failing(), (0.0,) * 10, (0.0,) * 10, Verdict.SAME),
        (Failing(), (1.0,) * 5, (1.0,) * 5, Verdict.SAME),
    ],
)
def test_two_commits_are_compared(
    question: Question, before: tuple[float, ...], after: tuple[float, ...], verdict: Verdict
) -> None:
    assert question.compare(before, after, ERROR, last=False).verdict is verdict


def test_the_size_of_a_change_has_an_interval() -> None:
    ratio = Change().compare(GOOD, BAD, ERROR, last=False).ratio

    assert ratio is not None
    assert 1.9 < ratio.lower < 2.0 == pytest.approx(ratio.estimate, rel=0.01)
    assert 2.0 < ratio.upper < 2.1


def test_a_ratio_to_zero_is_none() -> None:
    assert Change().compare((0.0,) * 5, BAD, ERROR, last=False).ratio is None


def test_a_run_speaks_for_the_side_that_it_is_nearer_to_but_never_more_than_is_granted() -> None:
    weigh = Change().weighing(GOOD, BAD)

    assert weigh(10.0) == -CLIP
    assert weigh(20.0) == weigh(1000.0) == CLIP
    assert weigh(15.0) == pytest.approx(0)
    assert 0 < weigh(15.001) < CLIP


def test_what_the_machine_has_slowed_is_taken_out_by_a_reference() -> None:
    assert Change().beside(value=20.0, reference=20.0, level=10.0) == 10
    assert Failing().beside(value=1.0, reference=0.0, level=1.0) == 1


def test_what_was_taken_beside_a_reference_has_twice_the_noise() -> None:
    alone, beside = (Change().weighing(GOOD, BAD, beside=beside)(15.001) for beside in (False, True))

    assert beside == pytest.approx(alone / 2)


def test_values_without_noise_are_weighed_too() -> None:
    weigh = Change().weighing((1.0,) * 5, (2.0,) * 5)

    assert (weigh(1.0), weigh(1.5), weigh(2.0)) == (-CLIP, 0, CLIP)


def test_a_limit_may_be_reached_but_not_crossed() -> None:
    assert Limit(10).observe(Run("c", 10.0)) == 0
    assert Limit(10).observe(Run("c", 10.1)) == 1
    assert Limit(10, below=True).observe(Run("c", 9.9)) == 1
    assert Limit(10, below=True).observe(Run("c", 10.0)) == 0


@pytest.mark.parametrize("failure", Failure)
def test_what_a_failure_tells_depends_on_the_question(failure: Failure) -> None:
    run = Run("c", failure=failure)

    assert Change().observe(run) is None
    assert Change(timeout_s=60).observe(run) == (60 if failure is Failure.TIMEOUT else None)
    assert Limit(10, timeout_s=60).observe(run) == (1 if failure is Failure.TIMEOUT else None)
    assert Failing().observe(run) == (1 if failure in (Failure.RUN, Failure.TIMEOUT) else None)
    assert Failing().observe(Run("c", 1.0)) == 0


def test_what_asv_has_stored_is_read_alike() -> None:
    assert Change().observe_stored(None) is Change().observe_stored(math.nan) is None
    assert Failing().observe_stored(None) == 1
    assert Failing().observe_stored(math.nan) is None
    assert Limit(10).observe_stored(11.0) == 1


def test_a_benchmark_that_fails_now_and_then_weighs_a_pass_less() -> None:
    weigh = Failing().weighing((0.0,) * 10, (1.0, 0.0) * 5)

    assert weigh(1.0) > -weigh(0.0) > 0
