"""What a session is doing, since when, and what happens when it has done nothing for too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Activity:
    """The requests that a session answers, counted.

    Programs that the session has left running in the background are no activity: nobody asks for them.
    """

    def __init__(self) -> None:
        self.paused = False
        self._began = self._last = time.monotonic()
        self._action: str | None = None
        self._actions = 0
        self._running = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @contextmanager
    def of(self, action: str | None = None) -> Iterator[None]:
        """Be busy in the body, with this kind of action or with another request."""
        with self._lock:
            self._running += 1
            if action is not None:
                self._action = action
                self._actions += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                self._last = time.monotonic()

    def idle_s(self) -> float:
        """Return the seconds since the last request was answered; 0 while one is being answered."""
        with self._lock:
            return 0.0 if self._running else time.monotonic() - self._last

    def status(self) -> dict[str, Any]:
        """Return ``state`` (running, idle or paused), ``age_s``, ``idle_s``, ``actions`` and the last ``action``."""
        idle_s = self.idle_s()
        state = "paused" if self.paused else "idle" if idle_s else "running"
        age_s = time.monotonic() - self._began
        return {
            "state": state,
            "age_s": age_s,
            "idle_s": idle_s,
            "actions": self._actions,
            "action": self._action,
        }

    def when_idle_for(self, limit_s: float, then: Callable[[], None]) -> None:
        """Call ``then``, in a thread, when the session has been idle for so long. Not after ``end()``."""

        def watch() -> None:
            # A running request is looked at again after a whole limit: it ends the idleness, whenever it ends.
            while (left := limit_s - self.idle_s()) > 0:
                if self._ended.wait(left):
                    return
            then()

        threading.Thread(target=watch, name="idle limit", daemon=True).start()

    def end(self) -> None:
        """Watch no more. Idempotent."""
        self._ended.set()
