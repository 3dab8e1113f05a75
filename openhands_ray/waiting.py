"""The queue of the sessions that no node has room for: how long it is, and when to give up.

Ray keeps the queue: an actor that fits nowhere waits in it until another ends or a node joins. This only looks at it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from openhands_ray import metrics, registry
from openhands_ray.cluster import is_private
from openhands_ray.config import Settings
from openhands_ray.errors import PlacementError, SessionError, SessionTimeoutError
from openhands_ray.placement import Needs, Node, described, nodes

#: Seconds without an answer after which an actor may be in the queue; most have answered by then.
FIRST_LOOK_S = 2.0

#: Between two looks it is this much longer than before, up to so many seconds: a long queue has many who look at it.
LONGER = 1.5
LONGEST_PAUSE_S = 10.0

#: Called with a line for people: what a session waits for, and where in the queue it is.
Told = Callable[[str], None]

log = logging.getLogger(__name__)


# The sessions of this process that have not answered at the first look.
_pending: set[str] = set()


def _tell_how_many_wait() -> None:
    metrics.record(metrics.SESSIONS, len(_pending), state="pending")


class Queued:
    """The wait of one session for its place.

    Attributes:
        waits: whether it was in the queue when this was last looked at; it has no process then.
    """

    def __init__(self, sid: str, name: str, settings: Settings, told: Told | None) -> None:
        self.waits = False
        self._sid, self._name, self._settings = sid, name, settings
        self._told = told or partial(log.info, extra={"session_id": sid})
        self._needs = Needs.of(settings)

    def wait(self, answer: Any) -> None:
        """Wait until ``answer``, the reference of a call to the session's actor, is there.

        Raises:
            PlacementError: no node has had room for it in time.
            SessionTimeoutError: it has had a place, and has not started in time.
        """
        try:
            self._wait(answer)
        finally:
            _pending.discard(self._name)
            _tell_how_many_wait()

    def _wait(self, answer: Any) -> None:
        import ray

        began = placed = time.monotonic()
        pause, told = FIRST_LOOK_S, ""
        while not ray.wait([answer], timeout=pause)[0]:
            _pending.add(self._name)
            _tell_how_many_wait()
            found, now = nodes(), time.monotonic()
            position = "" if any(self._needs.fit(node) for node in found) else self._position()
            self.waits = bool(position)
            if self.waits:
                placed = now
                left = began + self._patience_s(found) - now
            else:
                left = placed + self._settings.start_timeout_s - now
            if left <= 0:
                raise self._given_up(found, now - began)
            if self.waits and position != told:
                told = position
                self._told(f"The session {self._sid!r} waits for a place, {position}. {self._reason(found)}")
            pause = min(pause * LONGER, LONGEST_PAUSE_S, left)
        self.waits = False

    def _patience_s(self, found: list[Node]) -> float:
        hopeless = is_private() and not self._could_fit(found)  # no node joins a private cluster
        return 0 if hopeless else self._settings.queue_timeout_s

    def _could_fit(self, found: list[Node]) -> bool:
        return any(self._needs.could_fit(node) for node in found)

    def _position(self) -> str:
        """Return the position among those that have no process yet, or nothing where the session has one.

        Ray does not tell which of them wait, and which have a place where their process is being started. So this is
        asked only where no node has room.
        """
        from ray._private import state

        pending = state.actors(actor_state_name="PENDING_CREATION").values()
        queue = sorted(each["Name"] for each in pending if registry.is_name(each["Name"]))  # by age
        return f"{queue.index(self._name) + 1} of {len(queue)}" if self._name in queue else ""

    def _given_up(self, found: list[Node], waited_s: float) -> SessionError:
        if not self.waits:
            return SessionTimeoutError(f"The session {self._sid!r} had a place, but did not start in time.")
        return PlacementError(
            f"The session {self._sid!r} found no place within {waited_s:.0f} seconds. {self._reason(found)} Nothing "
            "was started. End sessions, add nodes, let sessions ask for less (session_cpus, session_memory_bytes, "
            "session_resources, session_labels), or let them wait longer (queue_timeout_s)."
        )

    def _reason(self, found: list[Node]) -> str:
        asks = f"It asks for {self._needs}; {described(self._needs, found)}."
        return asks if self._could_fit(found) else f"{asks} None of them is large enough, even when it is empty."
