"""What the processes of a commit's benchmarks tell one another.

asv imports the benchmarks once for a commit, in its forkserver, and forks a process for each benchmark from it. A board
is memory that the forkserver made at import, and that all of them have from it; nothing of it lies in a folder. With
asv's launch method ``spawn`` each process has boards of its own.
"""

from __future__ import annotations

import os


class Board:
    """One text, in bytes, that is replaced whole; empty at first."""

    def __init__(self, name: str) -> None:
        """Make it; ``name`` is for who looks at the process' files."""
        self.descriptor = os.memfd_create(name)

    def read(self) -> bytes:
        return os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)

    def write(self, said: bytes) -> None:
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, said, 0)
