"""Stopping all processes of a session for a while, and letting them go on as if nothing had been."""

from __future__ import annotations

import contextlib
import signal

import psutil


class Freezer:
    """The processes below this one, stopped or not."""

    def __init__(self) -> None:
        self.paused = False

    def pause(self) -> None:
        """Stop them all; memory, files and sockets stay. Idempotent."""
        self.paused = True
        stopped: set[int] = set()
        # What was forked meanwhile is found in the next round; a stopped process forks no more.
        while new := [each for each in _descendants() if each.pid not in stopped]:
            _signal(new, signal.SIGSTOP)
            stopped |= {each.pid for each in new}

    def resume(self) -> None:
        """Let them go on. Idempotent.

        Children before their parents: a shell that goes on first would see that its program is stopped, and take it
        for the user's Control-Z.
        """
        _signal(_descendants()[::-1], signal.SIGCONT)
        self.paused = False


def _descendants() -> list[psutil.Process]:
    """Return all processes below this one, each after its parent."""
    found = psutil.Process().children()
    for process in found:  # grows meanwhile
        with contextlib.suppress(psutil.NoSuchProcess):
            found.extend(process.children())
    return found


def _signal(processes: list[psutil.Process], signum: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signum)
