"""The pieces of HTML that our pages are made of. What is passed as HTML is taken as it is; all else is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

#: Digits of a hash that people read; asv's pages show as many.
SHORT = 8


def commit_link(commit: str) -> str:
    """Returns a link to a commit on the site's own page of commits."""
    return f'<a href="commits.html#{commit}"><code>{commit[:SHORT]}</code></a>'


def day(time_ms: int) -> str:
    """Returns a date, in UTC, from milliseconds since 1970."""
    date = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f'<time datetime="{date:%Y-%m-%dT%H:%M:%SZ}">{date:%Y-%m-%d}</time>'


def badge(text: str, kind: str) -> str:
    """Returns a word on a coloured ground; ``kind`` is ``good``, ``bad``, ``doubtful`` or ``plain``."""
    return f'<span class="site-badge site-{kind}">{escape(text)}</span>'


def meter(share: float, text: str, kind: str) -> str:
    """Returns a bar of which a share is filled, beside its text."""
    width = min(max(share, 0.0), 1.0) * 100
    return (
        f'<span class="site-meter"><span class="site-bar" aria-hidden="true">'
        f'<span class="site-fill site-{kind}" style="width: {width:.1f}%"></span></span>{escape(text)}</span>'
    )


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table; the first cell of each row, as HTML, is its heading.

    A narrow screen shows each row as a card with the headings beside the values, for which roles are stated: a browser
    takes what is not laid out as a table for none.
    """
    head = "".join(f'<th scope="col" role="columnheader">{escape(heading)}</th>' for heading in headings)
    body = "\n".join(_row(headings, row) for row in rows)
    return (
        f'<table class="site-table" role="table"><caption>{escape(caption)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead><tbody role="rowgroup">\n{body}\n</tbody></table>'
    )


def _row(headings: Sequence[str], cells: Sequence[str]) -> str:
    first, *rest = cells
    others = "".join(
        f'<td role="cell" data-label="{escape(heading)}">{cell}</td>'
        for heading, cell in zip(headings[1:], rest, strict=True)
    )
    return f'<tr role="row"><th scope="row" role="rowheader">{first}</th>{others}</tr>'


def counted(number: int, noun: str) -> str:
    """Returns a number and its noun, with an s where it takes one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
