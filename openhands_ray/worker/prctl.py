"""What a process may ask of the kernel for itself: ``prctl``, with the numbers of linux/prctl.h."""

from __future__ import annotations

import ctypes
import os

SET_DUMPABLE, SET_CHILD_SUBREAPER, SET_NO_NEW_PRIVS = 4, 36, 38

_library = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    """Ask for it.

    Raises:
        OSError: the kernel does not let it.
    """
    if _library.prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}, {value}): {os.strerror(error)}")
