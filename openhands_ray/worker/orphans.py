"""What the session's processes leave behind comes to the executor: it ends with it, and is buried when it has ended."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable

import psutil

from openhands_ray.worker.prctl import SET_CHILD_SUBREAPER, prctl

#: Seconds between two looks. The dead count as processes: with thousands of them, a limit would be reached.
INTERVAL_S = 30


def adopt() -> None:
    """Become the parent of what the session leaves behind, so that none of it can outlive the session.

    Raises:
        OSError: the kernel does not let it.
    """
    prctl(SET_CHILD_SUBREAPER, 1)


class Gravedigger:
    """Buries the dead that nobody waits for.

    Who has started a process waits for it as soon as it ends. So what is dead at two looks has no such parent, but for
    the few that are asked for their exit code much later.
    """

    def __init__(self, spared: Callable[[], int]) -> None:
        """Nothing is started yet; ``spared`` returns the process whose exit code somebody will ask for."""
        self._spared = spared
        self._seen: set[int] = set()

    def start(self) -> None:
        """Look now and then, in a thread."""
        threading.Thread(target=self._work, name="orphans", daemon=True).start()

    def _work(self) -> None:
        while True:
            time.sleep(INTERVAL_S)
            self.look()

    def look(self) -> None:
        """Bury what was dead at the last look, too."""
        dead = self._dead()
        _bury(dead & self._seen)
        self._seen = dead

    def bury(self) -> None:
        """Bury all that are dead now."""
        _bury(self._dead())

    def _dead(self) -> set[int]:
        return {each.pid for each in psutil.Process().children() if _is_dead(each)} - {self._spared()}


def _bury(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _is_dead(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
