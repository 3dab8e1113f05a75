"""Seconds of the benchmarks' steady clock, and of a watch.

Most times are of a clock that goes as the machine does (``benchmarks/clock.py``): so they can be compared with those of
another hour. What a user has waited is told by a watch, which is what budgets and goals are about.
"""

from __future__ import annotations

import re
from dataclasses import replace

from openhands_ray.history.results import Snapshot

#: The benchmark of the steady clock's second, in seconds of a watch.
SLOWNESS = "machine.Machine.track_slowness"

#: The benchmarks that are timed by it. The end of a session is not.
STEADY = re.compile(
    r"(?!initialization\.FirstAction\.time_close)(initialization|actions|workflows)\.\w+\.time_.*"
    r"|growth\.(Payload|Output|Workflow|Age|Sessions)\.track_.*"
    r"|concurrency\.(Sessions|Churn)\.track_.*"
    r"|resources\.Cpu\.track_.*"
    r"|ratios\.\w+\.track_(ours|reference).*"
)


def by_the_watch(snapshot: Snapshot) -> Snapshot:
    """Returns what was measured in seconds of a watch; as it is, where the machine's slowness was not measured."""
    slowness = snapshot.measurements.get(SLOWNESS)
    if slowness is None or not slowness.measured or slowness.value is None:
        return snapshot
    factor = slowness.value
    measurements = {
        name: replace(each, value=each.value * factor) if each.value is not None and STEADY.fullmatch(name) else each
        for name, each in snapshot.measurements.items()
    }
    return replace(snapshot, measurements=measurements)
