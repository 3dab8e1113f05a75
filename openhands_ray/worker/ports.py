"""TCP ports of the node that nobody uses."""

from __future__ import annotations

import random
import socket

#: Where OpenHands' runtimes look for the ports of an agent's web applications: two ports, of one range each.
APPLICATIONS = (range(50000, 55000), range(55000, 60000))

_ATTEMPTS = 20


def free_port(ports: range) -> int | None:
    """Return a port on which something could listen now, or None where none is found. It is not reserved."""
    for port in random.sample(ports, _ATTEMPTS):
        with socket.socket() as candidate:
            try:
                candidate.bind(("", port))
            except OSError:
                continue
            return port
    return None


def application_ports() -> list[int]:
    """Return the ports that an agent is told of for its web applications."""
    return [port for each in APPLICATIONS if (port := free_port(each)) is not None]
