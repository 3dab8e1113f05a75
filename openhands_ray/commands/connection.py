"""The cluster that a command is about."""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from openhands_ray.config import Settings
from openhands_ray.errors import ClusterError

if TYPE_CHECKING:
    from openhands_ray.lasting import Lasting

#: Seconds that a cluster has to answer: more than a busy one needs, and less than the minute after which Ray's own
#: client ends the process, without a word to it.
PATIENCE_S = 30

#: Of the threads that ask.
_QUESTION = "question to a cluster"


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
    if lasting is not None and lasting.address == address:
        os.environ.update(lasting.environment)  # before Ray is imported, which reads them
    from openhands_ray.cluster import connected

    answer(lambda: connected(Settings(address=address)), str(address))
    return str(address)


def answer[Answer](question: Callable[[], Answer], address: str) -> Answer:
    """Return what a question to the cluster at this address returns, or raise what it raises.

    It is asked in a thread of its own. Ray's own client cannot be interrupted: it waits for ever for a control service
    that is frozen, and where it has died while it was asked, it ends the process after a minute.

    Raises:
        ClusterError: there was no answer within :data:`PATIENCE_S`.
    """
    answered: Future[Answer] = Future()

    def ask() -> None:
        try:
            answered.set_result(question())
        except BaseException as error:
            answered.set_exception(error)

    thread = threading.Thread(target=ask, name=_QUESTION, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    if thread.is_alive():
        raise _unreachable(address, f"it has not answered for {PATIENCE_S} seconds, and has ended, or is frozen")
    try:
        return answered.result()
    except Exception as error:
        from ray.exceptions import RayError

        if isinstance(error, RayError):
            raise _unreachable(address, error) from error
        raise


def _unreachable(address: str, why: object) -> ClusterError:
    return ClusterError(f"The Ray cluster at {address} could not be reached: {why}")


def unanswered() -> bool:
    """Whether a question of this process is still open."""
    return any(thread.name == _QUESTION for thread in threading.enumerate())


def _address(lasting: Lasting | None) -> str:
    if lasting is None:
        raise ClusterError(
            "There is no cluster to ask. Start one by `openhands-ray cluster start`, or name one by --address or "
            "RAY_ADDRESS. The private cluster of a program is its own: to look into it, let the program attach to "
            "one that was started so."
        )
    return lasting.address
