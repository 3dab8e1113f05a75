"""What the benchmarks share: a session, and the check that an observation is right.

Only public names are used, ``openhands_ray.RayRuntime``, OpenHands' own and Ray's, so that these files time old commits
too.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import os
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import ray  # noqa: F401 (once, not again in each benchmark's process)
from openhands.core.config import OpenHandsConfig
from openhands.core.exceptions import AgentRuntimeError
from openhands.events import EventStream
from openhands.events.action import FileReadAction
from openhands.events.action.action import Action
from openhands.events.observation import Observation
from openhands.llm.llm_registry import LLMRegistry
from openhands.runtime.base import Runtime
from openhands.runtime.plugins import JupyterRequirement
from openhands.storage import get_file_store

import openhands_ray
from benchmarks import cluster
from benchmarks.board import Board

# What was imported stays. Else the collector would look through it in each benchmark's process, in the midst of what is
# measured, and so copy all of it, which the process has from asv's forkserver.
gc.freeze()
gc.enable()

#: What small files hold, 40 lines, and what large ones do, close to a megabyte.
TEXT = "".join(f"line {number} of the file\n" for number in range(40))
MEGABYTE = ("x" * 99 + "\n") * (1024 * 1024 // 100)

logging.getLogger("openhands").setLevel(logging.ERROR)


def runtime_class() -> Any:
    """Return the commit's ``RayRuntime``.

    Raises:
        NotImplementedError: it has none yet; raised in a ``setup``, this is "n/a" to asv, and no failure.
    """
    if not hasattr(openhands_ray, "RayRuntime"):
        raise NotImplementedError("This commit has no RayRuntime.")
    return openhands_ray.RayRuntime


def new_runtime(
    *, jupyter: bool = False, config: OpenHandsConfig | None = None, sid: str | None = None, **options: Any
) -> Runtime:
    """Return a runtime, where nothing else is said with an id of its own, not yet connected."""
    config = config or OpenHandsConfig()
    sid = sid or f"benchmark-{uuid.uuid4().hex[:12]}"
    stream = EventStream(sid, get_file_store("memory", "/"))
    plugins = [JupyterRequirement()] if jupyter else []
    return runtime_class()(config, stream, LLMRegistry(config), sid=sid, plugins=plugins, **options)


def connected_runtime(*, jupyter: bool = False, config: OpenHandsConfig | None = None, **options: Any) -> Runtime:
    """Return a runtime that is ready to act."""
    runtime = new_runtime(jupyter=jupyter, config=config, **options)
    asyncio.run(runtime.connect())
    return runtime


def act(runtime: Runtime | None, action: Action, expected: str) -> Observation:
    """Run ``action``; a wrong answer is a failed benchmark, not a fast one.

    Raises:
        AssertionError: ``expected`` is not in what came back.
    """
    assert runtime is not None  # for the types: setup has made it
    observation = runtime.run_action(action)
    if expected not in observation.content:
        raise AssertionError(f"{action!r} gave {type(observation).__name__}: {observation.content[:500]!r}")
    return observation


def read_whole(runtime: Runtime | None, path: str, size: int) -> None:
    """Read a file that was written with ``size`` characters; ones that are missing are a failed benchmark.

    Raises:
        AssertionError: another number came back.
    """
    found = len(act(runtime, FileReadAction(path), "").content)
    if found != size + 1:  # OpenHands ends a written file with a newline
        raise AssertionError(f"{found} characters came back of {size}")


def requested() -> bool:
    """Return whether the slow benchmarks are asked for, by ``BENCHMARK_ALL=1``."""
    return os.environ.get("BENCHMARK_ALL") == "1"


def quick() -> bool:
    """Return whether asv was asked for one call of each (``--quick``), which its plugin tells (``publisher.setup``)."""
    return os.environ.get("BENCHMARK_QUICK") == "1"


def only_on_request() -> None:
    """Skip what is called in a ``setup``, unless the slow benchmarks are asked for.

    Raises:
        NotImplementedError: they are not; this is "n/a" to asv.
    """
    if not requested():
        raise NotImplementedError("Measured on request: BENCHMARK_ALL=1")


def not_when_quick() -> None:
    """Skip what is called in a ``setup`` in a quick run: the large parameters, of which the small ones tell enough.

    Raises:
        NotImplementedError: it is one; this is "n/a" to asv.
    """
    if quick():
        raise NotImplementedError("Not measured by --quick")


def shared_cluster() -> None:
    """Connect this process to the cluster that the commit's benchmarks share."""
    cluster.join(runtime_class())


def leave(runtime: Runtime) -> None:
    """End the session and leave the cluster; a private one ends."""
    runtime.close()
    runtime_class().teardown(runtime.config)


#: The id of the session that the last benchmark of a quick run has left for the next, by whether it has a kernel.
_LEFT = {jupyter: Board(f"session left, jupyter={jupyter}") for jupyter in (False, True)}


def _session_of_a_quick_run(*, jupyter: bool) -> Runtime:
    """Return a runtime on the session that the last benchmark has left, or on a new one where there is none."""
    config = OpenHandsConfig()
    config.sandbox.keep_runtime_alive = True
    left = _LEFT[jupyter].read().decode()
    _LEFT[jupyter].write(b"")  # should this benchmark fail or be killed, nobody is to meet what it leaves
    if left:
        with suppress(AgentRuntimeError):  # this commit keeps none, or it has ended
            return connected_runtime(jupyter=jupyter, config=config, sid=left, attach_to_existing=True)
    return connected_runtime(jupyter=jupyter, config=config)


def _begin(*, jupyter: bool, own: bool) -> Runtime:
    shared_cluster()
    return connected_runtime(jupyter=jupyter) if own or not quick() else _session_of_a_quick_run(jupyter=jupyter)


def _end(runtime: Runtime, *, jupyter: bool) -> None:
    leave(runtime)
    if runtime.config.sandbox.keep_runtime_alive and sys.exc_info()[0] is None:
        _LEFT[jupyter].write(runtime.sid.encode())


@contextmanager
def shared_session(*, jupyter: bool = False) -> Generator[Runtime]:
    """Have a session on the cluster that the commit's benchmarks share, to be measured once; end it."""
    runtime = _begin(jupyter=jupyter, own=False)
    try:
        yield runtime
    finally:
        _end(runtime, jupyter=jupyter)


class SessionBenchmark:
    """Base of the benchmarks that act in a session: one session for all of the samples, warmed up before them.

    A quick run has each called once, and to start a session for each would be most of it: there they have one session,
    one after the other, those with a kernel another.
    """

    jupyter = False
    own_session = False  # in a quick run, too
    timeout = 120.0
    # In each of two rounds over the suite, so that a moment of other work is not in all of them: 5 to 10 samples in
    # at most 1 s, each of as many calls as take 0.03 s. `asv continuous` takes its two commits in turn, round by round.
    # More samples would cost more than they tell: the machine differs more from one minute to another.
    rounds = 2
    warmup_time = 0.1
    sample_time = 0.03
    repeat: int | tuple[int, int, float] = (5, 10, 1.0)
    unit = "seconds"

    runtime: Runtime | None = None

    def setup(self, *parameters: Any) -> None:
        """Connect the session and prepare it, before the first sample alone."""
        if self.runtime is None:
            self.runtime = _begin(jupyter=self.jupyter, own=self.own_session)
            self.prepare(*parameters)

    def prepare(self, *parameters: Any) -> None:
        """Bring the session to where the benchmark begins."""

    def teardown(self, *parameters: Any) -> None:
        """End the session, or leave it to the next benchmark, after the last sample alone."""
        if self.runtime is not None and not _between_samples():
            _end(self.runtime, jupyter=self.jupyter)
            self.runtime = None


def _between_samples() -> bool:
    """Whether asv calls ``teardown`` before a sample, only to call ``setup`` again."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "redo_setup":  # in asv_runner's Benchmark
            return True
        frame = frame.f_back
    return False
