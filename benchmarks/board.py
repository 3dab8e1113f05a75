"""What the processes of a commit's benchmarks tell one another.

asv imports the benchmarks once for a commit, in its forkserver, and forks a process for each benchmark from it. A board
is memory that the forkserver made at import, and that all of them have from it; nothing of it lies in a folder. With
asv's launch method ``spawn`` each process has boards of its own.
"""

from __future__ import annotations

import os
import pickle
from typing import Any


class Board:
    """One thing, of a kind that can be pickled, which is replaced whole."""

    def __init__(self, name: str) -> None:
        """Make it; ``name`` is for who looks at the process' files."""
        self.descriptor = os.memfd_create(name)

    def read(self) -> Any:
        """Return what was written last; None where nothing was."""
        said = os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)
        return pickle.loads(said) if said else None

    def write(self, said: Any) -> None:
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, pickle.dumps(said), 0)
