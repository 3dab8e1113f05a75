"""The search for the first bad commit of a line of commits, where every measurement is noisy.

1. **The ends**, measured in turn, until exact tests tell whether they differ (``Question.compare``). Where they do not,
   nobody is named.
2. **The middle**, and the middle of the half that holds the change, and so on. A commit is measured until Wald's
   sequential test (1945) tells on which side it is: log likelihood ratios are summed up to ``DECIDED``. One that stays
   doubtful is measured again; where exact tests show it to differ from both sides, there are several steps, and the
   larger one is followed. Of all that was measured the most likely place of a single change counts, so that a commit
   that contradicts its neighbours does not mislead.
3. **The pair** that is left, measured in turn again: the commit is named only if these runs alone, made after it was
   chosen, show the difference by the same exact tests. If they show that both are on the same side, the ends were
   misjudged, or the speed of the machine has changed since. Then the ends are measured anew, and step 2 is repeated
   with each run beside one of the good end.

Commits that cannot be measured are stepped over; those that hide the answer are among the suspects.
Of ``n`` candidates that can all be measured, step 2 measures at most ``ceil(log2(n))``; the ends are two commits more.
Results that asv has stored choose which commit is measured next, and where they mislead they cost up to two commits
more. They are no evidence, since they come from another day.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from statistics import fmean, median
from typing import Protocol

from openhands_ray.history import rank
from openhands_ray.history.question import Comparison, Question, Verdict
from openhands_ray.history.runs import Run

# Wald's bound for an error of 1 in 1000 on either side: log(0.999 / 0.001).
DECIDED = 6.9

# How many commits at an end are tried that cannot be measured.
MOST_AT_AN_END = 10

# A step that makes less of the whole change than this is not the answer: the change is spread over many commits.
LEAST_SHARE = 1 / 3


class Result(Enum):
    """How a hunt ended."""

    FOUND = "found"
    NONE = "no regression"
    UNDECIDED = "undecided"


class Measurer(Protocol):
    """Runs the benchmark once, in a process of its own, at a commit."""

    def run(self, commit: str) -> Run: ...


@dataclass(frozen=True)
class Effort:
    """How sure and how patient the search is.

    Attributes:
        error: the chance of a wrong verdict over two commits.
        rounds: the most runs of a commit in one step.
    """

    error: float = 0.01
    rounds: int = 27


class NothingMeasurable(Exception):
    """No two commits of the range can be measured; ``run`` is the last that was tried."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.commit)
        self.run = run


@dataclass
class Outcome:
    """What a search has found.

    Attributes:
        result: how it ended.
        good: the first commit that was measured, the good end.
        bad: the last one, the bad end.
        ends: the comparison of the two.
        before: the last commit that is good; None where nothing was found.
        suspects: the culprit, or those of which it is one, oldest first; empty where nothing was found.
        step: the comparison of ``before`` with the last of the suspects.
        spread: whether there is a change, but no commit that makes an essential part of it.
        runs: all runs of each commit.
        unmeasurable: a run of each commit that was stepped over.
    """

    result: Result
    good: str
    bad: str
    ends: Comparison
    before: str | None = None
    suspects: tuple[str, ...] = ()
    step: Comparison | None = None
    spread: bool = False
    runs: dict[str, list[Run]] = field(default_factory=dict)
    unmeasurable: dict[str, Run] = field(default_factory=dict)

    @property
    def share(self) -> float | None:
        """How much of the whole change the step makes; None without a step."""
        if self.step is None or not self.ends.shift.estimate:
            return None
        return self.step.shift.estimate / self.ends.shift.estimate


class _Unmeasurable(Exception):
    pass


Notify = Callable[[str, str, int], None]


class Search:
    """One search.

    Args:
        question: what is hunted.
        measurer: makes the runs.
        effort: how sure, how patient.
        stored: what asv has stored of commits, in the benchmark's unit; None where it failed.
        notify: called before each run with its commit, what it is for, and how many runs are expected from here.
    """

    def __init__(
        self,
        question: Question,
        measurer: Measurer,
        effort: Effort = Effort(),
        stored: Mapping[str, float | None] | None = None,
        notify: Notify = lambda commit, purpose, left: None,
    ) -> None:
        self._question = question
        self._measurer = measurer
        self._effort = effort
        self._stored = stored or {}
        self._notify = notify
        self._runs: dict[str, list[Run]] = defaultdict(list)
        self._unmeasurable: dict[str, Run] = {}

    def among(self, commits: Sequence[str]) -> Outcome:
        """Searches a line of commits.

        Args:
            commits: oldest first; the first one is the good end and no candidate.

        Raises:
            NothingMeasurable: too many commits at an end cannot be measured.
        """
        self._commits = commits
        self._seen: dict[int, list[float]] = {}
        self._beside = False
        self._trust_stored = True
        self._misses = 0
        self._low, self._high = 0, len(commits) - 1
        ends = self._compare_ends()
        outcome = Outcome(Result.UNDECIDED, commits[self._low], commits[self._high], ends)
        outcome.runs, outcome.unmeasurable = self._runs, self._unmeasurable
        if ends.verdict is Verdict.WORSE:
            self._proof = self._low, self._high, ends
            self._set_levels(ends.before, ends.after)
            self._narrow(outcome)
        elif ends.verdict is Verdict.SAME:
            outcome.result = Result.NONE
        return outcome

    # -- the ends ------------------------------------------------------------------------------------------------------

    def _compare_ends(self) -> Comparison:
        while True:
            try:
                return self._compare(self._low, self._high, "both ends")
            except _Unmeasurable:
                if self._commits[self._low] in self._unmeasurable:
                    self._low += 1
                if self._commits[self._high] in self._unmeasurable:
                    self._high -= 1
            tried = max(self._low, len(self._commits) - 1 - self._high)
            if self._low >= self._high or tried >= MOST_AT_AN_END:
                raise NothingMeasurable(list(self._unmeasurable.values())[-1])

    def _compare(self, before: int, after: int, purpose: str) -> Comparison:
        """Measures two commits in turn until the verdict is sure, or the rounds are used up."""
        older: list[float] = []
        newer: list[float] = []
        looks = rank.looks(self._effort.rounds)
        for look in looks:
            while len(older) < look.runs:
                expected = 2 * (look.runs - len(older)) + self._expected(before, after, purpose)
                # The order changes from round to round: what drifts steadily then adds nothing to the difference.
                if len(older) % 2:
                    newer.append(self._observe(after, purpose, expected))
                    older.append(self._observe(before, purpose, expected - 1))
                else:
                    older.append(self._observe(before, purpose, expected))
                    newer.append(self._observe(after, purpose, expected - 1))
            error = self._effort.error * look.share
            found = self._question.compare(older, newer, error, last=look is looks[-1])
            if found.verdict is not Verdict.UNSURE:
                break
        return replace(found, p_value=min(1.0, found.p_value / look.share))

    def _expected(self, before: int, after: int, purpose: str) -> int:
        """Returns how many runs are expected after the comparison: three for each middle, and the last comparison."""
        if purpose != "both ends" or after - before < 2:
            return 0
        return 3 * math.ceil(math.log2(after - before)) + 2 * rank.FIRST_LOOK

    def _observe(self, index: int, purpose: str, expected: int) -> float:
        """Makes a run that tells something; one that tells nothing is repeated once.

        Raises:
            _Unmeasurable: the commit cannot be measured.
        """
        commit = self._commits[index]
        for attempt in ("first", "second"):
            self._notify(commit, purpose, expected)
            run = self._measurer.run(commit)
            self._runs[commit].append(run)
            observation = self._question.observe(run)
            if observation is not None:
                self._unmeasurable.pop(commit, None)
                return observation
            if attempt == "second" or not run.may_pass_again:
                break
        self._unmeasurable[commit] = run
        self._seen.pop(index, None)
        raise _Unmeasurable

    # -- the middles ---------------------------------------------------------------------------------------------------

    def _narrow(self, outcome: Outcome) -> None:
        # An end that can no longer be measured leaves nothing to compare with.
        while not {outcome.good, outcome.bad} & self._unmeasurable.keys():
            low, high = self._bracket()
            probe = self._next(low, high)
            if probe is not None:
                self._judge(probe, low, high)
                continue
            try:
                step = self._confirm(low, high)
            except _Unmeasurable:  # one of the pair, which was measured before
                continue
            if self._contradicted(step, low, high) and self._begin_anew(outcome):
                continue
            self._conclude(outcome, step, low, high)
            return

    def _set_levels(self, good: Sequence[float], bad: Sequence[float]) -> None:
        self._good, self._bad = good, bad
        self._weigh = self._question.weighing(good, bad, beside=self._beside)

    def _evidence(self) -> dict[int, float]:
        """Returns how much each measured commit between the ends speaks for their bad side."""
        return {
            index: sum(map(self._weigh, values))
            for index, values in sorted(self._seen.items())
            if self._low < index < self._high
        }

    def _bracket(self) -> tuple[int, int]:
        """Returns the two neighbours, of those that were measured, between which the change most likely is."""
        evidence = self._evidence()
        measured, inner = [self._low, *evidence, self._high], list(evidence.values())
        # If the change lies after the first k of them, those that follow are bad.
        likelihoods = [sum(inner[k:]) for k in range(len(inner) + 1)]
        best = likelihoods.index(max(likelihoods))
        return measured[best], measured[best + 1]

    def _next(self, low: int, high: int) -> int | None:
        """Returns the next commit to measure between two; None where there is none."""
        open_ = [index for index in range(low + 1, high) if self._commits[index] not in self._unmeasurable]
        if not open_:
            return None
        suggested = self._suggested(low, high) if self._trust_stored else None
        if suggested in open_:
            return suggested
        # The farther from the middle the more commits in a row could not be measured: they often come together.
        away = 2 ** (self._misses - 1) * (-1) ** self._misses if self._misses else 0
        target = (low + high) / 2 + away
        return min(open_, key=lambda index: (self._known_to_fail(index), abs(index - target), index))

    def _known_to_fail(self, index: int) -> bool:
        commit = self._commits[index]
        return commit in self._stored and self._question.observe_stored(self._stored[commit]) is None

    def _suggested(self, low: int, high: int) -> int | None:
        """Returns the commit at the step of the stored results between two; None where they show no clear one."""
        series = [(index, value) for index in range(low, high + 1) if (value := self._stored_value(index)) is not None]
        if len(series) < 2:
            return None
        split = max(range(1, len(series)), key=lambda k: _separation([value for _, value in series], k))
        left, right = (fmean(value for _, value in part) for part in (series[:split], series[split:]))
        if self._weigh(left) >= 0 or self._weigh(right) <= 0:
            return None
        before, after = series[split - 1][0], series[split][0]
        return before if before > low else after

    def _stored_value(self, index: int) -> float | None:
        commit = self._commits[index]
        return self._question.observe_stored(self._stored[commit]) if commit in self._stored else None

    def _judge(self, index: int, low: int, high: int) -> None:
        """Measures a commit until it is decided on which side or that it is between them, or no more is allowed."""
        suggested = self._trust_stored and self._suggested(low, high) == index
        looks = {look.runs: look.share for look in rank.looks(self._effort.rounds)}
        total = 0.0
        for number in range(1, self._effort.rounds + 1):
            left = max(1, 4 - number) + 3 * math.ceil(math.log2(max(2, high - low) / 2)) + 2 * rank.FIRST_LOOK
            try:
                value = self._observe_middle(index, left)
            except _Unmeasurable:
                self._misses += 1
                return
            self._seen.setdefault(index, []).append(value)
            total += self._weigh(value)
            doubtful = self._question.seems_between(self._seen[index], self._good, self._bad)
            if abs(total) >= DECIDED and not doubtful:
                break
            if number in looks and self._is_between(index, self._effort.error * looks[number]):
                self._follow_the_larger_step(index)
                break
        self._misses = 0
        stored = self._stored_value(index)
        if suggested and stored is not None and self._weigh(stored) * total < 0:
            self._trust_stored = False

    def _observe_middle(self, index: int, expected: int) -> float:
        if not self._beside:
            return self._observe(index, "middle", expected)
        reference = self._observe(self._reference, "beside a middle", 2 * expected)
        value = self._observe(index, "middle", 2 * expected - 1)
        return self._question.beside(value, reference, self._reference_level)

    def _is_between(self, index: int, error: float) -> bool:
        """Tells whether a commit is worse than the good end, and the bad end is worse than it."""
        here = self._seen[index]
        pairs = ((self._good, here), (here, self._bad))
        return all(self._question.compare(a, b, error, last=False).verdict is Verdict.WORSE for a, b in pairs)

    def _follow_the_larger_step(self, index: int) -> None:
        """Makes a commit between both ends an end itself."""
        here = self._seen[index]
        good, level, bad = median(self._good), median(here), median(self._bad)
        if abs(level - good) > abs(bad - level):
            self._high = index
            self._set_levels(self._good, here)
        else:
            self._low = index
            self._set_levels(here, self._bad)

    # -- the pair ------------------------------------------------------------------------------------------------------

    def _confirm(self, low: int, high: int) -> Comparison:
        if (low, high) == self._proof[:2]:
            return self._proof[2]  # there was nothing to choose, so the comparison of the ends is the proof
        return self._compare(low, high, "the suspect and the commit before it")

    def _contradicted(self, step: Comparison, low: int, high: int) -> bool:
        """Tells whether both of the pair are clearly on the same side, which no change of the code explains."""
        if step.verdict is Verdict.WORSE or self._beside or (low, high) == self._proof[:2]:
            return False
        older, newer = (sum(map(self._weigh, values)) for values in (step.before, step.after))
        return abs(older) >= DECIDED and abs(newer) >= DECIDED and older * newer > 0

    def _begin_anew(self, outcome: Outcome) -> bool:
        """Measures the ends again, for step 2 with a reference; returns whether they still differ."""
        self._low, self._high = (self._commits.index(commit) for commit in (outcome.good, outcome.bad))
        try:
            ends = self._compare(self._low, self._high, "both ends, anew")
        except _Unmeasurable:
            return False
        if ends.verdict is not Verdict.WORSE:
            return False
        outcome.ends = ends
        self._seen.clear()
        self._beside, self._trust_stored = True, False
        self._reference, self._reference_level = self._low, median(ends.before)
        self._proof = self._low, self._high, ends
        self._set_levels(ends.before, ends.after)
        return True

    def _conclude(self, outcome: Outcome, step: Comparison, low: int, high: int) -> None:
        outcome.step = step
        outcome.before = self._commits[low]
        outcome.suspects = tuple(self._commits[low + 1 : high + 1])
        share = outcome.share
        if step.verdict is Verdict.WORSE and (share is None or share >= LEAST_SHARE):
            outcome.result = Result.FOUND
        else:
            outcome.spread = step.verdict is not Verdict.UNSURE


def _separation(values: Sequence[float], k: int) -> float:
    """Returns how well a series falls into the first k and the rest: the part of the variance between the two."""
    left, right = fmean(values[:k]), fmean(values[k:])
    return k * (len(values) - k) * (right - left) ** 2


def levels(outcome: Outcome) -> dict[str, float]:
    """Returns the median of the values of each commit that has any."""
    values = {commit: [run.value for run in runs if run.value is not None] for commit, runs in outcome.runs.items()}
    return {commit: median(each) for commit, each in values.items() if each}
