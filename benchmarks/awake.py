"""Processors that do not sleep while something is measured.

Two processes that send each other messages wait most of the time, and so do the processors. How long one of them takes
to wake up is the host's affair: on a virtual machine it is much of a millisecond's time, and most of its noise.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

#: The kernel's own file for it (PM QoS): as long as it is open, no processor sleeps deeper than the microseconds that
#: were written to it.
LATENCY_FILE = "/dev/cpu_dma_latency"


@contextmanager
def awake() -> Iterator[None]:
    """Keep all processors awake in the body, where the kernel lets this process do so: it lets root."""
    try:
        file = os.open(LATENCY_FILE, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        os.write(file, struct.pack("i", 0))
        yield
    finally:
        os.close(file)
