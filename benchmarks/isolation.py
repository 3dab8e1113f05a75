"""What walls and limits cost: sessions of each kind, started and used in turn."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from statistics import median

from openhands.events.action import CmdRunAction

import openhands_ray
from benchmarks.common import act, connected_runtime, only_on_request
from benchmarks.once import MeasuredOnce
from benchmarks.session import shared_session

#: Times that a session of each kind is started: each takes half a second.
ROUNDS = 7

#: Commands that are run in each, and those before them that do not count.
COMMANDS, WARM_UP = 100, 20

_PREFIX = "OPENHANDS_RAY_"
_NONE = {"MEMORY_LIMIT_BYTES": "0", "PROCESS_LIMIT": "0"}
_ALL = {
    "MEMORY_LIMIT_BYTES": str(2**30),
    "PROCESS_LIMIT": "1000",
    "CPU_LIMIT": "2",
    "OPEN_FILES_LIMIT": "1024",
    "FILE_LIMIT_BYTES": str(2**30),
}

#: The kinds, and the settings that make them.
KINDS = {
    "process": {"ISOLATION": "process", **_NONE},
    "sandbox": {"ISOLATION": "sandbox", **_NONE},
    "sandbox, default limits": {"ISOLATION": "sandbox"},
    "sandbox, all limits": {"ISOLATION": "sandbox", **_ALL},
    "sandbox, no network": {"ISOLATION": "sandbox", "NETWORK": "none", **_NONE},
}


@dataclass(frozen=True)
class Cost:
    """Seconds, of one kind: to start a session, to run a command in it, to end it."""

    start: float
    command: float
    end: float


class Isolation(MeasuredOnce[dict[str, Cost]]):
    """Sessions of each kind in turn, on one cluster; none is kept warm."""

    timeout = 300.0
    version = "1"
    params = [list(KINDS)]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["walls"]  # noqa: RUF012

    def setup(self, walls: str) -> None:
        """Skip it, unless it is asked for, and where the commit has no limits."""
        only_on_request()
        if not hasattr(openhands_ray.Settings, "process_limit"):
            raise NotImplementedError("In this commit a session has no limits.")

    def measure(self) -> dict[str, Cost]:
        """Measure all kinds, in one process."""
        with shared_session():
            measured = [{kind: _measured(kind) for kind in KINDS} for _ in range(ROUNDS)]
        return {kind: _median([each[kind] for each in measured]) for kind in KINDS}

    def track_start(self, walls: str) -> float:
        """Return the seconds of a session's start."""
        return self.measured()[walls].start

    def track_command(self, walls: str) -> float:
        """Return the seconds of a simple command."""
        return self.measured()[walls].command

    def track_end(self, walls: str) -> float:
        """Return the seconds of a session's end."""
        return self.measured()[walls].end

    track_start.pretty_name = "Session by its walls"  # type: ignore[attr-defined]
    track_start.unit = "seconds"  # type: ignore[attr-defined]
    track_command.pretty_name = "Simple command by the session's walls"  # type: ignore[attr-defined]
    track_command.unit = "seconds"  # type: ignore[attr-defined]
    track_end.pretty_name = "End of a session by its walls"  # type: ignore[attr-defined]
    track_end.unit = "seconds"  # type: ignore[attr-defined]


def _measured(kind: str) -> Cost:
    settings = {f"{_PREFIX}{name}": value for name, value in {**KINDS[kind], "WARM_SESSIONS": "0"}.items()}
    os.environ.update(settings)
    try:
        begin = time.perf_counter()
        runtime = connected_runtime()
        started = time.perf_counter()
    finally:
        for name in settings:
            del os.environ[name]
    for _ in range(WARM_UP):
        act(runtime, CmdRunAction("echo word"), "word")
    before = time.perf_counter()
    for _ in range(COMMANDS):
        act(runtime, CmdRunAction("echo word"), "word")
    after = time.perf_counter()
    runtime.close()
    return Cost(started - begin, (after - before) / COMMANDS, time.perf_counter() - after)


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        median(each.start for each in costs),
        median(each.command for each in costs),
        median(each.end for each in costs),
    )
