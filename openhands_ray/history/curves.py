"""How cost grows, as plots: with payload, output, length of a workflow, age of a session, number of sessions."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openhands_ray.history.results import Snapshot


@dataclass(frozen=True)
class Curve:
    """A plot.

    Attributes:
        title: what grows.
        axis: the benchmarks' parameter, as people read it.
        unit: of the values: ``ms`` or ``MB``.
        lines: names of benchmarks with one parameter, by what the plot calls them.
        linear: whether the cost is meant to grow with the parameter; else it is meant to stay.
    """

    title: str
    axis: str
    unit: str
    lines: dict[str, str]
    linear: bool = False


CURVES = (
    Curve(
        "A file, by its size",
        "bytes",
        "ms",
        {"write": "growth.Payload.track_write", "read": "growth.Payload.track_read"},
        linear=True,
    ),
    Curve("A command, by its output", "lines", "ms", {"seq": "growth.Output.track_lines"}, linear=True),
    Curve("A workflow, by its length", "actions", "ms", {"workflow": "growth.Workflow.track_actions"}, linear=True),
    Curve("A command, by what the session has run", "actions before", "ms", {"echo": "growth.Age.track_command"}),
    Curve("A command, by sessions that live", "sessions", "ms", {"echo": "growth.Sessions.track_command"}),
    Curve("Memory of a session, by sessions that live", "sessions", "MB", {"USS": "growth.SessionsMemory.track_each"}),
)


def points(snapshot: Snapshot, benchmark: str) -> list[tuple[float, float]]:
    """Returns a benchmark's parameters and values (milliseconds or MB), in order; what has no value is left out."""
    found = []
    for measurement in snapshot.measurements.values():
        value = measurement.value
        if measurement.benchmark == benchmark and value is not None and not math.isnan(value):
            scale = 1000 if measurement.unit == "seconds" else 1
            found.append((float(ast.literal_eval(measurement.parameters)), value * scale))
    return sorted(found)


def draw(snapshot: Snapshot, path: Path, curves: Sequence[Curve] = CURVES) -> None:
    """Writes one picture (SVG) of all plots, with logarithmic axes; what should stay is drawn from zero."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # The same results give the same bytes.
    style = {"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False}
    with pyplot.rc_context(style):  # type: ignore[arg-type]
        figure, axes = pyplot.subplots(2, 3, figsize=(11, 6), layout="constrained")
        for plot, curve in zip(axes.flat, curves, strict=True):
            plot.set(title=curve.title, xlabel=curve.axis, ylabel=curve.unit)
            lines = {label: found for label, name in curve.lines.items() if (found := points(snapshot, name))}
            if not lines:
                plot.text(0.5, 0.5, "not measured", ha="center", transform=plot.transAxes)
                continue
            for label, found in lines.items():
                plot.plot([x for x, _ in found], [y for _, y in found], marker="o", label=label)
            plot.set_xscale("log")
            plot.set_yscale("log") if curve.linear else plot.set_ylim(bottom=0)
            plot.grid(alpha=0.3)
            plot.legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)
