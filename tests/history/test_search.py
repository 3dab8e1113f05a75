"""The search against a measurer with noise of a known kind; seeded, so that a failure can be repeated."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhands_ray.history.question import Change, Failing, Limit, Question
from openhands_ray.history.runs import Failure, Run
from openhands_ray.history.search import Effort, NothingMeasurable, Outcome, Result, Search

Level = float | Failure


class Fake:
    """Makes runs of known levels: with noise, and one in twenty that was disturbed."""

    def __init__(
        self,
        levels: Sequence[Level],
        noise: float = 0.02,
        seed: int = 0,
        speed: Callable[[int], float] = lambda number: 1.0,
        flaky: float = 0.0,
    ) -> None:
        self._levels = levels
        self._noise = noise
        self._random = random.Random(seed)
        self._speed = speed
        self._flaky = flaky
        self.number = 0
        self.measured: Counter[int] = Counter()
        self.tried: Counter[int] = Counter()

    def run(self, commit: str) -> Run:
        index = int(commit)
        level = self._levels[index]
        self.tried[index] += 1
        self.number += 1
        if isinstance(level, Failure):
            return Run(commit, failure=level)
        self.measured[index] += 1
        if self._random.random() < self._flaky:
            return Run(commit, failure=Failure.RUN)
        value = level * math.exp(self._random.gauss(0, self._noise)) * self._speed(self.number)
        if self._random.random() < 0.05:
            value *= self._random.uniform(1.2, 3)
        return Run(commit, value, (value,))


def names(levels: Sequence[Level]) -> list[str]:
    return [str(index) for index in range(len(levels))]


def step(commits: int, culprit: int, size: float) -> list[Level]:
    """The levels of a good end and so many candidates, one of which makes the difference."""
    return [1.0 if index < culprit else size for index in range(commits + 1)]


def search(fake: Fake, levels: Sequence[Level], question: Question | None = None, **options: object) -> Outcome:
    return Search(question or Change(), fake, **options).among(names(levels))  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data(), commits=st.integers(1, 300), seed=st.integers(0, 10**6))
def test_a_clear_step_is_found_by_few_commits(data: st.DataObject, commits: int, seed: int) -> None:
    culprit = data.draw(st.integers(1, commits))
    levels = step(commits, culprit, data.draw(st.sampled_from([1.25, 2.0, 10.0])))
    fake = Fake(levels, seed=seed)

    outcome = search(fake, levels)

    assert outcome.result is Result.FOUND
    assert outcome.suspects == (str(culprit),)
    assert outcome.before == str(culprit - 1)
    assert len(fake.measured) <= math.log2(commits) + 3


@settings(max_examples=60, deadline=None, derandomize=True)
@given(commits=st.integers(1, 300), noise=st.sampled_from([0.0, 0.01, 0.05, 0.3]), seed=st.integers(0, 10**6))
def test_nobody_is_named_where_nothing_has_changed(commits: int, noise: float, seed: int) -> None:
    levels = step(commits, 1, 1.0)
    fake = Fake(levels, noise, seed)

    outcome = search(fake, levels)

    assert outcome.result in (Result.NONE, Result.UNDECIDED)
    if noise <= 0.01:
        assert outcome.result is Result.NONE
        assert len(fake.measured) == 2


@pytest.mark.parametrize("size", [1.1, 1.25, 2.0])
@pytest.mark.parametrize("noise", [0.01, 0.03, 0.1, 0.3])
def test_the_wrong_one_is_not_named_however_noisy_it_is(size: float, noise: float) -> None:
    wrong = 0
    for seed in range(60):
        culprit = random.Random(seed).randint(1, 32)
        levels = step(32, culprit, size)
        outcome = search(Fake(levels, noise, seed), levels)
        wrong += outcome.result is Result.FOUND and outcome.suspects != (str(culprit),)

    assert wrong <= 2  # the granted chance of error is 1 in 100


def test_the_first_commit_of_a_range_may_be_the_culprit() -> None:
    levels = step(20, 1, 2.0)

    assert search(Fake(levels), levels).suspects == ("1",)


def test_a_range_of_one_commit_is_two_commits_compared() -> None:
    levels = step(1, 1, 2.0)
    fake = Fake(levels)

    outcome = search(fake, levels)

    assert outcome.suspects == ("1",)
    assert fake.measured == {0: 5, 1: 5}


def test_what_has_recovered_is_no_regression() -> None:
    levels = [1.0] * 6 + [2.0] * 6 + [1.0] * 6

    assert search(Fake(levels), levels).result is Result.NONE


def test_what_has_recovered_in_part_is_found_and_larger_than_what_is_left() -> None:
    levels = [1.0] * 6 + [2.0] * 6 + [1.3] * 6

    outcome = search(Fake(levels), levels)

    assert outcome.suspects == ("6",)
    assert outcome.share is not None
    assert outcome.share > 2


def test_a_gradual_change_is_nobodys() -> None:
    for seed in range(20):
        levels: list[Level] = [1.02**index for index in range(17)]

        outcome = search(Fake(levels, 0.01, seed), levels)

        assert outcome.result is Result.UNDECIDED
        assert outcome.ends.shift.estimate == pytest.approx(0.37, abs=0.06)


def test_of_two_steps_one_is_found_with_its_share() -> None:
    levels = [1.0] * 6 + [1.5] * 6 + [2.0] * 6

    outcome = search(Fake(levels), levels)

    assert outcome.suspects in (("6",), ("12",))
    assert outcome.share == pytest.approx(0.5, abs=0.1)


def test_commits_that_cannot_be_built_are_stepped_over() -> None:
    for culprit in (2, 9, 15):
        levels = step(16, culprit, 2.0)
        for broken in {5, 6, 7, 8, 12} - {culprit - 1, culprit}:
            levels[broken] = Failure.BUILD

        outcome = search(Fake(levels), levels)

        assert (culprit, outcome.suspects) == (culprit, (str(culprit),))


def test_those_that_hide_the_answer_are_among_the_suspects() -> None:
    levels = step(16, 9, 2.0)
    levels[7] = levels[8] = Failure.BUILD

    outcome = search(Fake(levels), levels)

    assert outcome.result is Result.FOUND
    assert outcome.before == "6"
    assert outcome.suspects == ("7", "8", "9")
    assert outcome.unmeasurable.keys() == {"7", "8"}


def test_the_ends_move_inwards_where_they_cannot_be_measured() -> None:
    levels = step(16, 9, 2.0)
    levels[0] = levels[1] = levels[16] = Failure.BUILD

    outcome = search(Fake(levels), levels)

    assert (outcome.good, outcome.bad) == ("2", "15")
    assert outcome.suspects == ("9",)


def test_a_range_that_cannot_be_measured_is_given_up_after_a_few() -> None:
    levels: list[Level] = [Failure.BUILD] * 100
    fake = Fake(levels)

    with pytest.raises(NothingMeasurable):
        search(fake, levels)
    assert len(fake.tried) <= 11


def test_a_benchmark_that_fails_now_and_then_is_repeated() -> None:
    levels = step(16, 9, 2.0)

    outcome = search(Fake(levels, flaky=0.05), levels)

    assert outcome.suspects == ("9",)


def test_a_machine_that_became_slower_misleads_nobody() -> None:
    """From the eleventh run on everything takes twice as long, so that every middle looks bad at first."""
    levels = step(16, 9, 2.0)

    outcome = search(Fake(levels, speed=lambda number: 1.0 if number <= 10 else 2.0), levels)

    assert outcome.suspects == ("9",)


class Breaking(Fake):
    """Its good end can no longer be measured after some runs."""

    def run(self, commit: str) -> Run:
        run = super().run(commit)
        return Run(commit, failure=Failure.BUILD) if commit == "0" and self.number > self.last else run

    last = 0


@pytest.mark.parametrize("last", [4, 12, 25, 40, 60])
def test_a_good_end_that_can_no_longer_be_measured_ends_the_hunt(last: int) -> None:
    levels = step(16, 1, 2.0)
    fake = Breaking(levels, speed=lambda number: 1.0 if number <= 10 else 2.0)
    fake.last = last

    outcome = search(fake, levels)

    assert outcome.result is not Result.FOUND or outcome.suspects == ("1",)
    assert fake.number < 200


def test_stored_results_lead_to_the_commit() -> None:
    levels = step(256, 77, 2.0)
    fake = Fake(levels)
    stored: dict[str, float | None] = {str(index): (3.0 if index < 77 else 6.0) / 3 for index in range(257)}

    outcome = search(fake, levels, stored=stored)

    assert outcome.suspects == ("77",)
    assert fake.measured.keys() == {0, 76, 77, 256}


@pytest.mark.parametrize("told", [3, 40, 200, 250])
def test_stored_results_that_mislead_cost_two_commits(told: int) -> None:
    levels = step(256, 77, 2.0)
    fake = Fake(levels)
    stored: dict[str, float | None] = {str(index): 1.0 if index < told else 2.0 for index in range(257)}

    outcome = search(fake, levels, stored=stored)

    assert outcome.suspects == ("77",)
    assert len(fake.measured) <= math.log2(256) + 3 + 2


def test_commits_that_are_known_to_fail_are_tried_last() -> None:
    levels = step(16, 5, 2.0)
    levels[8] = Failure.BUILD
    fake = Fake(levels)

    outcome = search(fake, levels, stored={"8": None})

    assert outcome.suspects == ("5",)
    assert 8 not in fake.tried


def test_a_limit_is_hunted_whatever_lies_below_it() -> None:
    levels: list[Level] = [1.0, 3.0, 2.0, 7.0, 5.0, 8.0, 12.0, 11.0, 30.0]

    assert search(Fake(levels), levels, Limit(10)).suspects == ("6",)
    assert search(Fake(levels), levels, Limit(100)).result is Result.NONE
    assert search(Fake(levels), levels, Limit(0.5)).result is Result.NONE


def test_a_rate_that_falls_is_hunted() -> None:
    levels = step(16, 9, 0.8)

    assert search(Fake(levels), levels, Change(decrease=True)).suspects == ("9",)
    assert search(Fake(levels), levels).result is Result.NONE


def test_the_first_commit_that_fails_is_hunted() -> None:
    levels: list[Level] = [1.0] * 9 + [Failure.RUN] * 8

    assert search(Fake(levels), levels, Failing()).suspects == ("9",)


def test_a_commit_that_cannot_be_built_does_not_fail() -> None:
    levels: list[Level] = [1.0] * 5 + [Failure.BUILD] * 3 + [1.0] + [Failure.RUN] * 8

    assert search(Fake(levels), levels, Failing()).suspects == ("9",)


def test_the_expected_runs_are_told_before_each_run() -> None:
    levels = step(16, 9, 2.0)
    told: list[tuple[str, int]] = []

    search(Fake(levels), levels, notify=lambda commit, purpose, left: told.append((purpose, left)))

    assert told[0] == ("both ends", 10 + 3 * 4 + 10)
    assert told[-1][1] == 1
    assert {purpose for purpose, _ in told} == {"both ends", "middle", "the suspect and the commit before it"}


def test_more_patience_decides_what_less_does_not() -> None:
    levels = step(4, 2, 1.2)

    assert search(Fake(levels, 0.15), levels, effort=Effort(rounds=8)).result is Result.UNDECIDED
    assert search(Fake(levels, 0.15), levels, effort=Effort(rounds=80)).suspects == ("2",)
