"""The machine itself, of which the steady clock's seconds are."""

from __future__ import annotations

from benchmarks.clock import speed

#: Seconds for which it is measured.
MEASURE_S = 0.3


class Machine:
    """How slow the machine is beside the nominal one; no commit changes it, and it is no regression."""

    version = "1"
    unit = "ratio"

    def track_slowness(self) -> float:
        """Return how many times as long fixed work takes as on the nominal one: a watch's seconds by steady ones."""
        return 1 / speed(MEASURE_S)

    track_slowness.pretty_name = "Slowness of the machine"  # type: ignore[attr-defined]
