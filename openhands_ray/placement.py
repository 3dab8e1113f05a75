"""Where a session goes: what it asks of a node, how Ray is told, and what the nodes have.

Ray's scheduler decides. It knows nothing but what sessions ask for: those that ask for nothing fit everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openhands_ray.cluster import is_private
from openhands_ray.config import Settings, pairs

#: Ray forwards an actor that asks for nothing to a random node, where each node deals round robin by itself; one that
#: asks for anything at all is dealt by the node of its driver. So sessions ask for one byte, and are spread evenly.
LEAST_MEMORY_BYTES = 1

#: Nodes that a message names; of the others it tells the number.
NODES_NAMED = 4


@dataclass(frozen=True)
class Node:
    """A node that lives.

    Attributes:
        node_id: Ray's, in hexadecimal.
        address: its IP address.
        host: its name.
        total, free: amounts by the names of resources, ``CPU``, ``memory`` (bytes) and custom ones.
        labels: by their names.
    """

    node_id: str
    address: str
    host: str
    total: Mapping[str, float]
    free: Mapping[str, float]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Needs:
    """What a session asks of its node.

    Attributes:
        resources: amounts by Ray's names, as in ``Node``.
        labels: those that the node must have.
    """

    resources: Mapping[str, float]
    labels: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings) -> Needs:
        """Return what the settings ask for."""
        asked = {"CPU": settings.session_cpus, "memory": float(settings.session_memory_bytes)}
        custom = pairs("session_resources", settings.session_resources)
        asked |= {name: float(amount) for name, amount in custom.items()}
        labels = pairs("session_labels", settings.session_labels)
        return cls({name: amount for name, amount in asked.items() if amount}, labels)

    def fit(self, node: Node) -> bool:
        """Return whether the node has room now."""
        return self.could_fit(node) and _covers(node.free, self.resources)

    def could_fit(self, node: Node) -> bool:
        """Return whether the node would have room if it were empty."""
        labelled = all(node.labels.get(name) == value for name, value in self.labels.items())
        return labelled and _covers(node.total, self.resources)

    def __str__(self) -> str:
        asked = " and ".join(_amount(name, amount) for name, amount in self.resources.items()) or "nothing"
        labels = ", ".join(f"{name}={value}" for name, value in self.labels.items())
        return f"{asked} on one node" + (f" with the labels {labels}" if labels else "")


def actor_options(settings: Settings) -> dict[str, Any]:
    """Return what ``ray.remote`` is to know of the place of a session's actor."""
    needs = Needs.of(settings)
    custom = {name: amount for name, amount in needs.resources.items() if name not in ("CPU", "memory")}
    return {
        "num_cpus": settings.session_cpus,
        "memory": settings.session_memory_bytes or LEAST_MEMORY_BYTES,
        "resources": custom or None,
        "label_selector": dict(needs.labels) or None,
        "scheduling_strategy": "SPREAD" if settings.placement == "spread" else _fullest(needs),
    }


def _fullest(needs: Needs) -> Any:
    """Return the strategy that takes the fullest node with room. Ray's own packing ends when a node is half full."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    fitting = [node for node in nodes() if needs.fit(node)]
    if not fitting:
        return "DEFAULT"
    node = min(fitting, key=lambda node: sum(node.free[name] / node.total[name] for name in needs.resources))
    # Another driver may have filled it meanwhile: then any other will do.
    return NodeAffinitySchedulingStrategy(node.node_id, soft=True, _spill_on_unavailable=True)


def has_room(settings: Settings) -> bool:
    """Return whether a node has room for a session now."""
    needs = Needs.of(settings)
    return not (needs.resources or needs.labels) or any(needs.fit(node) for node in nodes())


def nodes_for(settings: Settings) -> int:
    """Return for how many nodes sessions are kept warm: those that sessions are spread over, now."""
    if settings.placement == "pack" or is_private():  # of which there is one node, and no need to ask
        return 1
    needs = Needs.of(settings)
    return sum(needs.could_fit(node) for node in nodes())


def nodes() -> list[Node]:
    """Return the nodes that live, as the cluster's control service knows them, a moment ago."""
    import ray
    from ray._private import state

    free, total = state.available_resources_per_node(), state.total_resources_per_node()
    return [
        Node(
            node["NodeID"],
            node["NodeManagerAddress"],
            node["NodeManagerHostname"],
            total.get(node["NodeID"], {}),
            free.get(node["NodeID"], {}),
            node["Labels"],
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def described(needs: Needs, found: list[Node]) -> str:
    """Return what a cluster has of what is asked for."""
    if not found:
        return "the cluster has no node"
    told = [f"{node.address} has {_shares(needs, node)}" for node in found[:NODES_NAMED]]
    more = [f"{len(found) - NODES_NAMED} more"] if len(found) > NODES_NAMED else []
    return f"of {len(found)} node{'s' * (len(found) > 1)}, " + "; ".join([*told, *more])


def _shares(needs: Needs, node: Node) -> str:
    missing = [f"not the label {name}={each}" for name, each in needs.labels.items() if node.labels.get(name) != each]
    shares = [
        f"{_plain(name, node.free.get(name, 0))} of {_amount(name, node.total.get(name, 0))} free"
        for name in needs.resources
    ]
    return ", ".join([*shares, *missing])


def _covers(has: Mapping[str, float], needs: Mapping[str, float]) -> bool:
    return all(has.get(name, 0) >= amount for name, amount in needs.items())


def _amount(name: str, amount: float) -> str:
    if name == "memory":
        return f"{_plain(name, amount)} of memory"
    return f"{amount:g} CPU{'s' * (amount != 1)}" if name == "CPU" else f"{amount:g} {name}"


def _plain(name: str, amount: float) -> str:
    return f"{amount / 2**30:.2f} GiB" if name == "memory" else f"{amount:g}"
