"""The data of our pages for machines: ``criteria.json``, and what ``regressions.json`` of asv lacks.

``docs/history.md`` says what each field is.
"""

from __future__ import annotations

from typing import Any

from openhands_ray.history.regressions import Regression
from openhands_ray.history.site.overview import Overview
from openhands_ray.history.timeline import Point, Timeline

#: Of both files; it grows when a field changes its meaning or is gone.
VERSION = 1


def criteria(overview: Overview) -> dict[str, Any]:
    """Returns the content of ``criteria.json``."""
    return {
        "version": VERSION,
        "project": overview.project,
        "commit": overview.newest.commit if overview.newest else None,
        "held": bool(overview.current) and all(each.newest.verdict == "held" for each in overview.current),
        "criteria": [_timeline(each) for series in overview.series for each in overview.of_series(series)],
    }


def _timeline(timeline: Timeline) -> dict[str, Any]:
    criterion, decided, since = timeline.criterion, timeline.decided, timeline.since
    return {
        "name": criterion.name,
        "machine": timeline.series.machine,
        "environment": timeline.series.environment,
        "budget": criterion.budget,
        "unit": criterion.unit,
        "inclusive": criterion.inclusive,
        "aggregate": criterion.aggregate,
        "source": criterion.source,
        "verdict": timeline.newest.verdict,
        "commit": timeline.newest.commit,
        "reason": timeline.newest.judgement.reason,
        "value": decided.value if decided else None,
        "value_commit": decided.commit if decided else None,
        "used": timeline.used,
        "since": since.commit if since else None,
        "history": [_point(point) for point in timeline.points],
    }


def _point(point: Point) -> dict[str, Any]:
    return {"commit": point.commit, "time_ms": point.time_ms, "verdict": point.verdict, "value": point.value}


def regressions(listed: dict[str, Any], found: tuple[Regression, ...]) -> dict[str, Any]:
    """Returns the content of ``regressions.json``: asv's own, and all that was found.

    Args:
        listed: what asv has written; its pages read it.
        found: all regressions.
    """
    return {**listed, "version": VERSION, "history": [_regression(each) for each in found]}


def _regression(found: Regression) -> dict[str, Any]:
    return {
        "benchmark": found.benchmark,
        "unit": found.unit,
        "machine": found.machine,
        "branch": found.branch,
        "status": found.status,
        "commit": found.commit,
        "last_good": found.last_good,
        "time_ms": found.time_ms,
        "before": found.before,
        "after": found.after,
        "size": found.size,
        "threshold": found.threshold,
        "noise": found.noise,
        "recovered": found.recovered,
        "reason": found.reason,
        "link": f"index.html{found.link}",
    }
