"""The page of how fast the runtime is, made from results: each operation beside its reference, its goal and its peers.

``python -m openhands_ray.history.performance [COMMIT]`` prints it; ``make performance`` measures what it needs and
writes ``docs/performance.md``.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asv.util import human_value

from openhands_ray.history.curves import CURVES, Curve, draw, points
from openhands_ray.history.errors import HistoryError
from openhands_ray.history.results import CONFIGURATION, History, Snapshot
from openhands_ray.history.steady import by_the_watch


@dataclass(frozen=True)
class Goal:
    """What an operation is to reach.

    Attributes:
        text: as people read it.
        reached: from its value and its reference's; the latter is NaN where there is none.
    """

    text: str
    reached: Callable[[float, float], bool]


def times(limit: float) -> Goal:
    """Return the goal of at most ``limit`` times the reference."""
    return Goal(f"≤ {limit:g} times", lambda ours, reference: ours <= limit * reference)


def more(milliseconds: float) -> Goal:
    """Return the goal of at most so much more than the reference."""
    return Goal(f"≤ + {milliseconds:g} ms", lambda ours, reference: ours <= reference + milliseconds / 1000)


def most(limit: float, unit: str) -> Goal:
    """Return the goal of at most ``limit``, in the unit of the benchmark."""
    return Goal(f"≤ {limit:g} {unit}", lambda ours, _: ours <= limit)


@dataclass(frozen=True)
class Row:
    """An operation: the names of its results.

    Attributes:
        operation: as people read it.
        ours: a measurement's name.
        goal: what it is to reach.
        reference: a measurement's name, or None.
        peer: the operation's name among those of the peers, or None.
    """

    operation: str
    ours: str
    goal: Goal
    reference: str | None = None
    peer: str | None = None


def _pair(operation: str, pair: str, goal: Goal, peer: str | None = None) -> Row:
    return Row(operation, f"ratios.Ratio.track_ours('{pair}')", goal, f"ratios.Ratio.track_reference('{pair}')", peer)


ROWS = (
    _pair("simple command", "simple command / bare actor call", times(2), "simple command"),
    _pair(
        "command that starts Python", "command that starts Python / subprocess", more(2), "command that starts Python"
    ),
    _pair("file write", "file write / bare actor call", times(1.5), "file write"),
    _pair("file read", "file read / bare actor call", times(1.5), "file read"),
    _pair("file edit", "file edit / bare actor call", times(1.5), "file edit"),
    _pair("1 MB write", "1 MB write / bare actor call", times(1.5), "1 MB write"),
    _pair("1 MB read", "1 MB read / bare actor call", times(1.5), "1 MB read"),
    _pair("IPython cell", "IPython cell / jupyter_client", more(1.5), "IPython cell"),
    Row(
        "browse a local page",
        "ratios.BrowserRatio.track_ours",
        most(0.5, "s"),
        "ratios.BrowserRatio.track_reference",
    ),
    Row("first page, its browser not started", "initialization.FirstPage.time_first_page('page')", most(5, "s")),
    Row("first page, its browser warm", "initialization.FirstPage.time_first_page('session')", most(0.5, "s")),
    Row(
        "cold start, no cluster",
        "initialization.Initialization.time_runtime_initialization",
        most(3.2, "s"),
        peer="initialization",
    ),
    Row("new session, warm", "initialization.WarmSession.time_connect", most(0.1, "s")),
    Row("new session and its end, none warm", "initialization.NewSession.time_new_session", most(1, "s")),
    Row("Ray's own processes, unique memory", "resources.Memory.track_cluster", most(200, "MB")),
    Row("a session, shell only", "resources.Memory.track_session", most(80, "MB")),
    Row("a session with its kernel", "resources.KernelMemory.track_session", most(150, "MB")),
)

PEERS = ("LocalRuntime", "CLIRuntime")

_PAGE = """\
# Performance

Of commit {commit}, on {series}. An operation and its reference (a call of a bare Ray actor with the same payload,
`subprocess`, jupyter_client alone, BrowserGym as OpenHands configures it) are measured in one process, call by call in
turn; medians. What OpenHands' own runtimes take is measured in the same run. This page is made by `make performance`
from asv's results.

| operation | ours | reference | ratio | goal | reached | LocalRuntime | CLIRuntime |
|---|--:|--:|--:|---|---|--:|--:|
{rows}

## How cost grows

![Latency by payload, output, length, age and number of sessions; memory by number of sessions](images/growth.svg)

{curves}
"""


def page(snapshot: Snapshot) -> str:
    """Return the page as Markdown."""
    rows = "\n".join(_line(row, snapshot) for row in ROWS)
    curves = "\n".join(_described(curve, snapshot) for curve in CURVES)
    return _PAGE.format(commit=snapshot.commit[:8], series=snapshot.series, rows=rows, curves=curves)


def _described(curve: Curve, snapshot: Snapshot) -> str:
    lines = []
    for label, benchmark in curve.lines.items():
        found = ", ".join(f"{x:,.0f}: {y:.3g} {curve.unit}" for x, y in points(snapshot, benchmark))
        lines.append(f"{label} {found}")
    return f"- {curve.title} ({curve.axis}): {'; '.join(lines)}"


def _line(row: Row, snapshot: Snapshot) -> str:
    ours, reference = _value(snapshot, row.ours), _value(snapshot, row.reference)
    reached = "?" if math.isnan(ours) else "yes" if row.goal.reached(ours, reference) else "**no**"
    peers = [_value(snapshot, _peer(peer, row.peer)) for peer in PEERS]
    unit = snapshot.measurements[row.ours].unit if row.ours in snapshot.measurements else ""
    cells = [
        row.operation,
        _shown(ours, unit),
        _shown(reference, unit),
        "" if math.isnan(ours / reference) else f"{ours / reference:.2f}",
        row.goal.text,
        reached,
        *(_shown(value, unit) for value in peers),
    ]
    return f"| {' | '.join(cells)} |"


def _peer(runtime: str, operation: str | None) -> str | None:
    return None if operation is None else f"peers.Peer.track_seconds('{runtime}', '{operation}')"


def _value(snapshot: Snapshot, name: str | None) -> float:
    measurement = snapshot.measurements.get(name or "")
    return math.nan if measurement is None or measurement.value is None else measurement.value


def _shown(value: float, unit: str) -> str:
    if math.isnan(value):
        return ""
    return str(human_value(value, unit)) if unit == "seconds" else f"{value:.0f} {unit}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the page; the status is 1 where there are no results."""
    parser = argparse.ArgumentParser(prog="performance", description="The page of how fast the runtime is.")
    parser.add_argument("commit", nargs="?", default="HEAD")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the plots of how cost grows (SVG)")
    parser.add_argument("--config", type=Path, default=Path(CONFIGURATION), help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        snapshot = by_the_watch(History(options.config).snapshots(options.commit)[-1])
    except HistoryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.plot:
        draw(snapshot, options.plot)
    print(page(snapshot), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
