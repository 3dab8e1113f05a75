"""Our errors as OpenHands' classes, which its callers match by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from openhands.core.exceptions import (
    AgentRuntimeDisconnectedError,
    AgentRuntimeError,
    AgentRuntimeNotReadyError,
    AgentRuntimeTimeoutError,
    AgentRuntimeUnavailableError,
)

from openhands_ray.errors import (
    ClusterError,
    OpenHandsRayError,
    PlacementError,
    SessionLostError,
    SessionNotFoundError,
    SessionPausedError,
    SessionTimeoutError,
)

_CLASSES: list[tuple[type[OpenHandsRayError], type[AgentRuntimeError]]] = [
    (SessionLostError, AgentRuntimeDisconnectedError),
    (SessionNotFoundError, AgentRuntimeDisconnectedError),
    (SessionPausedError, AgentRuntimeNotReadyError),
    (SessionTimeoutError, AgentRuntimeTimeoutError),
    (ClusterError, AgentRuntimeUnavailableError),
    (PlacementError, AgentRuntimeUnavailableError),
    (OpenHandsRayError, AgentRuntimeError),
]


@contextmanager
def openhands_errors(timeout_text: str | None = None) -> Iterator[None]:
    """Raise OpenHands' error in place of ours, with ours as its cause.

    Args:
        timeout_text: what OpenHands says in place of our message where the answer is late.
    """
    try:
        yield
    except OpenHandsRayError as error:
        late = timeout_text is not None and isinstance(error, SessionTimeoutError)
        theirs = next(theirs for ours, theirs in _CLASSES if isinstance(error, ours))
        raise theirs(timeout_text if late else str(error)) from error
