"""The verdict over a commit: its results against the success criteria, and against those of another commit."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

from asv.util import human_value

from openhands_ray.history.criteria import Criterion, Judgement, Verdict, judge
from openhands_ray.history.errors import NoResults
from openhands_ray.history.gate import Change, Comparison, Evidence, compare_all
from openhands_ray.history.results import History, Measurement, Snapshot
from openhands_ray.history.triage import NOTHING_ACKNOWLEDGED, Triage


class Status(IntEnum):
    """The exit statuses of ``openhands-ray check``."""

    FINE = 0
    WORSE = 1
    USAGE = 2
    UNMEASURED = 3  # nothing is worse as far as it was measured, but something could not be
    NOTHING = 4  # there are no results at all


@dataclass(frozen=True)
class Report:
    """All that is to be said of a commit in one series.

    Attributes:
        snapshot: of the commit.
        previous: what it is compared with; None where nothing was measured before.
        judgements: of each criterion.
        comparisons: of each benchmark, in order of their names.
        excused: names of the criteria that the commit before had failed already. Empty without a base.
        against_base: whether the other commit was named, so that all that it has must be here.
        lenient: whether a benchmark that rose is told, and does not count.
    """

    snapshot: Snapshot
    previous: Snapshot | None
    judgements: tuple[Judgement, ...]
    comparisons: tuple[Comparison, ...]
    excused: frozenset[str] = frozenset()
    against_base: bool = False
    lenient: bool = False

    @property
    def held(self) -> bool:
        """Whether every criterion held."""
        return all(judgement.verdict is Verdict.HELD for judgement in self.judgements)

    @property
    def failed_criteria(self) -> list[Judgement]:
        """The criteria that failed, but for those that had failed at the base."""
        return [j for j in self.judgements if j.verdict is Verdict.FAILED and j.criterion.name not in self.excused]

    def changed(self, *changes: Change) -> list[Comparison]:
        """Returns the benchmarks of which this became."""
        return [comparison for comparison in self.comparisons if comparison.change in changes]

    @property
    def status(self) -> Status:
        counting = (Change.BROKEN,) if self.lenient else (Change.WORSE, Change.BROKEN)
        if self.failed_criteria or self.changed(*counting):
            return Status.WORSE
        unmeasured = any(j.verdict is Verdict.UNMEASURED for j in self.judgements)
        compared = any(c.evidence for c in self.comparisons)
        if unmeasured or self.changed(Change.FAILING) or (self.against_base and not compared):
            return Status.UNMEASURED
        return Status.FINE


def overall(found: list[Report]) -> Status:
    """Returns the worst status of all series: worse before unmeasured."""
    statuses = {report.status for report in found}
    return Status.WORSE if Status.WORSE in statuses else max(statuses)


def reports(
    history: History,
    commit: str | None = None,
    machine: str | None = None,
    *,
    base: str | None = None,
    triage: Triage = NOTHING_ACKNOWLEDGED,
    lenient: bool = False,
) -> list[Report]:
    """Judges a commit in every series that has results of it.

    Args:
        history: where the results are.
        commit: anything that names a commit in git; without one, the newest measured one in the history of HEAD.
        machine: only the results of this machine.
        base: the commit to compare with; without one, the last that was measured before in the same series.
        triage: the known and accepted regressions.
        lenient: whether a benchmark that rose is told, and does not count.

    Raises:
        UnknownCommit: git does not know the commit.
        NoResults: nothing was measured of one of both (on that machine), or not in the same series.
    """
    name = commit or history.newest_measured()
    snapshots = [s for s in history.snapshots(name) if machine in (None, s.series.machine)]
    if not snapshots:
        raise NoResults(f"Commit {name} has no results of machine {machine!r}.")
    return [
        _report(history, snapshot, before, triage, against_base=base is not None, lenient=lenient)
        for snapshot, before in _pairs(history, snapshots, name, base)
    ]


def _pairs(
    history: History, snapshots: list[Snapshot], name: str, base: str | None
) -> list[tuple[Snapshot, Snapshot | None]]:
    """Returns each snapshot of the commit that is judged, and the one that it is compared with."""
    if base is None:
        return [(snapshot, history.previous(snapshot)) for snapshot in snapshots]
    bases = {snapshot.series: snapshot for snapshot in history.snapshots(base)}
    common = [s for s in snapshots if s.series in bases]
    if not common:
        measured = "; ".join(str(series) for series in bases)
        raise NoResults(
            f"No machine and environment measured both commits: {base} was measured on {measured}, "
            f"and {name} on {'; '.join(str(s.series) for s in snapshots)}."
        )
    return [(snapshot, bases[snapshot.series]) for snapshot in common]


def _report(
    history: History,
    snapshot: Snapshot,
    previous: Snapshot | None,
    triage: Triage,
    *,
    against_base: bool,
    lenient: bool,
) -> Report:
    accepted: set[str] = set()
    if previous and triage.entries:
        between = history.between(previous.commit, snapshot.commit)
        accepted = {
            name for name in snapshot.measurements if any(triage.acknowledged(name, commit) for commit in between)
        }
    comparisons = compare_all(
        previous.measurements if previous else {},
        snapshot.measurements,
        history.single_run_thresholds,
        complete=against_base,
        acknowledged=accepted,
    )
    judgements = judge(snapshot, history.expected)
    earlier = judge(previous, history.expected) if previous and against_base else ()
    excused = frozenset(j.criterion.name for j in earlier if j.verdict is Verdict.FAILED)
    return Report(snapshot, previous, judgements, comparisons, excused, against_base, lenient)


def conclusion(report: Report) -> str:
    """Returns the verdict in one line."""
    counts = Counter(comparison.change for comparison in report.comparisons)
    told = [f"{counts[change]} {change}" for change in _TOLD if counts[change]]
    standing = ", ".join(
        f"{j.criterion.name} ({_standing(report, j)})" for j in report.judgements if j.verdict is not Verdict.HELD
    )
    criteria = f"Success criteria not held: {standing}" if standing else "All success criteria held"
    beside = f" beside {report.previous.commit[:8]}" if report.previous else ""
    changes = ", ".join(told) if told else "nothing worse"
    perhaps = report.status is Status.FINE and report.changed(Change.WORSE)
    word = "Perhaps worse" if perhaps else _WORDS[report.status]
    return f"{word}{beside}: {changes}. {criteria}."


_TOLD = (
    Change.WORSE,
    Change.BROKEN,
    Change.FAILING,
    Change.ACKNOWLEDGED,
    Change.BETTER,
    Change.NOISE,
)
_WORDS = {Status.FINE: "Fine", Status.WORSE: "Worse", Status.UNMEASURED: "Could not measure all"}


def _standing(report: Report, judgement: Judgement) -> str:
    before = ", as before" if judgement.criterion.name in report.excused else ""
    return f"{judgement.verdict}{before}"


def format_value(value: float | None, unit: str, error: float | None = None) -> str:
    """Formats a value as asv's own tables do; ``-`` where there is none.

    Args:
        value: NaN where the benchmark was skipped.
        unit: of the value.
        error: what to add as ±, in the unit.
    """
    if value is None:
        return "-"
    if math.isnan(value):
        return "skipped"
    # asv knows how to write seconds and bytes; of another unit it leaves the name out.
    if unit in ("seconds", "bytes"):
        return str(human_value(value, unit, error))
    return f"{value:.4g}{'' if error is None else f'±{error:.2g}'} {unit}"


def format_measurement(measurement: Measurement | None) -> str:
    """Formats a result with its noise, half of the range between the quartiles of its samples, as asv does."""
    if measurement is None:
        return "-"
    if measurement.failed:
        return "failed"
    quartiles = measurement.statistics.get("q_25"), measurement.statistics.get("q_75")
    error = None if quartiles[0] is None or quartiles[1] is None else (quartiles[1] - quartiles[0]) / 2
    return format_value(measurement.value, measurement.unit, error)


def format_change(comparison: Comparison) -> str:
    """Formats the relative change, as ``+12 %``; ``-`` where there is none, nor a value."""
    if comparison.evidence is None or (comparison.change is Change.SAME and comparison.ratio is None):
        return "-"
    return "from 0" if comparison.ratio is None else f"{comparison.ratio - 1:+.0%}".replace("%", " %")


def format_verdict(comparison: Comparison) -> str:
    """Formats what became of a benchmark, and says where nothing was known of the noise."""
    told = comparison.change in (Change.WORSE, Change.ACKNOWLEDGED, Change.BETTER)
    alone = f" ({comparison.evidence})" if told and comparison.evidence is Evidence.NONE else ""
    return f"{comparison.change}{alone}"


def format_budget(criterion: Criterion) -> str:
    """Formats the limit, and whether it may be reached."""
    relation = "\u2264" if criterion.inclusive else "<"
    unit = {"seconds": "s"}.get(criterion.unit, criterion.unit)
    return f"{relation} {criterion.budget:g} {unit}"
