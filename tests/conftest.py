"""The sessions of the suite: all runtimes live on one private cluster, which ends with pytest."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol

import pytest
from support import QUIET, LocalSession

from openhands_ray.worker.sandbox import sandbox_problem

# Whoever started the tests in the background has them ignore these, and with them all programs that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
for signum in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(signum, signal.SIG_DFL)

os.environ.update(QUIET)  # before OpenHands is imported
os.environ.pop("RAY_ADDRESS", None)


class MakeRuntime(Protocol):
    """Creates a runtime and connects it; closes it after the suite."""

    def __call__(self, sid: str | None = None, *, connect: bool = True, **options: Any) -> Any: ...


@pytest.fixture(scope="session")
def make_runtime() -> Iterator[MakeRuntime]:
    """Make runtimes: ``config``, ``settings``, or what ``RayRuntime`` itself takes."""
    from openhands.core.config import OpenHandsConfig
    from openhands.events import EventStream
    from openhands.llm.llm_registry import LLMRegistry
    from openhands.storage import get_file_store

    from openhands_ray import RayRuntime, cluster

    numbers = itertools.count()
    made: list[Any] = []
    streams: list[Any] = []

    def make(sid: str | None = None, *, connect: bool = True, **options: Any) -> Any:
        config = options.pop("config", None) or OpenHandsConfig()
        runtime_class = type("Runtime", (RayRuntime,), {"settings": options.pop("settings", None)})
        name = sid or f"test-{os.getpid()}-{next(numbers)}"
        stream = EventStream(name, get_file_store("memory", "/tmp"))
        runtime = runtime_class(config, stream, LLMRegistry(config), sid=name, **options)
        made.append(runtime)
        streams.append(stream)
        if connect:
            asyncio.run(runtime.connect())
        return runtime

    yield make
    for runtime in made:
        runtime.close()
    for stream in streams:
        with suppress(RuntimeError):  # its threads have their own event loops
            stream.close()
    if cluster._current is not None:
        cluster._current.stop()


@pytest.fixture(scope="module", params=["process", "sandbox"])
def isolation(request: pytest.FixtureRequest) -> str:
    if request.param == "sandbox" and sandbox_problem() is not None:
        pytest.skip(str(sandbox_problem()))
    return str(request.param)


@pytest.fixture(scope="module")
def session(isolation: str) -> Iterator[LocalSession]:
    """A session without Ray, once behind each kind of walls."""
    session = LocalSession(isolation)
    yield session
    session.close()
