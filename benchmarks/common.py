"""What the benchmarks share: a runtime, and the check that an observation is right.

Only public names are used, ``openhands_ray.RayRuntime``, OpenHands' own and Ray's, so that these files time old commits
too.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
import uuid
from collections.abc import Callable
from typing import Any

import ray  # noqa: F401 (once, not again in each benchmark's process)
from openhands.core.config import OpenHandsConfig
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


def seconds[**P](call: Callable[P, object], *args: P.args, **options: P.kwargs) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call(*args, **options)
    return time.perf_counter() - start


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


def keep_warm(sessions: int) -> None:
    """Choose how many sessions are kept warm: with none, none is started beside what is measured.

    Raises:
        NotImplementedError: this commit keeps none.
    """
    if hasattr(openhands_ray.Settings, "warm_sessions"):
        os.environ["OPENHANDS_RAY_WARM_SESSIONS"] = str(sessions)
    elif sessions:
        raise NotImplementedError("This commit keeps no sessions warm.")


def shared_cluster() -> None:
    """Connect this process to the cluster that the commit's benchmarks share."""
    cluster.join(runtime_class())


def leave(runtime: Runtime) -> None:
    """End the session and leave the cluster; a private one ends. And OpenHands' own thread for the session's events."""
    runtime.close()
    runtime_class().teardown(runtime.config)
    if runtime.event_stream is not None:
        runtime.event_stream.close()
