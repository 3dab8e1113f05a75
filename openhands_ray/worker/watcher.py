"""Watches the memory and the processes of a session where no control group holds them. Runs in the executor."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Mapping

import psutil

from openhands_ray.worker.freezer import Freezer

#: Seconds between two looks: the kernel tells nobody when memory or processes grow.
INTERVAL_S = 0.25

#: Seconds for all processes of a session to be gone.
END_TIMEOUT_S = 2


class Watcher:
    """A thread that ends what is beyond the limits: the largest process, or of too many all."""

    def __init__(self, limits: Mapping[str, int], *, confined: bool) -> None:
        """Start it, if there is something to watch.

        Args:
            limits: ``memory_bytes``, ``processes``.
            confined: whether this process is the first of its own process namespace.
        """
        self._memory_bytes, self._processes = limits.get("memory_bytes"), limits.get("processes")
        self._confined = confined
        self._exceeded: set[str] = set()
        if limits:
            threading.Thread(target=self._watch, name="limits", daemon=True).start()

    def news(self) -> list[str]:
        """Return the limits that were exceeded since the last call."""
        exceeded, self._exceeded = self._exceeded, set()
        return sorted(exceeded)

    def _watch(self) -> None:
        while True:
            time.sleep(INTERVAL_S)
            self.look()

    def look(self) -> None:
        """End what is beyond the limits now."""
        found = psutil.Process().children(recursive=True)
        if self._processes is not None and sum(map(_threads, found)) > self._processes:
            self._exceeded.add("processes")  # first: the end of a process is what an action waits for
            end_all(confined=self._confined)
        elif self._memory_bytes is not None:
            sizes = {each: _own_memory(each) for each in found}
            if sum(sizes.values()) > self._memory_bytes:
                self._exceeded.add("memory_bytes")
                with contextlib.suppress(psutil.NoSuchProcess):
                    max(sizes, key=lambda each: sizes[each]).kill()


def _threads(process: psutil.Process) -> int:
    try:
        return process.num_threads()
    except psutil.Error:
        return 0


def _own_memory(process: psutil.Process) -> int:
    """Return the bytes that the process shares with no file; cheap, and near what would be free without it."""
    try:
        memory = process.memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - memory.shared)


def end_all(*, confined: bool) -> None:
    """Kill every process of the session but this one.

    Args:
        confined: whether this is the first process of its own namespace: then the kernel kills all others at one blow,
            faster than any can multiply.
    """
    if confined and os.getpid() == 1:
        found = _living()
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    else:
        with contextlib.suppress(TimeoutError):
            Freezer().pause()  # what has stopped cannot multiply
        found = _living()
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    deadline = time.monotonic() + END_TIMEOUT_S
    while any(map(_is_living, found)) and time.monotonic() < deadline:
        time.sleep(0.001)  # the kernel tells nobody but a parent when a process ends


def _living() -> list[psutil.Process]:
    return [each for each in psutil.Process().children(recursive=True) if _is_living(each)]


def _is_living(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
