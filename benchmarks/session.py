"""The session that a benchmark acts in.

asv has a process for each benchmark, and to start a session for each would take longer than what is measured there. So
the benchmarks have one session, one after the other: each that went well leaves it to the next, which attaches to it.
Those with a kernel have another.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

from openhands.core.config import OpenHandsConfig
from openhands.core.exceptions import AgentRuntimeError
from openhands.runtime.base import Runtime

from benchmarks.board import Board
from benchmarks.clock import clock
from benchmarks.common import connected_runtime, keep_warm, leave, quick, runtime_class, shared_cluster

#: Ids of the sessions that are there, and the benchmarks that they are left to: "" where one has it, or had and failed.
_LEFT = Board("sessions left")


@contextmanager
def shared_session(*, jupyter: bool = False, own: bool = False) -> Generator[Runtime]:
    """Have a session on the cluster that the commit's benchmarks share, to be measured once.

    Args:
        jupyter: whether it has a kernel.
        own: whether it is a new one, which ends with this: nobody is to have what is done in it.
    """
    heirs = "" if own else _all(jupyter)
    runtime = _begin(heirs, jupyter=jupyter)
    try:
        yield runtime
    finally:
        _end(runtime, heirs)


class SessionBenchmark:
    """Base of the benchmarks that act in a session: one for all of the samples, warmed up before them.

    Attributes:
        jupyter: whether it has a kernel.
        own_session: whether it is none that another benchmark has left.
        own_class: whether it is left to those of its class alone, but for a quick run: it holds what others had better
            not be measured beside.
        warm_sessions: those that are kept warm beside it.
    """

    jupyter = False
    own_session = False
    own_class = False
    warm_sessions = 0
    timeout = 120.0
    timer: Callable[[], float] = clock
    # Each of three rounds over the suite has up to 5 samples: what a moment does to all of them at once, it does to a
    # third of them. A sample is of as many calls as take 0.03 s: ten times the clock's work, and short enough that the
    # machine is much the same at both ends.
    rounds = 3
    warmup_time = 0.05
    sample_time = 0.03
    repeat: int | tuple[int, int, float] = (2, 5, 0.35)
    unit = "seconds"

    runtime: Runtime | None = None

    def setup(self, *parameters: Any) -> None:
        """Connect the session and prepare it, before the first sample alone."""
        keep_warm(self.warm_sessions)
        if self.runtime is None:
            self.runtime = _begin(self._heirs(), jupyter=self.jupyter)
            self.prepare(*parameters)

    def prepare(self, *parameters: Any) -> None:
        """Bring the session to where the benchmark begins."""

    def teardown(self, *parameters: Any) -> None:
        """Leave the session to the next benchmark, or end it, after the last sample alone."""
        if self.runtime is not None and not _between_samples():
            _end(self.runtime, self._heirs())
            self.runtime = None

    def _heirs(self) -> str:
        if self.own_session:
            return ""
        if self.own_class and not quick():
            return f"{type(self).__module__}.{type(self).__qualname__}"
        return _all(self.jupyter)


def _all(jupyter: bool) -> str:
    """Return the name of those who share a session, with a kernel or without."""
    return f"all, jupyter={jupyter}"


def _begin(heirs: str, *, jupyter: bool) -> Runtime:
    """Return a runtime on the session that was left for these benchmarks, or on a new one; end what nobody will take.

    Also that of a benchmark that failed or was killed: nobody is to meet what it was about, or wait beside it.
    """
    shared_cluster()
    left: dict[str, str] = _LEFT.read() or {}
    mine = next((sid for sid, to in left.items() if heirs and to == heirs), None)
    stay = {sid: to for sid, to in left.items() if to in (_all(False), _all(True)) and sid != mine}
    runtime = _connected(mine, kept=bool(heirs), jupyter=jupyter)
    _LEFT.write({**stay, runtime.sid: ""})
    for sid in left.keys() - stay.keys() - {runtime.sid}:
        with suppress(AgentRuntimeError):  # it has ended
            asyncio.run(runtime_class().delete(sid))
    return runtime


def _end(runtime: Runtime, heirs: str) -> None:
    """Leave the session to its heirs, unless the benchmark has failed. With none it ends; so does a private cluster.

    This process ends right after, and so leaves the shared cluster 0.3 s sooner than by saying so.
    """
    if "RAY_ADDRESS" in os.environ:
        runtime.close()
    else:
        leave(runtime)
    left = _LEFT.read()
    if not heirs:
        del left[runtime.sid]
    elif sys.exc_info()[0] is None:
        left[runtime.sid] = heirs
    _LEFT.write(left)


def _connected(sid: str | None, *, kept: bool, jupyter: bool) -> Runtime:
    config = OpenHandsConfig()
    config.sandbox.keep_runtime_alive = kept
    if sid:
        with suppress(AgentRuntimeError):  # this commit keeps none, or it has ended
            return connected_runtime(jupyter=jupyter, config=config, sid=sid, attach_to_existing=True)
    return connected_runtime(jupyter=jupyter, config=config)


def _between_samples() -> bool:
    """Whether asv calls ``teardown`` before a sample, only to call ``setup`` again."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "redo_setup":  # in asv_runner's Benchmark
            return True
        frame = frame.f_back
    return False
