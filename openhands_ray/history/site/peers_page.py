"""The page of the peers: the same operations on several runtimes, side by side, from benchmarks with that parameter."""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from openhands_ray.history.regressions import graph_link
from openhands_ray.history.site.html import SHORT, table
from openhands_ray.history.site.values import NO_VALUE, human

#: The parameter that makes a benchmark one of peers; its first value is ours.
PARAMETER = "runtime"

_WIDTH, _HEIGHT, _MARGIN = 220.0, 24.0, 6.0


@dataclass(frozen=True)
class Peers:
    """A benchmark of peers on one machine, at the newest commit that measured at least two of them.

    Attributes:
        benchmark: asv's name.
        parameters: asv's text of each value of the runtime parameter, ours first.
        rows: of each combination of the other parameters, its name and values as asv writes them, and what each runtime
            took, in the unit of the benchmark; None where there is no value.
    """

    benchmark: str
    title: str
    unit: str
    machine: str
    commit: str
    parameters: tuple[str, ...]
    rows: tuple[tuple[dict[str, str], tuple[float | None, ...]], ...]


def peers(benchmarks: Mapping[str, Mapping[str, Any]], graphs: Any, revisions: Mapping[str, int]) -> list[Peers]:
    """Returns what was measured of peers, from what asv hands to a publisher."""
    hashes = {revision: commit for commit, revision in revisions.items()}
    comparable = (name for name, entry in benchmarks.items() if _runtimes(entry) > 1)
    return [
        found
        for name in sorted(comparable)
        for graph in graphs.get_graph_group(name)
        if (found := _newest(benchmarks[name], graph, hashes))
    ]


def _runtimes(entry: Mapping[str, Any]) -> int:
    names = entry["param_names"]
    return len(entry["params"][names.index(PARAMETER)]) if PARAMETER in names else 0


def _newest(entry: Mapping[str, Any], graph: Any, hashes: Mapping[int, str]) -> Peers | None:
    axis = entry["param_names"].index(PARAMETER)
    runtimes = tuple(entry["params"][axis])
    for revision, values, _ in reversed(graph.get_data()):
        rows = _rows(entry, axis, values if isinstance(values, list) else [values])
        if sum(any(row[1][index] is not None for row in rows) for index in range(len(runtimes))) > 1:
            title = entry.get("pretty_name") or entry["name"]
            machine = graph.params["machine"]
            return Peers(entry["name"], title, entry.get("unit", ""), machine, hashes[revision], runtimes, rows)
    return None


def _rows(
    entry: Mapping[str, Any], axis: int, values: list[float | None]
) -> tuple[tuple[dict[str, str], tuple[float | None, ...]], ...]:
    by_others: dict[tuple[str, ...], list[float | None]] = {}
    for combination, value in zip(itertools.product(*entry["params"]), values, strict=True):
        others = combination[:axis] + combination[axis + 1 :]
        by_others.setdefault(others, []).append(None if value is None or math.isnan(value) else value)
    names = [name for name in entry["param_names"] if name != PARAMETER]
    return tuple((dict(zip(names, others, strict=True)), tuple(found)) for others, found in by_others.items())


def page(found: list[Peers]) -> str:
    """Returns the content of the page."""
    if not found:
        return "<h1>Peers</h1><p>Not measured yet: <code>make performance</code> does it.</p>"
    introduction = (
        "<p>The same operations on several runtimes, measured in the same run. The dots are on a logarithmic scale, "
        "less is better; the factor is relative to the first. Each operation leads to a graph of all of them over the "
        "commits.</p>"
    )
    return f"<h1>Peers</h1>{introduction}{''.join(_section(each) for each in found)}"


def _section(found: Peers) -> str:
    names = [_plain(parameter) for parameter in found.parameters]
    values = [value for _, row in found.rows for value in row if value]
    scale = (math.log10(min(values)), math.log10(max(values))) if values else (0.0, 1.0)
    rows = [_row(found, names, others, row, scale) for others, row in found.rows]
    caption = f"{found.title}, on {found.machine}, at {found.commit[:SHORT]}"
    key = "".join(
        '<li><svg width="12" height="12" aria-hidden="true">'
        f'<circle class="site-peer-{index}" cx="6" cy="6" r="5"/></svg> {escape(name)}</li>'
        for index, name in enumerate(names)
    )
    return (
        f'<ul class="site-key" aria-label="Colours">{key}</ul>'
        f"{table(caption, ('Operation', *names, 'Side by side'), rows)}"
    )


def _row(
    found: Peers, names: list[str], others: dict[str, str], row: tuple[float | None, ...], scale: tuple[float, float]
) -> tuple[str, ...]:
    label = ", ".join(_plain(value) for value in others.values()) or found.title
    query = {f"p-{name}": value for name, value in others.items()} | {f"p-{PARAMETER}": list(found.parameters)}
    link = graph_link(found.benchmark, {**query, "y-axis-scale": "log"})
    cells = (_cell(value, row[0] if index else None, found.unit) for index, value in enumerate(row))
    return (f'<a href="{escape(link)}">{escape(label)}</a>', *cells, _dots(names, row, scale, found.unit))


def _cell(value: float | None, ours: float | None, unit: str) -> str:
    if value is None:
        return NO_VALUE
    factor = f" <small>\u00d7 {human(value / ours, 'ratio')}</small>" if ours else ""
    return f"{escape(human(value, unit))}{factor}"


def _dots(names: list[str], row: tuple[float | None, ...], scale: tuple[float, float], unit: str) -> str:
    low, high = scale
    stretch = (_WIDTH - 2 * _MARGIN) / (high - low) if high > low else 0.0
    texts = ", ".join(f"{name} {human(value, unit)}" for name, value in zip(names, row, strict=True) if value)
    dots = "".join(
        f'<circle class="site-peer-{index}" cx="{_MARGIN + (math.log10(value) - low) * stretch:.1f}" cy="12" r="5"/>'
        for index, value in enumerate(row)
        if value
    )
    return (
        f'<svg class="site-dots" role="img" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" width="{_WIDTH:.0f}" '
        f'height="{_HEIGHT:.0f}"><title>{escape(texts)}</title>'
        f'<line class="site-axis" x1="0" x2="{_WIDTH:.0f}" y1="12" y2="12"/>{dots}</svg>'
    )


def _plain(value: str) -> str:
    """Returns a parameter's value without the quotes that asv writes around a text."""
    try:
        read = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
    return str(read)
