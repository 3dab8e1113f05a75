"""Stopping all processes of a session for a while, and letting them go on as if nothing had been."""

from __future__ import annotations

import contextlib
import signal
import time

import psutil

#: Seconds that all processes have to stop.
STOP_TIMEOUT_S = 10


class Freezer:
    """The processes below this one, stopped or not."""

    def __init__(self) -> None:
        self.paused = False

    def pause(self) -> None:
        """Stop them all, and wait until they have stopped; memory, files and sockets stay. Idempotent.

        Raises:
            TimeoutError: one of them could not be stopped: it waits for a disk. It will not run when it could, either.
        """
        self.paused = True
        deadline = time.monotonic() + STOP_TIMEOUT_S
        # What was forked meanwhile is found in the next round; what has stopped forks no more.
        while running := [each for each in _descendants() if _is_running(each)]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Some processes did not stop within {STOP_TIMEOUT_S} seconds: {running}")
            _signal(running, signal.SIGSTOP)
            time.sleep(0.001)  # the kernel tells nobody but a parent when a process stops

    def resume(self) -> None:
        """Let them go on. Idempotent.

        Children before their parents: a shell that goes on first would see that its program is stopped, and take it
        for the user's Control-Z.
        """
        _signal(_descendants()[::-1], signal.SIGCONT)
        self.paused = False


def _descendants() -> list[psutil.Process]:
    """Return all processes below this one, each after its parent, as psutil walks the tree; it reads the table once."""
    return psutil.Process().children(recursive=True)


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal(processes: list[psutil.Process], signum: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signum)
