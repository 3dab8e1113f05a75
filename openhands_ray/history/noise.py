"""How much the results of one commit differ between runs: what a threshold must be above.

``make aa`` measures a commit several times, each time as a machine of another name, and prints this.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from asv.util import human_value
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openhands_ray.history.errors import HistoryError
from openhands_ray.history.results import CONFIGURATION, History, Snapshot


@dataclass(frozen=True)
class Noise:
    """One benchmark over the runs.

    Attributes:
        name: with its parameters.
        unit: asv's.
        values: one for each run, in order; asv's median of the run's samples. Failed and skipped ones are left out.
        threshold: the relative increase that counts between single runs.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    threshold: float

    @property
    def spread(self) -> float:
        """The largest over the smallest value; NaN where that is zero."""
        return max(self.values) / min(self.values) if min(self.values) else math.nan

    @property
    def step(self) -> float:
        """The largest ratio of a run to the one before, whichever is larger; NaN where one is zero."""
        if not min(self.values):
            return math.nan
        return max((max(pair) / min(pair) for pair in pairwise(self.values)), default=1.0)

    @property
    def covered(self) -> bool:
        """Whether the threshold is above all that was seen."""
        return not self.spread > 1 + self.threshold


def noise(snapshots: Sequence[Snapshot], thresholds: Mapping[str, float]) -> list[Noise]:
    """Returns the noise of every benchmark that has a value.

    Args:
        snapshots: of the same commit, in the order of the runs.
        thresholds: as ``History.single_run_thresholds``.
    """
    measured: dict[str, list[float]] = {}
    units: dict[str, str] = {}
    for snapshot in snapshots:
        for name, measurement in snapshot.measurements.items():
            if measurement.value is not None and not math.isnan(measurement.value):
                measured.setdefault(name, []).append(measurement.value)
                units[name] = measurement.unit
    return [
        Noise(name, units[name], tuple(values), threshold(name, thresholds))
        for name, values in sorted(measured.items())
    ]


#: asv's, where no key matches.
DEFAULT_THRESHOLD = 0.05


def threshold(name: str, thresholds: Mapping[str, float]) -> float:
    """Returns the relative increase that counts as a regression of a benchmark, as asv chooses it."""
    return max(matching(name, thresholds), default=DEFAULT_THRESHOLD)


def matching(name: str, thresholds: Mapping[str, float]) -> Iterator[float]:
    """Returns the thresholds whose keys match a benchmark's name, as asv matches them."""
    return (float(value) for pattern, value in thresholds.items() if re.match(pattern, name))


def print_noise(found: Sequence[Noise], console: Console) -> None:
    """Prints a line for each benchmark."""
    table = Table(box=None, pad_edge=False)
    table.add_column("benchmark", no_wrap=True)
    for heading in ("runs", "median", "max/min", "run to run", "threshold"):
        table.add_column(heading, justify="right")
    for each in found:
        table.add_row(
            escape(each.name),
            str(len(each.values)),
            human_value(median(each.values), each.unit),
            f"{each.spread:.2f}",
            f"{each.step:.2f}",
            f"+{each.threshold:.0%}" if each.covered else f"[bold red]+{each.threshold:.0%} too low[/]",
        )
    console.print(table)


def console() -> Console:
    """Returns a console that cuts no name where the output is no terminal, for which rich takes 80 columns."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the noise of a commit; the status is 1 where there is nothing to print."""
    parser = argparse.ArgumentParser(prog="noise", description="The spread of a commit's results between machines.")
    parser.add_argument("commit", nargs="?", default="HEAD")
    parser.add_argument("--config", type=Path, default=Path(CONFIGURATION), help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        history = History(options.config)
        snapshots = history.snapshots(options.commit)
    except HistoryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print_noise(noise(snapshots, history.single_run_thresholds), console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
