"""The verdict as people and machines read it: tables, Markdown, JSON, and the annotations of a GitHub workflow."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openhands_ray.history import markdown
from openhands_ray.history.check import (
    Report,
    Status,
    conclusion,
    format_budget,
    format_change,
    format_measurement,
    format_value,
    format_verdict,
    overall,
)
from openhands_ray.history.criteria import Judgement, Verdict
from openhands_ray.history.gate import Change, Comparison
from openhands_ray.history.results import Measurement

_STYLES = {Verdict.HELD: "green", Verdict.FAILED: "bold red", Verdict.UNMEASURED: "yellow"}
_CHANGE_STYLES = {
    Change.WORSE: "bold red",
    Change.BROKEN: "bold red",
    Change.FAILING: "yellow",
    Change.ACKNOWLEDGED: "yellow",
    Change.BETTER: "green",
}
_STATUS_STYLES = {Status.FINE: "green", Status.WORSE: "bold red", Status.UNMEASURED: "yellow"}

# What a reader must see, worst first; all else is folded away.
_CHANGED = (Change.WORSE, Change.BROKEN, Change.FAILING, Change.ACKNOWLEDGED, Change.BETTER)

_NOISE = (
    "± is half of the range between the quartiles of the samples. Noise: the value changed by more than the threshold, "
    "but that cannot be told from the noise. Threshold alone: measured once, so nothing is known of the noise."
)

# GitHub refuses a comment of more than 65,536 characters.
_MOST_CHARACTERS = 60_000


def changed(report: Report) -> list[Comparison]:
    """Returns what a reader must see, worst first."""
    return [comparison for change in _CHANGED for comparison in report.changed(change)]


# -- tables ------------------------------------------------------------------------------------------------------------


def print_reports(found: Sequence[Report], console: Console) -> None:
    """Prints the tables of each report, and a last line with the verdict."""
    for report in found:
        console.print(
            f"\nCommit [bold]{report.snapshot.commit[:8]}[/bold] on {report.snapshot.series}", highlight=False
        )
        console.print(_results_table(report))
        console.print(_criteria_table(report))
        console.print(_NOISE, style="dim", highlight=False)
        style = _STATUS_STYLES[report.status]
        console.print(f"[{style}]{escape(conclusion(report))}[/{style}]", highlight=False)


def _results_table(report: Report) -> Table:
    before = report.previous.commit[:8] if report.previous else "before"
    table = Table(title="Results", title_justify="left")
    table.add_column("benchmark", overflow="fold")
    for heading in (before, report.snapshot.commit[:8], "change", "threshold"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for comparison in report.comparisons:
        style = _CHANGE_STYLES.get(comparison.change)
        verdict = format_verdict(comparison)
        *cells, _ = _cells(comparison)
        table.add_row(*map(escape, cells), f"[{style}]{verdict}[/{style}]" if style else verdict)
    return table


def _cells(comparison: Comparison) -> tuple[str, ...]:
    return (
        comparison.measurement.title,
        format_measurement(comparison.before),
        format_measurement(comparison.after),
        format_change(comparison),
        f"+{comparison.threshold:.0%}".replace("%", " %"),
        format_verdict(comparison),
    )


def _criteria_table(report: Report) -> Table:
    table = Table(title="Success criteria", title_justify="left")
    for heading in ("criterion", "budget", "value", "verdict", "decided by"):
        table.add_column(heading, justify="right" if heading in ("budget", "value") else "left", overflow="fold")
    for judgement in report.judgements:
        style = _STYLES[judgement.verdict]
        name, budget, value, verdict, reason = criterion_cells(judgement)
        table.add_row(escape(name), budget, value, f"[{style}]{verdict}[/{style}]", escape(reason))
    return table


def criterion_cells(judgement: Judgement) -> tuple[str, str, str, str, str]:
    """Returns what a table says of a criterion: its name, budget, value and verdict, and what decided."""
    return (
        judgement.criterion.name,
        format_budget(judgement.criterion),
        format_value(judgement.value, judgement.criterion.unit),
        str(judgement.verdict),
        judgement.reason,
    )


# -- Markdown ----------------------------------------------------------------------------------------------------------


def as_markdown(found: Sequence[Report]) -> str:
    """Returns the verdict first, then what changed, and all else folded away: for a comment or a job's summary."""
    text = "\n\n".join(_markdown(report, folded=True) for report in found)
    if len(text) > _MOST_CHARACTERS:
        text = "\n\n".join(_markdown(report, folded=False) for report in found)
    return text + "\n"


def _markdown(report: Report, *, folded: bool) -> str:
    parts = [f"### {markdown.escape(conclusion(report))}", _where(report)]
    if shown := changed(report):
        parts.append(results_markdown(report, shown))
    if broken := [j for j in report.judgements if j.verdict is not Verdict.HELD]:
        parts.append(criteria_markdown(broken))
    if folded:
        every = report.comparisons
        parts.append(_details(f"All {len(every)} benchmarks", results_markdown(report, every)))
        parts.append(_details("All success criteria", criteria_markdown(report.judgements)))
    else:
        parts.append(f"{len(report.comparisons) - len(shown)} benchmarks that did not change are left out.")
    return "\n\n".join(parts)


def _where(report: Report) -> str:
    beside = f" beside `{report.previous.commit[:8]}`" if report.previous else ""
    return f"`{report.snapshot.commit[:8]}`{beside}, on {markdown.escape(str(report.snapshot.series))}. {_NOISE}"


def _details(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def results_markdown(report: Report, comparisons: Sequence[Comparison]) -> str:
    """Returns a table of benchmarks, with those that changed for the worse in bold."""
    before = report.previous.commit[:8] if report.previous else "before"
    after = report.snapshot.commit[:8]
    headings = ("benchmark", before, after, "change", "threshold", "verdict")
    rows = []
    for comparison in comparisons:
        *cells, verdict = map(markdown.escape, _cells(comparison))
        bad = comparison.change in (Change.WORSE, Change.BROKEN)
        rows.append((*cells, f"**{verdict}**" if bad else verdict))
    return markdown.table(headings, rows, right=(before, after, "change", "threshold"))


def criteria_markdown(judgements: Sequence[Judgement]) -> str:
    """Returns a table of success criteria."""
    rows = [[markdown.escape(cell) for cell in criterion_cells(judgement)] for judgement in judgements]
    return markdown.table(("criterion", "budget", "value", "verdict", "decided by"), rows, right=("budget", "value"))


# -- GitHub ------------------------------------------------------------------------------------------------------------


def workflow_commands(found: Sequence[Report]) -> Iterator[str]:
    """Returns the workflow commands that annotate a run: errors for what is worse, warnings for what is not known."""
    for report in found:
        for comparison in changed(report):
            level = "error" if comparison.change in (Change.WORSE, Change.BROKEN) else "warning"
            if comparison.change is Change.BETTER:
                level = "notice"
            name, before, after, change, limit, verdict = _cells(comparison)
            yield annotation(level, f"{name}: {verdict}", f"{before} → {after} ({change}, threshold {limit})")
        for judgement in report.judgements:
            if judgement.verdict is not Verdict.HELD:
                name, budget, value, verdict, reason = criterion_cells(judgement)
                level = "error" if judgement in report.failed_criteria else "warning"
                yield annotation(level, f"{name}: {verdict}", f"{value}, budget {budget} ({reason})")


def annotation(level: str, title: str, message: str) -> str:
    """Returns the workflow command of an ``error``, a ``warning`` or a ``notice``."""
    message = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = title.replace("%", "%25").replace("\n", "%0A").replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={title}::{message}"


# -- JSON --------------------------------------------------------------------------------------------------------------


def as_json(found: Sequence[Report]) -> str:
    """Returns all of it for machines. Values are in the units that are stated, changes relative."""
    status = overall(list(found))
    return json.dumps({"status": int(status), "verdict": status.name.lower(), "series": [_object(r) for r in found]})


def _object(report: Report) -> dict[str, Any]:
    return {
        "machine": report.snapshot.series.machine,
        "environment": report.snapshot.series.environment,
        "commit": report.snapshot.commit,
        "before": report.previous.commit if report.previous else None,
        "status": int(report.status),
        "criteria": [
            {
                "name": j.criterion.name,
                "budget": j.criterion.budget,
                "unit": j.criterion.unit,
                "value": j.value,
                "verdict": str(j.verdict),
                "reason": j.reason,
                "counts": j in report.failed_criteria or j.verdict is Verdict.UNMEASURED,
            }
            for j in report.judgements
        ],
        "benchmarks": [
            {
                "name": c.measurement.name,
                "title": c.measurement.title,
                "unit": c.measurement.unit,
                "before": _measured(c.before),
                "after": _measured(c.after),
                "ratio": c.ratio,
                "threshold": c.threshold,
                "change": str(c.change),
                "evidence": str(c.evidence) if c.evidence else None,
            }
            for c in report.comparisons
        ],
    }


def _measured(measurement: Measurement | None) -> dict[str, Any] | None:
    if measurement is None:
        return None
    statistics = {key: value for key, value in measurement.statistics.items() if math.isfinite(value)}
    return {
        "value": measurement.value if measurement.measured else None,
        "failed": measurement.failed,
        "skipped": measurement.skipped,
        "statistics": statistics,
    }
