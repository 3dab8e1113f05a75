"""Warm sessions: started before they are needed, given away once, never taken back.

Nothing here waits, and there is no thread: starting an actor is one message. One that is still starting is given away
too, since no other would be ready sooner.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psutil

#: Share of the machine's memory that stays free: no session is started ahead of need beyond that.
FREE_MEMORY = 0.2


@dataclass(frozen=True)
class Started:
    """The actor of a session that has been asked for.

    Attributes:
        name: the one that Ray knows it by.
        actor: its handle.
        asked_at: when it was asked for, in seconds since 1970.
    """

    name: str
    actor: Any
    asked_at: float = field(default_factory=time.time)


class Pool:
    """The warm sessions of this process, all of one kind.

    Args:
        start: starts one, without waiting for it.
        size: how many to keep for each node. None: one in all, from the second session that is asked for on, since a
            program that has asked twice will ask again.
        has_room: whether the cluster has room for one more. What is started ahead of need waits in no queue.
        nodes: how many nodes there are for them.
    """

    def __init__(
        self,
        start: Callable[[], Started],
        size: int | None,
        has_room: Callable[[], bool] = lambda: True,
        nodes: Callable[[], int] = lambda: 1,
    ) -> None:
        self._start = start
        self._has_room = has_room
        self._nodes = nodes
        self._size = size
        self._asked = 0
        self._warm: deque[Started] = deque()
        self._lock = threading.Lock()

    def take(self) -> Started | None:
        """Return a warm session, or None where there is none."""
        with self._lock:
            self._asked += 1
            return self._warm.popleft() if self._warm else None

    def fill(self) -> None:
        """Start what is missing, as far as there is room."""
        with self._lock:
            wanted = self._wanted()
            while len(self._warm) < wanted and _memory_is_free() and self._has_room():
                self._warm.append(self._start())

    def _wanted(self) -> int:
        if self._size is None:
            return int(self._asked > 1)
        return self._size and self._size * self._nodes()

    def drain(self) -> list[Started]:
        """Take all of them out, to be ended."""
        with self._lock:
            drained, self._warm = list(self._warm), deque()
            return drained


def _memory_is_free() -> bool:
    memory = psutil.virtual_memory()
    return bool(memory.available > FREE_MEMORY * memory.total)
