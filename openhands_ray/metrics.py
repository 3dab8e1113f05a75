"""What is measured of sessions, for Prometheus: through ``ray.util.metrics``, which Ray's agent of each node exports.

Ray puts ``ray_`` before all names, and labels of its own beside these (``NodeAddress``, ``WorkerId``). A node whose
agent exports nothing, such as any of a lean cluster, has no port for it in Ray's table of nodes: nothing is recorded
there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

#: Of all names, also of those that ``openhands-ray sessions --prometheus`` prints.
PREFIX = "openhands_ray_"

_ACTION_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 600)
_START_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: without the prefix; it tells the unit.
        kind: as Prometheus knows it.
        text: what it is, for people.
        labels: their names.
        boundaries: upper ends of a histogram's buckets, in the metric's unit.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...] = ()
    boundaries: tuple[float, ...] = ()


# From the actor of each session, and from the program that waits for it as long as it is pending. Gauges go with them.
SESSIONS = Metric("sessions", "gauge", "Sessions by state.", ("state",))
MEMORY = Metric("session_memory_bytes", "gauge", "Unique memory of a session: its actor and all below it.", ("sid",))

# From the programs that start sessions and use them, and not from each session: Ray keeps the counters and histograms
# of every process that there ever was, and ten thousand sessions would be ten thousand times as many.
ACTIONS = Metric(
    "actions_total",
    "counter",
    "Actions by type and outcome: ok, error (an error was observed), paused, timeout, lost, or failed otherwise.",
    ("action", "outcome"),
)
ACTION_SECONDS = Metric(
    "action_seconds",
    "histogram",
    "From sending an action until its observation is there.",
    ("action",),
    _ACTION_SECONDS,
)
POOL_REQUESTS = Metric(
    "pool_requests_total", "counter", "Sessions asked of the pool of warm ones, by result: hit or miss.", ("result",)
)
START_SECONDS = Metric(
    "session_start_seconds",
    "histogram",
    "From asking for a session until it can act, by whether it came from the pool: yes or no.",
    ("from_pool",),
    _START_SECONDS,
)
PLACEMENT_SECONDS = Metric(
    "placement_wait_seconds",
    "histogram",
    "From asking Ray for a session's actor until that begins to run on its node.",
    boundaries=_START_SECONDS,
)
LOST = Metric(
    "sessions_lost_total",
    "counter",
    "Sessions that a program found ended: those that it used, and warm ones that it took.",
)
COPIED = Metric("copied_bytes_total", "counter", "Bytes copied to and from sessions.", ("direction",))

ALL = (
    SESSIONS, MEMORY, ACTIONS, ACTION_SECONDS, POOL_REQUESTS, START_SECONDS, PLACEMENT_SECONDS, LOST, COPIED,
)  # fmt: skip


class Recorder:
    """Records the metrics of one process, or nothing."""

    def __init__(self, on: bool) -> None:
        self.on = on
        self._made: dict[str, Any] = {}

    def record(self, metric: Metric, value: float = 1, **labels: str) -> None:
        """Add to a counter, set a gauge, or count one more value of a histogram. Takes three microseconds, if it is on.

        A gauge is forgotten after twice Ray's interval of ten seconds unless it is set anew.
        """
        if not self.on:
            return
        record = self._made.get(metric.name)
        if record is None:
            record = self._made[metric.name] = _made(metric)
        record(value, labels)


def _made(metric: Metric) -> Any:
    from ray.util.metrics import Counter, Gauge, Histogram

    name = PREFIX + metric.name
    if metric.kind == "counter":
        return Counter(name, metric.text, metric.labels).inc
    if metric.kind == "gauge":
        return Gauge(name, metric.text, metric.labels).set
    return Histogram(name, metric.text, list(metric.boundaries), metric.labels).observe


_recorder = Recorder(on=False)


def begin(wanted: bool | None) -> None:
    """Record from now on, or no more; None: if this process's node exports metrics."""
    global _recorder  # noqa: PLW0603 (one connection to Ray per process is Ray's own rule)
    _recorder = Recorder(_exported() if wanted is None else wanted)


def recording() -> bool:
    """Return whether metrics of this process are recorded."""
    return _recorder.on


def record(metric: Metric, value: float = 1, **labels: str) -> None:
    """Record a metric of this process, as ``Recorder.record``."""
    _recorder.record(metric, value, **labels)


def _exported() -> bool:
    import ray

    here = ray.get_runtime_context().get_node_id()
    return any(node["NodeID"] == here and node.get("MetricsExportPort", 0) > 0 for node in ray.nodes())
