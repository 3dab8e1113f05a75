"""What the benchmarks share: a session, and the check that an observation is right.

Only public names are used, ``openhands_ray.RayRuntime`` and OpenHands' own, so that these files time old commits too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
import warnings
from typing import Any

# Before OpenHands is imported, which reads it then: what it logs would be measured, too.
os.environ.setdefault("LOG_LEVEL", "ERROR")
warnings.filterwarnings("ignore", category=FutureWarning)  # of OpenHands' dependencies, about versions to come

from openhands.core.config import OpenHandsConfig
from openhands.events import EventStream
from openhands.events.action.action import Action
from openhands.events.observation import Observation
from openhands.llm.llm_registry import LLMRegistry
from openhands.runtime.base import Runtime
from openhands.runtime.plugins import JupyterRequirement
from openhands.storage import get_file_store

import openhands_ray

logging.getLogger("openhands").setLevel(logging.ERROR)

RUNTIME_CLASS = openhands_ray.RayRuntime


def new_runtime(*, jupyter: bool = False, **options: Any) -> Runtime:
    """Return a runtime with an id of its own, not yet connected."""
    config = OpenHandsConfig()
    sid = f"benchmark-{uuid.uuid4().hex[:12]}"
    stream = EventStream(sid, get_file_store("memory", "/"))
    plugins = [JupyterRequirement()] if jupyter else []
    return RUNTIME_CLASS(config, stream, LLMRegistry(config), sid=sid, plugins=plugins, **options)


def connected_runtime(*, jupyter: bool = False) -> Runtime:
    """Return a runtime that is ready to act."""
    runtime = new_runtime(jupyter=jupyter)
    asyncio.run(runtime.connect())
    return runtime


def act(runtime: Runtime, action: Action, expected: str) -> Observation:
    """Run ``action``; a wrong answer is a failed benchmark, not a fast one.

    Raises:
        AssertionError: ``expected`` is not in what came back.
    """
    observation = runtime.run_action(action)
    if expected not in observation.content:
        raise AssertionError(f"{action!r} gave {type(observation).__name__}: {observation.content[:500]!r}")
    return observation


class SessionBenchmark:
    """Base of the benchmarks that act in a session: one session for all of the samples, warmed up before them."""

    jupyter = False
    timeout = 120.0
    # At least 5 samples and at most 30, in about 4 s; each is as many calls as take 0.05 s.
    warmup_time = 0.5
    sample_time = 0.05
    repeat: int | tuple[int, int, float] = (5, 30, 4.0)
    rounds = 1
    unit = "seconds"

    def setup(self, *parameters: Any) -> None:
        """Connect the session."""
        self.runtime = connected_runtime(jupyter=self.jupyter)

    def teardown(self, *parameters: Any) -> None:
        """End the session."""
        self.runtime.close()
