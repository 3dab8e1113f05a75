"""What a session's actor tells of it to whoever watches the cluster. Here: nothing, as without Ray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Telemetry:
    """Tells nothing; what Ray is told is in a module that may import it."""

    def begin(self) -> None:
        """Take note that this process is to be a session."""

    def watch(self, status: Callable[[], dict[str, Any]]) -> None:
        """Take note that the session has started, and what it is doing whenever ``SessionActor.status`` is asked."""

    def name(self, sid: str) -> None:
        """Take note of the session's id, which a warm one gets late."""

    def end(self) -> None:
        """Take note that the session ends. Idempotent."""
