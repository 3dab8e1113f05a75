"""The success criteria, in absolute units: the one place where they are declared.

A threshold says how much worse than before is a regression, and stands in ``asv.conf.json``. A criterion says how bad
is too bad whatever was before, and stands here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from openhands_ray.history.results import Measurement, Snapshot
from openhands_ray.history.steady import by_the_watch


class Aggregate(StrEnum):
    """How the values of several benchmarks become the one that is judged."""

    MEAN = "mean"
    MAXIMUM = "maximum"


class Verdict(StrEnum):
    """What a criterion says of a commit; only the first is good."""

    HELD = "held"
    FAILED = "failed"
    UNMEASURED = "not measured"


@dataclass(frozen=True)
class Criterion:
    """A budget, and the benchmarks that are held to it.

    Attributes:
        name: what is judged.
        budget: the limit, in ``unit``.
        unit: asv's name of the unit; the selected benchmarks must have it.
        inclusive: whether a value equal to the budget still holds.
        aggregate: over all selected benchmarks.
        benchmarks: regular expressions; one must match the whole name of a benchmark, parameters included.
        source: where the budget comes from.
    """

    name: str
    budget: float
    unit: str
    aggregate: Aggregate
    benchmarks: tuple[str, ...]
    source: str
    inclusive: bool = False

    def selects(self, name: str) -> bool:
        return any(re.fullmatch(pattern, name) for pattern in self.benchmarks)

    def allows(self, value: float) -> bool:
        return value <= self.budget if self.inclusive else value < self.budget


@dataclass(frozen=True)
class Judgement:
    """A criterion applied to a snapshot.

    Attributes:
        value: in the criterion's unit; None where it could not be formed.
        reason: which benchmark decided, or why there is no value.
    """

    criterion: Criterion
    verdict: Verdict
    value: float | None
    reason: str


# "Maximum operation" takes every benchmark of initialization, actions, workflows of up to 20 actions and files of up to
# 10 MB. Peers and what waits by design are benchmarks of other modules, so they are not selected.
_PARAMETERS = r"(\(.*\))?"
_INITIALIZATION = r"initialization\.Initialization\.time_runtime_initialization" + _PARAMETERS
_ACTIONS = r"actions\.(Command|File|IPython)\.time_\w+" + _PARAMETERS
_OPERATIONS = r"(initialization|actions|workflows)\.\w+\.time_\w+" + _PARAMETERS

_PUBLISHED = "the success criteria published with the first Ray runtime for OpenHands, kept as budgets"

CRITERIA = (
    Criterion(
        name="Runtime initialization",  # from RayRuntime(...) to connected, modules already imported
        budget=10.0,
        unit="seconds",
        aggregate=Aggregate.MAXIMUM,
        benchmarks=(_INITIALIZATION,),
        source=_PUBLISHED,
    ),
    Criterion(
        name="Average action",
        budget=1.0,
        unit="seconds",
        aggregate=Aggregate.MEAN,
        benchmarks=(_ACTIONS,),
        source=_PUBLISHED,
    ),
    Criterion(
        name="Maximum operation",
        budget=5.0,
        unit="seconds",
        aggregate=Aggregate.MAXIMUM,
        benchmarks=(_OPERATIONS,),
        source=_PUBLISHED,
    ),
    Criterion(
        name="Cluster memory",  # Ray's own processes, unique set size, no sessions; 1 MB is 10**6 bytes
        budget=200.0,
        unit="MB",
        aggregate=Aggregate.MAXIMUM,
        benchmarks=(r"resources\.Memory\.track_cluster",),
        source=_PUBLISHED,
    ),
    Criterion(
        name="Failure rate",  # the rate of failures, since asv takes only increases for regressions
        budget=0.0,
        unit="%",
        aggregate=Aggregate.MAXIMUM,
        benchmarks=(r"reliability\.Reliability\.track_failure_rate",),
        source="an action that is valid must not fail",
        inclusive=True,
    ),
)


def judge(
    snapshot: Snapshot, expected: frozenset[str], criteria: tuple[Criterion, ...] = CRITERIA
) -> tuple[Judgement, ...]:
    """Applies criteria to what was measured of a commit.

    Args:
        snapshot: the measurements.
        expected: the names of all known benchmarks; one that is selected and was not run leaves its criterion
            unmeasured, since a mean or a maximum over a part proves nothing.
        criteria: defaults to all.
    """
    waited = by_the_watch(snapshot)
    return tuple(_judge(criterion, waited, expected) for criterion in criteria)


def _judge(criterion: Criterion, snapshot: Snapshot, expected: frozenset[str]) -> Judgement:
    selected = [m for name, m in snapshot.measurements.items() if criterion.selects(name)]
    if failed := [m for m in selected if m.failed]:
        return Judgement(criterion, Verdict.FAILED, None, f"failed: {_titles(failed)}")
    missing = sorted(name for name in expected - snapshot.measurements.keys() if criterion.selects(name))
    if missing:
        return Judgement(criterion, Verdict.UNMEASURED, None, f"no result of: {', '.join(missing)}")
    measured = [m for m in selected if not m.skipped]
    if not measured:
        return Judgement(criterion, Verdict.UNMEASURED, None, "no benchmark measured it")
    if foreign := [m for m in measured if m.unit != criterion.unit]:
        reason = f"unit {foreign[0].unit!r} is not {criterion.unit!r}: {_titles(foreign)}"
        return Judgement(criterion, Verdict.UNMEASURED, None, reason)
    return _compare(criterion, measured)


def _compare(criterion: Criterion, measured: list[Measurement]) -> Judgement:
    values = [m.value for m in measured if m.value is not None]
    if criterion.aggregate is Aggregate.MEAN:
        value, reason = fmean(values), f"mean of {len(values)}"
    else:
        value = max(values)
        reason = measured[values.index(value)].title
    return Judgement(criterion, Verdict.HELD if criterion.allows(value) else Verdict.FAILED, value, reason)


def _titles(measurements: list[Measurement]) -> str:
    return ", ".join(m.title for m in measurements)
