"""A clock that runs at the speed of the machine.

On a machine that others share, the same work takes a quarter longer in one minute than in another, and half as long
again in some hours. So this clock measures, before and after what is timed, how long work takes that no commit changes,
and counts what passed in between at that speed: its seconds are those of a machine on which the work always takes
``NOMINAL_S``. What it says of the same call varies from one moment to the next by half of what a watch says: of longer
ones by less than that, of single short actions by more.

It is for what is short: what happens within a second is not the same as what happens at its two ends. And what leaves
the machine at work, as the end of a session does, would slow the work after it.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

#: Seconds that the work took on the machine of our own history when this clock was made: there, it was about a watch.
NOMINAL_S = 1.4e-3

#: The share of what is timed that goes into the work after it, beyond the first time; and the most of it, in seconds.
SHARE, MOST_S = 0.05, 0.1

#: What the work is, by what our operations consist of: a program is started; it is sent as many messages as these, of
#: so many bytes, and answers each; so many bytes are copied so many times. Of the parts, none alone tells as much.
MESSAGES, MESSAGE = 10, b"x" * 250
COPIES, COPIED = 3, bytes(1_000_000)


class Clock:
    """Steady seconds; one thread reads it."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._read_s, self._speed, self._since = 0.0, 1.0, time.perf_counter()

    def __call__(self) -> float:
        """Return the steady seconds since it began; takes the time of the work, which it does not count.

        At once where hardly anything has happened since it was read last: then the speed is that of a moment ago.
        """
        elapsed = time.perf_counter() - self._since
        before = self._speed
        if elapsed > NOMINAL_S / 2:
            self._speed = speed(min(elapsed * SHARE, MOST_S))
        self._read_s += elapsed * (before + self._speed) / 2
        self._since = time.perf_counter()
        return self._read_s

    def seconds[**P](self, call: Callable[P, object], *args: P.args, **options: P.kwargs) -> float:
        """Return how long a call takes."""
        start = self()
        call(*args, **options)
        return self() - start


def speed(duration_s: float = 0.0) -> float:
    """Return how many times ``NOMINAL_S`` the work could be done in its time, now; 1 is nominal, less is slower.

    Args:
        duration_s: seconds for which the work is repeated; it is done once at least.
    """
    start = end = time.perf_counter()
    times = 0
    while not times or end < start + duration_s:
        _work()
        times += 1
        end = time.perf_counter()
    return NOMINAL_S * times / (end - start)


def _work() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as program:
        assert program.stdin is not None  # for the types
        assert program.stdout is not None
        for _ in range(MESSAGES):
            program.stdin.write(MESSAGE)
            program.stdout.read(len(MESSAGE))
    for _ in range(COPIES):
        bytearray(COPIED)


#: The clock of this process; as a benchmark's ``timer``, asv times by it.
clock = Clock()
