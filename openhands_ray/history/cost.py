"""Where the time of a run of the suite goes."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from statistics import median

from asv.results import iter_results

# asv's names of what is measured once for several benchmarks, such as ``<setup_cache ratios:127>``.
_SHARED = re.compile(r"<setup_cache (\w+):\d+>")

#: What tells how fast the machine was.
YARDSTICK = "initialization.Initialization.time_runtime_initialization"


def seconds(folder: Path) -> dict[str, float]:
    """Returns the seconds of each class of benchmarks, most first; of several runs, each one's median.

    Args:
        folder: results of asv for one commit.
    """
    runs: dict[str, list[float]] = defaultdict(list)
    for result in iter_results(str(folder)):
        spent: dict[str, float] = defaultdict(float)
        for name, duration in result.duration.items():
            spent[_part(name)] += duration
        for part, duration in spent.items():
            runs[part].append(duration)
    found = {part: median(durations) for part, durations in runs.items()}
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def _part(name: str) -> str:
    """Returns ``module.Class`` of a benchmark, and the module of what several share."""
    if name == "<build>":
        return "build and installation"
    shared = _SHARED.fullmatch(name)
    return f"{shared[1]}, measured for several" if shared else name.rpartition(".")[0]


def values(folder: Path, name: str) -> list[float]:
    """Returns what was measured of a benchmark without parameters, of each run that did."""
    return [
        value
        for result in iter_results(str(folder))
        if name in result.get_all_result_keys()
        for value in result.get_result_value(name, [])
        if value is not None
    ]


def speed(folder: Path) -> float | None:
    """Returns the median seconds of ``YARDSTICK``, or None where it was not measured."""
    found = values(folder, YARDSTICK)
    return median(found) if found else None


def section(folder: Path) -> str:
    """Returns the part of a page that tells it."""
    found, yardstick = seconds(folder), speed(folder)
    there = f", where the runtime's initialization takes {yardstick:.2g} s by the steady clock" if yardstick else ""
    rows = "\n".join(f"| {part} | {duration:.1f} |" for part, duration in found.items())
    return f"## Cost\n\nSeconds of a run, {sum(found.values()):.0f} in all{there}.\n\n| | s |\n|---|--:|\n{rows}\n"
