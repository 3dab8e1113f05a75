"""Completes asv's feed of regressions: criteria that changed, what was acknowledged, and where the feed itself is."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from asv.feed import ATOM_NS, FeedEntry
from asv.util import js_timestamp_to_datetime

from openhands_ray.history.criteria import Verdict
from openhands_ray.history.regressions import Regression, Status
from openhands_ray.history.site.html import SHORT, commit_link
from openhands_ray.history.site.overview import Overview
from openhands_ray.history.site.values import human, limit
from openhands_ray.history.timeline import Point, Timeline

_LANGUAGE = "en"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def complete(path: Path, overview: Overview) -> None:
    """Adds what is missing to ``regressions.xml``, as asv has written it.

    Links stay relative, since a site does not know where it will be served; the feed says what they are relative to.
    """
    tree = ET.parse(path)
    feed = tree.getroot()
    # The same names as asv's, so that a reader takes an entry for the one that it knows.
    owner = f"{overview.project}.asv"
    _acknowledge(feed, owner, overview.regressions)
    _in_utc(feed)
    entries = [entry for timeline in overview.timelines for entry in _changes(timeline)]
    feed.extend(entry.get_atom(owner, _LANGUAGE) for entry in entries)
    _sort(feed)
    _complete_head(feed, overview.project)
    ET.register_namespace("", ATOM_NS[1:-1])
    tree.write(path, xml_declaration=True, encoding="utf-8")


def _acknowledge(feed: ET.Element, owner: str, regressions: Iterable[Regression]) -> None:
    reasons = {
        _identity(owner, regression): regression.reason or ""
        for regression in regressions
        if regression.status is Status.ACKNOWLEDGED
    }
    for entry in feed.findall(f"{ATOM_NS}entry"):
        reason = reasons.get(entry.findtext(f"{ATOM_NS}id", ""))
        content = entry.find(f"{ATOM_NS}content")
        if reason and content is not None:
            content.text = f"{content.text or ''}<br>\nAcknowledged: {escape(reason)}"


def _identity(owner: str, regression: Regression) -> str:
    """Returns the id that asv gives to the entry of a regression."""
    context = [regression.benchmark, regression.last_good or "", regression.commit]
    date = js_timestamp_to_datetime(regression.time_ms)
    entry = FeedEntry("", date, id_context=context, id_date=date).get_atom(owner, _LANGUAGE)
    return str(entry.findtext(f"{ATOM_NS}id"))


def _in_utc(feed: ET.Element) -> None:
    """Corrects the times, which asv writes in the zone of this machine and calls UTC."""
    for updated in feed.iterfind(f"{ATOM_NS}entry/{ATOM_NS}updated"):
        local = datetime.strptime(updated.text or "", _TIME)
        updated.text = local.astimezone(UTC).strftime(_TIME)


def _changes(timeline: Timeline) -> list[FeedEntry]:
    return [_change(timeline, point) for point in timeline.changes]


def _change(timeline: Timeline, point: Point) -> FeedEntry:
    criterion, series = timeline.criterion, timeline.series
    verb = "failed" if point.verdict is Verdict.FAILED else "holds again"
    budget = limit(criterion.budget, criterion.unit, inclusive=criterion.inclusive)
    text = (
        f"At commit {commit_link(point.commit)} on {escape(str(series))}: "
        f"{escape(human(point.value, criterion.unit))}, the budget is {escape(budget)} "
        f"({escape(point.judgement.reason)})."
    )
    date = _date(point.time_ms)
    return FeedEntry(
        f"Success criterion {verb}: {criterion.name} at {point.commit[:SHORT]}",
        date,
        "index.html#/criteria",
        text,
        ["criterion", criterion.name, str(series), point.commit, str(point.verdict)],
        date,
    )


def _sort(feed: ET.Element) -> None:
    entries = feed.findall(f"{ATOM_NS}entry")
    for entry in entries:
        feed.remove(entry)
    feed.extend(sorted(entries, key=_updated, reverse=True))


def _complete_head(feed: ET.Element, project: str) -> None:
    title, updated = feed.find(f"{ATOM_NS}title"), feed.find(f"{ATOM_NS}updated")
    assert title is not None
    assert updated is not None
    title.text = f"{project}: regressions and success criteria"
    if entries := feed.findall(f"{ATOM_NS}entry"):
        updated.text = _updated(entries[0])
    for relation, target in (("self", "regressions.xml"), ("alternate", "index.html#/regressions")):
        feed.insert(4, ET.Element(f"{ATOM_NS}link", {"rel": relation, "href": target}))
    # asv qualifies the attributes of an entry by Atom's namespace, where readers do not look for them.
    for element in feed.iter():
        for name in [name for name in element.attrib if name.startswith(ATOM_NS)]:
            element.set(name.removeprefix(ATOM_NS), element.attrib.pop(name))


def _updated(entry: ET.Element) -> str:
    return entry.findtext(f"{ATOM_NS}updated", "")


def _date(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
