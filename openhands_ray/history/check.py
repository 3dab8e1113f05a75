"""The verdict over a commit: its results against the success criteria, and beside those of the commit before."""

from __future__ import annotations

import math
from dataclasses import dataclass

from asv.util import human_value
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openhands_ray.history.criteria import Criterion, Judgement, Verdict, judge
from openhands_ray.history.errors import NoResults
from openhands_ray.history.results import History, Measurement, Snapshot

_STYLES = {Verdict.HELD: "green", Verdict.FAILED: "bold red", Verdict.UNMEASURED: "yellow"}


@dataclass(frozen=True)
class Comparison:
    """One result beside the one of the previous measured commit, which may lack it."""

    measurement: Measurement
    before: Measurement | None

    @property
    def ratio(self) -> float | None:
        """New over old: above 1 is worse. None where either is missing or the old one is zero."""
        new, old = self.measurement.value, self.before.value if self.before else None
        if new is None or old is None or old == 0 or math.isnan(new) or math.isnan(old):
            return None
        return new / old


@dataclass(frozen=True)
class Report:
    """All that is to be said of a commit in one series."""

    snapshot: Snapshot
    previous: Snapshot | None
    judgements: tuple[Judgement, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def held(self) -> bool:
        return all(judgement.verdict is Verdict.HELD for judgement in self.judgements)


def reports(history: History, commit: str | None = None, machine: str | None = None) -> list[Report]:
    """Judges a commit in every series that has results of it.

    Args:
        history: where the results are.
        commit: anything that names a commit in git; without one, the newest measured one in the history of HEAD.
        machine: only the results of this machine.

    Raises:
        UnknownCommit: git does not know the commit.
        NoResults: nothing was measured of it (on that machine).
    """
    name = commit or history.newest_measured()
    snapshots = [s for s in history.snapshots(name) if machine in (None, s.series.machine)]
    if not snapshots:
        raise NoResults(f"Commit {name} has no results of machine {machine!r}.")
    return [_report(history, snapshot) for snapshot in snapshots]


def _report(history: History, snapshot: Snapshot) -> Report:
    previous = history.previous(snapshot)
    before = previous.measurements if previous else {}
    comparisons = (Comparison(m, before.get(name)) for name, m in sorted(snapshot.measurements.items()))
    return Report(snapshot, previous, judge(snapshot, history.expected), tuple(comparisons))


def print_reports(found: list[Report], console: Console) -> None:
    """Prints the tables of each report, and a last line that says which criteria did not hold."""
    for report in found:
        console.print(
            f"\nCommit [bold]{report.snapshot.commit[:8]}[/bold] on {report.snapshot.series}", highlight=False
        )
        console.print(_results_table(report))
        console.print(_criteria_table(report))
        console.print(_conclusion(report), highlight=False)


def _criteria_table(report: Report) -> Table:
    table = Table(title="Success criteria", title_justify="left")
    for heading in ("criterion", "budget", "value", "verdict", "decided by"):
        table.add_column(heading, justify="right" if heading in ("budget", "value") else "left", overflow="fold")
    for judgement in report.judgements:
        style = _STYLES[judgement.verdict]
        table.add_row(
            judgement.criterion.name,
            format_budget(judgement.criterion),
            format_value(judgement.value, judgement.criterion.unit),
            f"[{style}]{judgement.verdict}[/{style}]",
            escape(judgement.reason),
        )
    return table


def _results_table(report: Report) -> Table:
    before = report.previous.commit[:8] if report.previous else "before"
    table = Table(title="Results", title_justify="left")
    table.add_column("benchmark", overflow="fold")
    for heading in (before, report.snapshot.commit[:8], "ratio"):
        table.add_column(heading, justify="right")
    for comparison in report.comparisons:
        measurement, old, ratio = comparison.measurement, comparison.before, comparison.ratio
        table.add_row(
            escape(measurement.title),
            format_value(old.value, old.unit) if old else "-",
            "[bold red]failed[/bold red]" if measurement.failed else format_value(measurement.value, measurement.unit),
            "-" if ratio is None else f"{ratio:.2f}",
        )
    return table


def _conclusion(report: Report) -> str:
    if report.held:
        return "[green]All success criteria held.[/green]"
    broken = [f"{j.criterion.name} ({j.verdict})" for j in report.judgements if j.verdict is not Verdict.HELD]
    return f"[bold red]Success criteria not held:[/bold red] {', '.join(broken)}"


def format_value(value: float | None, unit: str) -> str:
    """Formats a value as asv's own tables do; ``-`` where there is none."""
    if value is None:
        return "-"
    if math.isnan(value):
        return "skipped"
    # asv knows how to write seconds and bytes; of another unit it leaves the name out.
    return str(human_value(value, unit)) if unit in ("seconds", "bytes") else f"{value:.4g} {unit}"


def format_budget(criterion: Criterion) -> str:
    """Formats the limit, and whether it may be reached."""
    relation = "\u2264" if criterion.inclusive else "<"
    unit = {"seconds": "s"}.get(criterion.unit, criterion.unit)
    return f"{relation} {criterion.budget:g} {unit}"
