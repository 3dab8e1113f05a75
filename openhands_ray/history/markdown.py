"""Markdown as GitHub reads it, and a page of HTML made from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape as escape_html

from markdown_it import MarkdownIt

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>#|~])")

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere }}
.table {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-size: 0.9rem; overflow-wrap: normal }}
th, td {{ padding: 0.25rem 0.75rem; border-bottom: 1px solid #8886; text-align: left; vertical-align: top }}
td {{ font-variant-numeric: tabular-nums }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def escape(text: str) -> str:
    """Returns a text that Markdown shows as it is, in one line, also within a table."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Returns a table.

    Args:
        headings: of its columns.
        rows: their cells, Markdown in one line.
        right: the headings of the columns that are aligned to the right.
    """
    rule = ["--:" if heading in right else "---" for heading in headings]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows))


def page(title: str, markdown: str) -> str:
    """Returns a page of HTML that needs no other file. HTML within the Markdown is shown, not obeyed."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    body = body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    return _PAGE.format(title=escape_html(title), body=body)
