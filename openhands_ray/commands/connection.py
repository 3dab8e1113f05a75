"""The cluster that a command is about."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from openhands_ray.config import Settings
from openhands_ray.errors import ClusterError

if TYPE_CHECKING:
    from openhands_ray.lasting import Lasting


#: Seconds that an answer of Ray's control service may take. By its default, a minute, it ends the whole process then.
_PATIENCE = ("RAY_gcs_server_request_timeout_seconds", "10")


def add_address(parser: Any) -> None:
    """Add the option that names the cluster."""
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of the cluster (default: OPENHANDS_RAY_ADDRESS, RAY_ADDRESS, or the one that `cluster start` started)",
    )


def connect(options: argparse.Namespace) -> str:
    """Connect this process to the cluster, and return its address.

    Raises:
        ClusterError: there is none, or it cannot be reached.
    """
    from openhands_ray.lasting import Lasting

    lasting = Lasting.find()
    address = options.address or Settings.from_environment().address or _address(lasting)
    os.environ.setdefault(*_PATIENCE)
    if lasting is not None and lasting.address == address:
        os.environ.update(lasting.environment)  # before Ray is imported, which reads them
    from openhands_ray.cluster import connected

    connected(Settings(address=address))
    return str(address)


def _address(lasting: Lasting | None) -> str:
    if lasting is None:
        raise ClusterError(
            "There is no cluster to ask. Start one by `openhands-ray cluster start`, or name one by --address or "
            "RAY_ADDRESS. The private cluster of a program is its own: to look into it, let the program attach to "
            "one that was started so."
        )
    return lasting.address
