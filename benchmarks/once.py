"""What is measured once, for several benchmarks of a commit.

asv's own ``setup_cache`` is for that, but runs in a process of its own, which imports OpenHands and starts a cluster
anew each time. Here the first benchmark that needs a measurement makes it. It is kept in memory that asv's forkserver
made when it imported the benchmarks, and that all processes of the commit have from it. With asv's launch method
``spawn`` each process measures for itself.
"""

from __future__ import annotations

import os
import pickle

_BEGUN = b"begun"


class MeasuredOnce[Found]:
    """Base of the benchmarks that share what is found by one measurement: those of one class, and of its subclasses."""

    _kept: int

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "measure" in cls.__dict__:
            cls._kept = os.memfd_create(cls.__qualname__)

    def measure(self) -> Found:
        """Measure."""
        raise NotImplementedError

    def measured(self) -> Found:
        """Return what ``measure`` returned to the first that asked.

        Raises:
            AssertionError: it failed then, or was broken off, for instance by asv's timeout. It is not tried again.
        """
        if not self._read():
            self._write(_BEGUN)
            self._write(pickle.dumps(self._outcome()))
        said = self._read()
        if said == _BEGUN:
            raise AssertionError("The measurement for several benchmarks was broken off.")
        found: Found
        found, error = pickle.loads(said)
        if error:
            raise AssertionError(error)
        return found

    def _outcome(self) -> tuple[Found | None, str]:
        try:
            return self.measure(), ""
        except Exception as error:  # whatever it is, each benchmark must say it
            return None, f"{type(error).__name__}: {error}"

    def _read(self) -> bytes:
        return os.pread(self._kept, os.fstat(self._kept).st_size, 0)

    def _write(self, said: bytes) -> None:
        os.ftruncate(self._kept, 0)
        os.pwrite(self._kept, said, 0)
