"""All sessions of a cluster, whoever started them: a look from outside, for people and monitoring."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from openhands_ray import registry
from openhands_ray.placement import Node, nodes

#: Seconds that sessions have to answer, all of them together.
ANSWER_TIMEOUT_S = 3.0


@dataclass(frozen=True, kw_only=True)
class SessionRow:
    """One session, as it was a moment ago.

    Attributes:
        sid: its id; None while it waits to be given away.
        node: the IP address of its node; None as long as it has none.
        state: ``pending`` (waits for a place, or starts), ``warm`` (started ahead of need), ``idle``, ``running``,
            ``paused``, or ``silent`` (it did not answer).
        age_s: seconds since it was started. None, as what follows, where it has not answered.
        idle_s: seconds since its last action ended; 0 while one runs.
        actions: how many there were.
        action: the kind of the last one.
        memory_bytes: unique memory (USS) of its actor and all below it.
        from_pool: whether it was started ahead of need.
        kept: whether it outlives the process that started it.
    """

    sid: str | None
    node: str | None
    state: str
    age_s: float | None = None
    idle_s: float | None = None
    actions: int | None = None
    action: str | None = None
    memory_bytes: int | None = None
    from_pool: bool | None = None
    kept: bool = False


@dataclass(frozen=True)
class NodeRow:
    """A node and the number of its sessions."""

    node: Node
    sessions: int


def sessions() -> list[SessionRow]:
    """Return the sessions of the cluster that this process is connected to, the oldest first."""
    actors = sorted(_actors(), key=lambda actor: str(actor["Name"]))
    ids, statuses = registry.ids(), _statuses([actor["Name"] for actor in actors if actor["State"] == "ALIVE"])
    return [_row(actor, ids.get(actor["Name"]), statuses.get(actor["Name"])) for actor in actors]


def node_rows(found: list[SessionRow]) -> list[NodeRow]:
    """Return the nodes of the cluster, with how many of these sessions each has."""
    counts = Counter(row.node for row in found)
    return [NodeRow(node, counts[node.address]) for node in nodes()]


def _actors() -> list[dict[str, Any]]:
    from ray._private import state

    living = [state.actors(actor_state_name=name) for name in ("PENDING_CREATION", "ALIVE")]
    return [actor for actors in living for actor in actors.values() if registry.is_name(actor["Name"])]


def _statuses(names: list[str]) -> dict[str, dict[str, Any]]:
    """Return what those say that answer, asked all at once."""
    import ray

    asked = {actor.status.remote(): name for name in names if (actor := registry.actor(name)) is not None}
    if not asked:
        return {}
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_TIMEOUT_S)
    found = {}
    for reference in answered:
        try:
            found[asked[reference]] = ray.get(reference)
        except ray.exceptions.RayError:  # it has ended meanwhile
            continue
    return found


def _row(actor: dict[str, Any], sid: str | None, status: dict[str, Any] | None) -> SessionRow:
    node, kept = actor["Address"]["IPAddress"] or None, actor["IsDetached"]
    if status is None:
        return SessionRow(sid=sid, node=node, state="pending" if actor["State"] != "ALIVE" else "silent", kept=kept)
    warm = sid is None and status["ahead"]
    return SessionRow(
        sid=sid,
        node=node,
        state="warm" if warm else status["state"],
        age_s=status["age_s"],
        idle_s=status["idle_s"],
        actions=status["actions"],
        action=status["action"],
        memory_bytes=status["memory_bytes"],
        from_pool=status["ahead"],
        kept=kept,
    )
