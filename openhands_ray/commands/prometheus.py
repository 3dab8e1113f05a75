"""The sessions and nodes of a cluster in Prometheus' text format, for whatever collects such files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from openhands_ray.inventory import NodeRow, SessionRow
from openhands_ray.metrics import PREFIX

#: All of them are exported, those that no session is in as 0, so that alerts see them go.
STATES = ("pending", "warm", "idle", "running", "paused", "silent")

Sample = tuple[dict[str, str], float]


def exposition(rows: list[SessionRow], nodes: list[NodeRow]) -> str:
    """Return the metrics; sizes are in bytes, times in seconds."""
    states = Counter(row.state for row in rows)
    answered = [(_labels(row), row) for row in rows if row.memory_bytes is not None]
    lines = [
        _metric("sessions", "gauge", "Sessions by state.", [({"state": each}, states[each]) for each in STATES]),
        _metric(
            "session_memory_bytes",
            "gauge",
            "Unique memory of a session: its actor and all below it.",
            [(labels, row.memory_bytes or 0) for labels, row in answered],
        ),
        _metric(
            "session_idle_seconds",
            "gauge",
            "Since a session's last action; 0 while one runs.",
            [(labels, row.idle_s or 0) for labels, row in answered],
        ),
        _metric(
            "session_actions_total",
            "counter",
            "Actions of a session so far.",
            [(labels, row.actions or 0) for labels, row in answered],
        ),
        _metric(
            "node_sessions",
            "gauge",
            "Sessions of a node.",
            [({"node": row.node.address}, row.sessions) for row in nodes],
        ),
        _metric("node_free", "gauge", "What sessions can still ask of a node.", list(_free(nodes))),
    ]
    return "".join(lines)


def _labels(row: SessionRow) -> dict[str, str]:
    return {"sid": row.sid or "", "node": row.node or ""}


def _free(nodes: Iterable[NodeRow]) -> Iterator[Sample]:
    for row in nodes:
        for resource in sorted(row.node.total):
            if not resource.startswith("node:"):  # Ray's own, of each node
                yield {"node": row.node.address, "resource": resource}, row.node.free.get(resource, 0)


def _metric(name: str, kind: str, text: str, samples: list[Sample]) -> str:
    name = PREFIX + name
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        told = ",".join(f'{label}="{_escaped(each)}"' for label, each in labels.items())
        lines.append(f"{name}{{{told}}} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
