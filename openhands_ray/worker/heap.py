"""How the C library gives memory back: the cost of a large message is the page faults of its buffers."""

from __future__ import annotations

import ctypes

#: Bytes of freed memory that a process keeps for its next large message: four chunks of a transfer.
KEPT_BYTES = 16 * 1024 * 1024

# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Have this process reuse the buffers of its messages, rather than map and fault in new ones each time.

    Does nothing where the C library is not glibc.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
