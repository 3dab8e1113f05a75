"""The session that a benchmark acts in.

asv has a process for each benchmark, and to start a session for each would take longer than what is measured there. So
the benchmarks of a class have one session, one after the other, in each round of asv: each that went well leaves it to
the next, which attaches to it. In a quick run, which calls each once, so do those of all classes; those with a kernel
have another.
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
from benchmarks.common import connected_runtime, leave, quick, runtime_class, shared_cluster

#: Ids of the sessions that are there, and the benchmarks that they are left to: "" where one has it, or had and failed.
_LEFT = Board("sessions left")


@contextmanager
def shared_session(*, jupyter: bool = False) -> Generator[Runtime]:
    """Have a session on the cluster that the commit's benchmarks share, to be measured once; end it."""
    heirs = _all_of_a_quick_run(jupyter)
    runtime = _begin(heirs, jupyter=jupyter)
    try:
        yield runtime
    finally:
        _end(runtime, heirs)


class SessionBenchmark:
    """Base of the benchmarks that act in a session: one for all of the samples, warmed up before them."""

    jupyter = False
    own_session = False  # not one that another benchmark has left
    timeout = 120.0
    timer: Callable[[], float] = clock
    # 5 to 15 samples in at most 1 s, each of as many calls as take 0.03 s: ten times the clock's work, and short enough
    # that the machine is much the same at both ends. Where two commits are compared, in each of two rounds over the
    # suite: `asv continuous` takes them in turn, round by round.
    rounds = int(os.environ.get("BENCHMARK_ROUNDS", "1"))
    warmup_time = 0.1
    sample_time = 0.03
    repeat: int | tuple[int, int, float] = (5, 15, 1.0)
    unit = "seconds"

    runtime: Runtime | None = None

    def setup(self, *parameters: Any) -> None:
        """Connect the session and prepare it, before the first sample alone."""
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
        return _all_of_a_quick_run(self.jupyter) or f"{type(self).__module__}.{type(self).__qualname__}"


def _all_of_a_quick_run(jupyter: bool) -> str:
    return f"all, jupyter={jupyter}" if quick() else ""


def _begin(heirs: str, *, jupyter: bool) -> Runtime:
    """Return a runtime on the session that was left for these benchmarks, or on a new one; end what nobody will take.

    Also that of a benchmark that failed or was killed: nobody is to meet what it was about, or wait beside it.
    """
    shared_cluster()
    left: dict[str, str] = _LEFT.read() or {}
    mine = next((sid for sid, to in left.items() if heirs and to == heirs), None)
    stay = {sid: to for sid, to in left.items() if quick() and to and sid != mine}
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
