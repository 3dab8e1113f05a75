"""Where our HTML goes into asv's, and our page of commits. It is complete when it is published: the browser computes
nothing of it, and ``site.js`` only shows and hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from asv.console import log

from openhands_ray.history.site.html import SHORT
from openhands_ray.history.site.overview import Commit

STYLE, SCRIPT = "site.css", "site.js"

_NAV_ITEM = '<li id="nav-li-{name}"><a href="#/{name}">{label}</a></li>\n        '
_DISPLAY = '<section id="{name}-display" class="site-page" aria-label="{label}" hidden>{content}</section>\n    '

_JUDGED = '<section id="regressions-judged" class="site-page">{content}</section>'
_GRID = '<div id="summarygrid-display" style="position: absolute; left: 0; top: 55px; width: 100%; height: 100%">'

_HEAD = f"""\
<meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link href="{STYLE}" rel="stylesheet">
    <script src="{SCRIPT}"></script>
  """


def extended(html: str, summary: str, regressions: str, own: Sequence[tuple[str, str, str]]) -> str:
    """Returns asv's ``index.html`` with our pages in it, linked from the navigation.

    asv knows no other way for a page of a plugin. Where its page is not the expected one, it is returned as it is.

    Args:
        html: asv's page.
        summary: what stands above the grid.
        regressions: what stands above the list of regressions.
        own: of each page of ours the name in its address, the label, and the content.
    """
    items = "".join(_NAV_ITEM.format(name=name, label=escape(label)) for name, label, _ in own)
    displays = "".join(_DISPLAY.format(name=name, label=escape(label), content=content) for name, label, content in own)
    additions = (
        # What stands before the anchor, the anchor itself, and what stands after it.
        ("", "<html>", ""),
        (_HEAD, "</head>", ""),
        ('<a class="site-skip" href="#content">Skip to the content</a>\n    ', '<nav id="nav"', ' aria-label="Pages"'),
        (items, '<li id="nav-li-graphdisplay">', ""),
        ("", "</nav>", '\n    <main id="content" tabindex="-1">'),
        ("", _GRID, f'<div id="site-overview">{summary}</div>'),
        (displays, '<div id="regressions-display"', ""),
        (_JUDGED.format(content=regressions), '<div id="regressions-body">', ""),
        ("</main>\n    ", "<!-- A modal dialog box", ""),
    )
    unknown = [anchor for _, anchor, _ in additions if html.count(anchor) != 1]
    if unknown:
        log.warning(f"Our pages were left out: this version of asv builds its page differently, at {unknown[0]!r}.")
        return html
    for before, anchor, after in additions:
        html = html.replace(anchor, before + anchor + after)
    return html.replace("<html>", '<html lang="en">')


def commits(project: str, entries: Sequence[Commit]) -> str:
    """Returns a page that lists commits, each found by its hash, and by the digits of it that asv's pages show.

    Args:
        project: its name.
        entries: newest first.
    """
    rows = "\n".join(
        f'<tr id="{each.commit}"><th scope="row"><code id="{each.commit[:SHORT]}">{each.commit}</code></th>'
        f"<td>{escape(each.date)}</td><td>{escape(each.subject)}</td></tr>"
        for each in entries
    )
    return f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="icon" href="swallow.ico">
    <link rel="stylesheet" href="{STYLE}">
    <title>Measured commits of {escape(project)}</title>
  </head>
  <body class="site-alone">
    <nav aria-label="Pages">
      <a href="index.html">Benchmarks</a> · <a href="index.html#/criteria">Success criteria</a>
    </nav>
    <main class="site-page">
    <h1>Measured commits of {escape(project)}</h1>
    <table class="site-commits">
    <thead><tr><th scope="col">Commit</th><th scope="col">Date</th><th scope="col">Change</th></tr></thead>
    <tbody>
{rows}
    </tbody>
    </table>
    </main>
  </body>
</html>
"""
