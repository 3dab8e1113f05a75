"""What stands above asv's list of regressions: each one judged, with what has passed and what was accepted."""

from __future__ import annotations

import json
from html import escape

from openhands_ray.history.regressions import Regression, Status
from openhands_ray.history.site.html import SHORT, badge, commit_link, counted, day, table
from openhands_ray.history.site.overview import Overview
from openhands_ray.history.site.values import NO_VALUE, human, percentage
from openhands_ray.history.triage import FILENAME

_KINDS = {Status.OPEN: "bad", Status.ACKNOWLEDGED: "doubtful", Status.RECOVERED: "good"}
_HEADINGS = ("Benchmark", "Status", "Size", "Before and after", "Noise", "Commit")

_EXPLANATION = """\
<p>A regression is a lasting increase of a benchmark over its threshold; a single slow result is none. The
<em>noise</em> is how far single results of the same benchmark lie from their level, on average.</p>"""


def section(overview: Overview) -> str:
    """Returns what is shown before asv's own list."""
    found = {status: [each for each in overview.regressions if each.status is status] for status in Status}
    pending = found[Status.OPEN] + found[Status.ACKNOWLEDGED]
    parts = [
        "<h1>Regressions</h1>",
        f"<p class='site-lead'>{_counts(found)}</p>",
        _EXPLANATION,
        _table("Regressions that last", pending) if pending else "",
        _passed(found[Status.RECOVERED]),
        _how(found[Status.OPEN]),
        "<h2>As asv lists them</h2>",
        "<p>Those that last, with a graph under the pointer. <em>Ignore</em> counts in this browser alone.</p>",
    ]
    return "".join(parts)


def _counts(found: dict[Status, list[Regression]]) -> str:
    opened = len(found[Status.OPEN])
    first = badge(counted(opened, "open regression"), "bad") if opened else badge("no open regression", "good")
    rest = (
        badge(f"{len(found[status])} {status}", "plain")
        for status in (Status.ACKNOWLEDGED, Status.RECOVERED)
        if found[status]
    )
    return " ".join([first, *rest])


def _passed(recovered: list[Regression]) -> str:
    if not recovered:
        return ""
    title = counted(len(recovered), "regression") + " that recovered"
    return f"<details><summary>{title}</summary>{_table('Regressions that recovered', recovered)}</details>"


def _how(opened: list[Regression]) -> str:
    if not opened:
        return ""
    entry = (
        f"[[acknowledged]]\nbenchmark = {json.dumps(opened[0].benchmark)}\n"
        f'commit = "{opened[0].commit[:SHORT]}"\nreason = "Why it is accepted."'
    )
    return (
        f"<details><summary>Accept a regression for good</summary><p>Write it into <code>{FILENAME}</code> at the top "
        f"of the repository; from then on it is shown with its reason.</p><pre>{escape(entry)}</pre></details>"
    )


def _table(caption: str, regressions: list[Regression]) -> str:
    several = len({each.machine for each in regressions}) > 1
    return table(caption, _HEADINGS, [_row(each, several) for each in regressions])


def _row(regression: Regression, several: bool) -> tuple[str, ...]:
    where = f" <small>on {escape(regression.machine)}</small>" if several else ""
    return (
        f'<a href="{escape(regression.link)}">{escape(regression.title)}</a> '
        f"<small><code>{escape(regression.benchmark)}</code></small>{where}",
        _status(regression),
        _size(regression),
        f"{escape(human(regression.before, regression.unit))} → {escape(human(regression.after, regression.unit))}",
        NO_VALUE if regression.noise is None else f"± {percentage(regression.noise)}",
        _commits(regression),
    )


def _status(regression: Regression) -> str:
    label = badge(str(regression.status), _KINDS[regression.status])
    if regression.recovered:
        return f"{label} <small>in {commit_link(regression.recovered)}</small>"
    return f"{label} <small>{escape(regression.reason)}</small>" if regression.reason else label


def _size(regression: Regression) -> str:
    allowed = f"<small>+{percentage(regression.threshold)} is tolerated</small>"
    if regression.size is None:
        return f"+{escape(human(regression.after, regression.unit))} {allowed}"
    return f"<strong>+{percentage(regression.size)}</strong> {allowed}"


def _commits(regression: Regression) -> str:
    date = f"<small>{day(regression.time_ms)}</small>"
    if regression.last_good is None:
        return f"{commit_link(regression.commit)} {date}"
    return f"after {commit_link(regression.last_good)}, up to {commit_link(regression.commit)} {date}"
