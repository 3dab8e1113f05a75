"""The memory of processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import psutil


def unique_bytes(processes: Iterable[psutil.Process]) -> int:
    """Return the unique set size (USS) of the processes: the bytes that would be free without them.

    Those that have ended, and those of another user that cannot be looked into, count as nothing.
    """
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().uss
    return total
