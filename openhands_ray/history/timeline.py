"""The success criteria over the whole history: where each one stands, and since which commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise, takewhile

from openhands_ray.history.criteria import CRITERIA, Criterion, Judgement, Verdict, judge
from openhands_ray.history.results import Series, Snapshot


@dataclass(frozen=True)
class Point:
    """A criterion at one commit.

    Attributes:
        commit: the full hash.
        time_ms: the date of the commit, in milliseconds since 1970, as asv has it.
    """

    commit: str
    time_ms: int
    judgement: Judgement

    @property
    def verdict(self) -> Verdict:
        return self.judgement.verdict

    @property
    def value(self) -> float | None:
        return self.judgement.value


@dataclass(frozen=True)
class Timeline:
    """A criterion over the commits that were measured in one series.

    Attributes:
        points: at least one, from the oldest to the newest.
    """

    criterion: Criterion
    series: Series
    points: tuple[Point, ...]

    @property
    def newest(self) -> Point:
        return self.points[-1]

    @property
    def decided(self) -> Point | None:
        """The newest point that held or failed; None where none did."""
        return next((point for point in reversed(self.points) if point.verdict is not Verdict.UNMEASURED), None)

    @property
    def since(self) -> Point | None:
        """The first of the points that lead without a change to ``decided``; what was not measured changes nothing."""
        decided = [point for point in self.points if point.verdict is not Verdict.UNMEASURED]
        same = list(takewhile(lambda point: point.verdict is decided[-1].verdict, reversed(decided)))
        return same[-1] if same else None

    @property
    def used(self) -> float | None:
        """The share of the budget that is used, 1 being all of it; None without a value, or with a budget of zero."""
        value = self.decided.value if self.decided else None
        return None if value is None or self.criterion.budget == 0 else value / self.criterion.budget

    @property
    def changes(self) -> list[Point]:
        """The points at which the verdict is another one than before."""
        decided = [point for point in self.points if point.verdict is not Verdict.UNMEASURED]
        return [point for before, point in pairwise(decided) if before.verdict is not point.verdict]


def timelines(
    snapshots: Iterable[Snapshot],
    revisions: Mapping[str, int],
    expected: frozenset[str],
    criteria: tuple[Criterion, ...] = CRITERIA,
) -> list[Timeline]:
    """Judges every snapshot; returns a timeline for each series and criterion, the series by name.

    The newest commit of a series is held to all known benchmarks, as ``openhands-ray check`` does. One before is held
    to those that had a result by then, since what came later could not be measured yet.

    Args:
        snapshots: in any order; they are looked at once.
        revisions: the number of each commit that counts, in order of date.
        expected: the names of all known benchmarks, with their parameters.
        criteria: defaults to all.
    """
    by_series: dict[Series, list[Snapshot]] = {}
    for snapshot in snapshots:
        if snapshot.commit in revisions:
            by_series.setdefault(snapshot.series, []).append(snapshot)
    return [
        timeline
        for series, found in sorted(by_series.items(), key=lambda item: str(item[0]))
        for timeline in _of_series(
            series, sorted(found, key=lambda each: revisions[each.commit]), _selected(expected, criteria), criteria
        )
    ]


def _selected(expected: frozenset[str], criteria: tuple[Criterion, ...]) -> frozenset[str]:
    return frozenset(name for name in expected if any(criterion.selects(name) for criterion in criteria))


def _of_series(
    series: Series, snapshots: list[Snapshot], expected: frozenset[str], criteria: tuple[Criterion, ...]
) -> list[Timeline]:
    known: set[str] = set()
    rows: list[tuple[Point, ...]] = []
    for snapshot in snapshots:
        known |= snapshot.measurements.keys() & expected
        held_to = expected if snapshot is snapshots[-1] else frozenset(known)
        time_ms = round(snapshot.date.timestamp() * 1000)
        rows.append(tuple(Point(snapshot.commit, time_ms, each) for each in judge(snapshot, held_to, criteria)))
    return [
        Timeline(criterion, series, points) for criterion, points in zip(criteria, zip(*rows, strict=True), strict=True)
    ]
