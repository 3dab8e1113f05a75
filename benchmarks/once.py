"""What is measured once, for several benchmarks of a commit.

asv's own ``setup_cache`` is for that, but runs in a process of its own, which imports OpenHands and starts a cluster
anew each time. Here the first benchmark that needs a measurement makes it, and the others have it from a board. With
asv's launch method ``spawn`` each process measures for itself.
"""

from __future__ import annotations

from benchmarks.board import Board

_BEGUN = "begun"


def reason(error: Exception) -> str:
    """Return what is kept of an error."""
    return f"{type(error).__name__}: {error}"


def unless_failed[Part](part: Part | str) -> Part:
    """Return a part of what was measured.

    Raises:
        AssertionError: it could not be measured; it is the reason.
    """
    if isinstance(part, str):
        raise AssertionError(part)
    return part


class MeasuredOnce[Found]:
    """Base of the benchmarks that share what is found by one measurement: those of one class, and of its subclasses."""

    _kept: Board

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "measure" in cls.__dict__:
            cls._kept = Board(cls.__qualname__)

    def measure(self) -> Found:
        """Measure."""
        raise NotImplementedError

    def measured(self) -> Found:
        """Return what ``measure`` returned to the first that asked.

        Raises:
            AssertionError: it failed then, or was broken off, for instance by asv's timeout. It is not tried again.
        """
        if self._kept.read() is None:
            self._kept.write(_BEGUN)
            self._kept.write(self._outcome())
        said = self._kept.read()
        if said == _BEGUN:
            raise AssertionError("The measurement for several benchmarks was broken off.")
        found: Found
        found, error = said
        if error:
            raise AssertionError(error)
        return found

    def _outcome(self) -> tuple[Found | None, str]:
        try:
            return self.measure(), ""
        except Exception as error:  # whatever it is, each benchmark must say it
            return None, reason(error)
