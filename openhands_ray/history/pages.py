"""The HTML of our own pages. It is complete when it is published: the browser computes and loads nothing."""

from __future__ import annotations

from html import escape

from asv.console import log

from openhands_ray.history.check import Report, format_budget, format_value, reports
from openhands_ray.history.criteria import Judgement, Verdict
from openhands_ray.history.results import History

# Where asv's index.html is extended. It knows no other way for a page of a plugin.
_NAVIGATION = '<li id="nav-li-graphdisplay">'
_BODY = '<div id="regressions-display"'
_HEAD = "</head>"

_ITEM = '<li id="nav-li-criteria"><a href="#/criteria">Success criteria</a></li>\n        '

# asv hides only the displays that it knows, so ours hides itself before asv shows another one.
_SCRIPT = """
    <script>
      $(document).ready(function() {
        function hide() { $('#criteria-display').hide(); }
        hide();
        $(window).on('hashchange', hide);
        $.asv.register_page('criteria', function() { $('#criteria-display').show(); });
      });
    </script>
  """

_CLASSES = {Verdict.HELD: "success", Verdict.FAILED: "danger", Verdict.UNMEASURED: "warning"}
_HEADINGS = ("Criterion", "Budget", "Value", "Verdict", "Decided by", "Where the budget comes from")


def with_criteria(html: str, history: History, commit: str | None) -> str:
    """Returns asv's ``index.html`` with a page of success criteria, linked from the navigation.

    Args:
        html: asv's page.
        history: what was measured.
        commit: the full hash of the one to judge; None where nothing was measured.
    """
    if not all(html.count(anchor) == 1 for anchor in (_NAVIGATION, _BODY, _HEAD)):
        log.warning("The page of success criteria was left out: this version of asv builds its index.html differently.")
        return html
    content = "".join(_report(report) for report in reports(history, commit)) if commit else "<p>No results.</p>"
    display = f'<div id="criteria-display" class="container-fluid" style="margin-top: 70px">{content}</div>\n    '
    for anchor, addition in ((_HEAD, _SCRIPT), (_NAVIGATION, _ITEM), (_BODY, display)):
        html = html.replace(anchor, addition + anchor)
    return html


def _report(report: Report) -> str:
    commit = report.snapshot.commit
    heading = (
        f'<h4>Commit <a href="commits.html#{commit}">{commit[:8]}</a> on {escape(str(report.snapshot.series))}</h4>'
    )
    head = "".join(f"<th>{title}</th>" for title in _HEADINGS)
    rows = "".join(_row(judgement) for judgement in report.judgements)
    return f'{heading}<table class="table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _row(judgement: Judgement) -> str:
    criterion = judgement.criterion
    cells = (
        criterion.name,
        format_budget(criterion),
        format_value(judgement.value, criterion.unit),
        str(judgement.verdict),
        judgement.reason,
        criterion.source,
    )
    return (
        f'<tr class="{_CLASSES[judgement.verdict]}">' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    )


def commits(project: str, entries: list[tuple[str, str, str]]) -> str:
    """Returns a page that lists commits, each under an anchor that is its hash.

    Args:
        project: its name.
        entries: full hash, date and first line of the message, newest first.
    """
    rows = "\n".join(
        f'<tr id="{commit}"><td><code>{commit}</code></td><td>{escape(date)}</td><td>{escape(subject)}</td></tr>'
        for commit, date, subject in entries
    )
    return f"""<!doctype html>
<html>
  <head>
    <meta charset="utf-8">
    <link rel="icon" href="swallow.ico">
    <title>Measured commits of {escape(project)}</title>
    <style>body {{ font-family: sans-serif }} td {{ padding: 4px 12px }} tr:target {{ background: #fcf8e3 }}</style>
  </head>
  <body>
    <p><a href="index.html">Benchmarks</a></p>
    <table>
{rows}
    </table>
  </body>
</html>
"""
