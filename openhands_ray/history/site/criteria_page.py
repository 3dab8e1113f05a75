"""The page of the success criteria, and the summary that also stands above asv's grid."""

from __future__ import annotations

from html import escape

from openhands_ray.history.criteria import Criterion, Verdict
from openhands_ray.history.regressions import Status
from openhands_ray.history.results import Series
from openhands_ray.history.site.html import SHORT, badge, commit_link, counted, day, meter, table
from openhands_ray.history.site.overview import Overview
from openhands_ray.history.site.sparkline import sparkline
from openhands_ray.history.site.values import NO_VALUE, human, limit, percentage
from openhands_ray.history.timeline import Timeline

_KINDS = {Verdict.HELD: "good", Verdict.FAILED: "bad", Verdict.UNMEASURED: "doubtful"}
_MARKS = {"good": "✓", "bad": "✗", "doubtful": "?"}
_HEADINGS = ("Criterion", "Verdict", "Newest value", "Budget", "Of the budget", "Since", "History")

_EXPLANATION = """\
<p>Every commit is measured by <a href="#/">benchmarks</a>. A <strong>success criterion</strong> is a limit in absolute
units, whatever was before: how bad is too bad. A <a href="#/regressions"><strong>regression</strong></a> is a lasting
increase over what was before. In each sparkline the oldest commit is on the left, zero at the bottom, and the dashed
line is the budget, where it is near enough to be seen.</p>"""

_LINKS = """\
<p>For machines: <a href="criteria.json">criteria.json</a>, <a href="regressions.json">regressions.json</a>, and a
<a href="regressions.xml">feed (Atom)</a> of regressions and of criteria that changed.</p>"""


def page(overview: Overview) -> str:
    """Returns the content of the page."""
    tables = "".join(_series(overview, series) for series in overview.series)
    return f"<h1>Success criteria</h1>{summary(overview, 'h2')}{_EXPLANATION}{tables}{_LINKS}"


def summary(overview: Overview, heading: str) -> str:
    """Returns what is understood in ten seconds: whether all is well, at which commit, and what is not.

    Args:
        overview: the state of the project.
        heading: the element of its headline.
    """
    kind, headline = _headline(overview)
    newest = overview.newest
    where = ""
    if newest:
        machines = ", ".join(dict.fromkeys(each.series.machine for each in overview.current))
        subject = f" “{escape(newest.subject)}”" if newest.subject else ""
        where = (
            f"The newest of {counted(len(overview.commits), 'measured commit')} is {commit_link(newest.commit)}"
            f"{subject}{f', of {newest.date}' if newest.date else ''}, measured on {escape(machines)}."
        )
    return (
        f'<div class="site-summary site-{kind}"><span class="site-mark" aria-hidden="true">{_MARKS[kind]}</span>'
        f'<div><{heading} class="site-headline">{escape(headline)}</{heading}><p>{where}</p>'
        f"<p>{_regressions(overview)}</p></div></div>"
    )


def _headline(overview: Overview) -> tuple[str, str]:
    failed, unmeasured = overview.with_verdict(Verdict.FAILED), overview.with_verdict(Verdict.UNMEASURED)
    total = len(overview.current)
    if not total:
        return "doubtful", "Nothing has been measured yet"
    several = len({each.series for each in overview.current}) > 1
    if failed:
        verb = "fails" if len(failed) == 1 else "fail"
        return "bad", f"{len(failed)} of {total} success criteria {verb}: {_names(failed, several)}"
    if unmeasured:
        return "doubtful", f"{len(unmeasured)} of {total} success criteria not measured: {_names(unmeasured, several)}"
    return "good", f"All {total} success criteria hold"


def _names(timelines: list[Timeline], several: bool) -> str:
    return ", ".join(f"{each.criterion.name}{f' on {each.series.machine}' if several else ''}" for each in timelines)


def _regressions(overview: Overview) -> str:
    counts = overview.counts
    opened = counts[Status.OPEN]
    first = f"{counted(opened, 'open regression')}" if opened else "No open regression"
    others = [f"{counts[status]} {status}" for status in (Status.ACKNOWLEDGED, Status.RECOVERED) if counts[status]]
    link = '<a href="#/regressions">{}</a>'.format(f"<strong>{first}</strong>" if opened else first)
    return f"{', '.join([link, *others])}."


def _series(overview: Overview, series: Series) -> str:
    timelines = overview.of_series(series)
    newest = timelines[0].newest
    title = f"On {series}, at {newest.commit[:SHORT]}"
    return table(title, _HEADINGS, [_row(timeline) for timeline in timelines])


def _row(timeline: Timeline) -> tuple[str, ...]:
    criterion, newest, decided = timeline.criterion, timeline.newest, timeline.decided
    kind = _KINDS[newest.verdict]
    value = escape(human(decided.value if decided else None, criterion.unit))
    if decided and decided is not newest:
        value += f" <small>at {commit_link(decided.commit)}</small>"
    return (
        _name(timeline),
        badge(str(newest.verdict), kind),
        value,
        _budget(criterion),
        _used(timeline, kind),
        _since(timeline),
        sparkline([point.value for point in timeline.points], criterion.budget, _description(timeline)),
    )


def _name(timeline: Timeline) -> str:
    name, reason = timeline.criterion.name, timeline.newest.judgement.reason
    return escape(name) if name.lower() == reason.lower() else f"{escape(name)} <small>{escape(reason)}</small>"


def _budget(criterion: Criterion) -> str:
    text = limit(criterion.budget, criterion.unit, inclusive=criterion.inclusive)
    return f'<abbr title="From {escape(criterion.source)}">{escape(text)}</abbr>'


def _used(timeline: Timeline, kind: str) -> str:
    if timeline.used is None:
        return NO_VALUE
    near = "doubtful" if kind == "good" and timeline.used >= 0.8 else kind
    return meter(timeline.used, percentage(timeline.used), near)


def _since(timeline: Timeline) -> str:
    since = timeline.since
    if since is None:
        return "never measured"
    first = "" if timeline.changes else ", the first measured"
    return f"{since.verdict} since {commit_link(since.commit)} <small>{day(since.time_ms)}{first}</small>"


def _description(timeline: Timeline) -> str:
    unit = timeline.criterion.unit
    values = [point.value for point in timeline.points if point.value is not None]
    if not values:
        return f"{timeline.criterion.name}: no values."
    return (
        f"{timeline.criterion.name} over {counted(len(values), 'commit')}: first {human(values[0], unit)}, "
        f"newest {human(values[-1], unit)}, lowest {human(min(values), unit)}, highest {human(max(values), unit)}."
    )
