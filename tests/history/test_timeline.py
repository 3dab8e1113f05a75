from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openhands_ray.history.criteria import Aggregate, Criterion, Verdict
from openhands_ray.history.results import Measurement, Series, Snapshot
from openhands_ray.history.timeline import Timeline, timelines

HERE = Series("bench", "virtualenv-py3.12")
FASTEST = Criterion("fast", 10.0, "seconds", Aggregate.MAXIMUM, (r"a\.time_\w+",), "a test")
BOTH = frozenset({"a.time_x", "a.time_y"})


def snapshot(number: int, series: Series = HERE, **values: Any) -> Snapshot:
    measurements = {f"a.{name}": Measurement(f"a.{name}", "", name, "seconds", value) for name, value in values.items()}
    date = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)
    return Snapshot(f"{number:040}", date, series, measurements)


def over(snapshots: Sequence[Snapshot], expected: frozenset[str] = BOTH) -> list[Timeline]:
    revisions = {each.commit: number for number, each in enumerate(snapshots)}
    return timelines(reversed(snapshots), revisions, expected, (FASTEST,))


def of(*values: float | None) -> Timeline:
    (timeline,) = over([snapshot(n, time_x=value, time_y=1.0) for n, value in enumerate(values)])
    return timeline


def test_the_points_are_in_the_order_of_the_commits() -> None:
    timeline = of(1.0, 2.0, 11.0)

    assert [(point.value, point.verdict) for point in timeline.points] == [
        (1.0, Verdict.HELD),
        (2.0, Verdict.HELD),
        (11.0, Verdict.FAILED),
    ]
    assert timeline.newest.time_ms == 1_704_240_000_000


@pytest.mark.parametrize(
    ("values", "since"),
    [((1.0, 2.0), 0), ((11.0, 2.0, 3.0), 1), ((1.0, 11.0, 2.0, 12.0, 13.0), 3), ((1.0, None, None), 1), ((11.0,), 0)],
)
def test_it_is_told_since_when_a_verdict_stands(values: tuple[float, ...], since: int) -> None:
    timeline = of(*values)

    assert timeline.since is timeline.points[since]


def test_the_share_of_the_budget_is_of_the_newest_value() -> None:
    assert of(1.0, 2.5).used == 0.25
    assert of(20.0).used == 2.0
    assert of(None).used is None


def test_the_changes_are_where_the_verdict_is_another_one() -> None:
    timeline = of(1.0, 2.0, 11.0, 12.0, 3.0)

    assert timeline.changes == [timeline.points[2], timeline.points[4]]


def test_what_was_not_measured_changes_nothing() -> None:
    partial = [snapshot(0, time_x=1.0, time_y=1.0), snapshot(1, time_x=1.0), snapshot(2, time_x=2.0, time_y=1.0)]

    (timeline,) = over(partial)

    assert [point.verdict for point in timeline.points] == [Verdict.HELD, Verdict.UNMEASURED, Verdict.HELD]
    assert timeline.since is timeline.points[0]
    assert timeline.changes == []


def test_a_commit_is_not_held_to_benchmarks_that_came_later() -> None:
    (timeline,) = over([snapshot(0, time_x=1.0), snapshot(1, time_x=1.0, time_y=2.0)])

    assert [point.verdict for point in timeline.points] == [Verdict.HELD, Verdict.HELD]


def test_the_newest_commit_is_held_to_all() -> None:
    (timeline,) = over([snapshot(0, time_x=1.0), snapshot(1, time_x=3.0)])

    assert timeline.newest.verdict is Verdict.UNMEASURED
    assert timeline.decided is timeline.points[0]
    assert timeline.used == 0.1


def test_what_was_never_measured_stands_since_never() -> None:
    (timeline,) = over([snapshot(0)])

    assert (timeline.decided, timeline.since, timeline.used, timeline.changes) == (None, None, None, [])


def test_each_series_has_its_own() -> None:
    other = Series("another", "virtualenv-py3.12")

    first, second = over([snapshot(0, time_x=1.0, time_y=1.0), snapshot(1, other, time_x=11.0, time_y=1.0)])

    assert (first.series, first.newest.verdict) == (other, Verdict.FAILED)
    assert (second.series, second.newest.verdict) == (HERE, Verdict.HELD)


def test_commits_that_are_not_published_do_not_count() -> None:
    assert timelines([snapshot(0, time_x=1.0)], {}, BOTH, (FASTEST,)) == []
