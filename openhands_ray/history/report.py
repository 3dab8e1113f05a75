"""``openhands-ray report``: the validation report of a commit, from asv's results, as Markdown or as HTML."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean

from openhands_ray.history import asv_log, markdown
from openhands_ray.history.check import Report, conclusion, format_value, reports
from openhands_ray.history.check_report import criteria_markdown, results_markdown
from openhands_ray.history.criteria import Verdict
from openhands_ray.history.errors import HistoryError
from openhands_ray.history.gate import Change
from openhands_ray.history.results import History, Measurement

LOG = Path(".asv/asv.log")  # where scripts/bench keeps it

# The benchmarks of this module that have a parameter tell failures by category.
_RELIABILITY = "reliability."

_CONDITIONS = {
    "machine": "machine",
    "cpu": "processor",
    "num_cpu": "processors",
    "arch": "architecture",
    "ram": "memory",
    "os": "operating system",
    "python": "Python",
}


def run(options: argparse.Namespace) -> int:
    """Writes the report.

    Returns:
        The exit status: 0, whatever the report says.

    Raises:
        HistoryError: there is nothing to report, or the log cannot be read.
    """
    history = History(options.config)
    found = reports(history, options.commit, options.machine)
    title = f"Validation report of {found[0].snapshot.commit[:8]}"
    text = document(title, found, history.expected, _log(options.log))
    if options.html:
        text = markdown.page(title, text)
    if options.output is None:
        print(text, end="")
        return 0
    try:
        options.output.write_text(text, "utf-8")
    except OSError as error:
        raise HistoryError(f"The report cannot be written: {error}") from error
    print(f"Written: {options.output}", file=sys.stderr)
    return 0


def _log(path: Path | None) -> str:
    """Returns asv's output; nothing where none was asked for and none was kept."""
    if path is None and not LOG.exists():
        return ""
    try:
        return (path or LOG).read_text("utf-8", errors="replace")
    except OSError as error:
        raise HistoryError(f"The log of asv cannot be read: {error}") from error


def document(title: str, found: Sequence[Report], expected: frozenset[str], log: str) -> str:
    """Returns the report as Markdown.

    Args:
        title: its heading.
        found: the commit, in each of its series.
        expected: the names, with parameters, of all known benchmarks.
        log: what asv printed as it ran; may be empty.
    """
    names = {m.benchmark for report in found for m in report.snapshot.measurements.values()}
    reasons = asv_log.failures(log, found[0].snapshot.commit, names)
    parts = (_series(report, expected, reasons) for report in found)
    return "\n\n".join([f"# {title}", *chain.from_iterable(parts)]) + "\n"


def _series(report: Report, expected: frozenset[str], reasons: Mapping[str, str]) -> list[str]:
    beside = f", beside `{report.previous.commit[:8]}`" if report.previous else ""
    return [
        f"Commit `{report.snapshot.commit}` of {report.snapshot.date:%Y-%m-%d}, "
        f"on {markdown.escape(str(report.snapshot.series))}{beside}.",
        "## Summary",
        f"**{markdown.escape(conclusion(report))}**",
        _summary(report, expected),
        "## Success criteria",
        criteria_markdown(report.judgements),
        "## Averages by category",
        _averages([m for m in report.snapshot.measurements.values() if m.measured]),
        "## Operations",
        results_markdown(report, [c for c in report.comparisons if c.after]),
        "## Errors",
        *_errors(report, expected, reasons),
        "## Machine",
        _machine(report),
    ]


def _summary(report: Report, expected: frozenset[str]) -> str:
    measurements = report.snapshot.measurements.values()
    held = sum(judgement.verdict is Verdict.HELD for judgement in report.judgements)
    rows = [
        ("success criteria held", f"{held} of {len(report.judgements)}"),
        ("benchmarks measured", f"{sum(m.measured for m in measurements)} of {len(expected)}"),
        ("failed", str(sum(m.failed for m in measurements))),
        ("skipped, since the commit cannot do it or nobody asked for it", str(sum(m.skipped for m in measurements))),
        ("not run", str(len(expected - report.snapshot.measurements.keys()))),
        *((f"{change} than before", str(len(report.changed(change)))) for change in (Change.WORSE, Change.BETTER)),
    ]
    return markdown.table(("", "number"), rows, right=("number",))


def _averages(measured: Sequence[Measurement]) -> str:
    """A category is a class of benchmarks; values of different units have no average."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for measurement in measured:
        groups.setdefault((measurement.benchmark.rpartition(".")[0], measurement.unit), []).append(measurement)
    rows = []
    for (category, unit), members in sorted(groups.items()):
        values = [m.value for m in members if m.value is not None]
        cells = [format_value(value, unit) for value in (fmean(values), min(values), max(values))]
        rows.append([markdown.escape(cell) for cell in (category, str(len(values)), *cells)])
    headings = ("category", "benchmarks", "average", "lowest", "highest")
    return markdown.table(headings, rows, right=headings[1:])


def _errors(report: Report, expected: frozenset[str], reasons: Mapping[str, str]) -> list[str]:
    measurements = report.snapshot.measurements
    categories = [m for m in measurements.values() if m.benchmark.startswith(_RELIABILITY) and m.parameters]
    parts = [_by_category([m for m in categories if m.measured])]
    if asv_log.BUILD in reasons:
        parts.append(f"The commit could not be built: {markdown.escape(reasons[asv_log.BUILD])}")
    if failed := [m for m in measurements.values() if m.failed]:
        other = "none: it could not be built" if asv_log.BUILD in reasons else "not kept"
        rows = [(markdown.escape(m.name), markdown.escape(reasons.get(m.benchmark) or other)) for m in failed]
        parts.append("Benchmarks that failed, and the last line that they wrote:")
        parts.append(markdown.table(("benchmark", "last line"), rows))
    if missing := Counter(name.partition("(")[0] for name in expected - measurements.keys()):
        told = (f"{name} ({count} times)" if count > 1 else name for name, count in sorted(missing.items()))
        parts.append(f"Not run: {', '.join(map(markdown.escape, told))}.")
    return [part for part in parts if part] or ["None."]


def _by_category(measured: Sequence[Measurement]) -> str:
    rows = [(markdown.escape(m.parameters.strip("()'")), format_value(m.value, m.unit)) for m in measured]
    return markdown.table(("failures of actions", "share"), rows, right=("share",)) if rows else ""


def _machine(report: Report) -> str:
    conditions = report.snapshot.conditions
    known = [(label, conditions[key]) for key, label in _CONDITIONS.items() if key in conditions]
    rows = [(label, markdown.escape(value)) for label, value in known]
    environment = ("environment", markdown.escape(report.snapshot.series.environment))
    text = markdown.table(("", "value"), [*rows, environment])
    if "cpu" in conditions:
        return text
    return f"{text}\n\nasv knows no more of this machine than its name; `asv machine` tells it the rest."
