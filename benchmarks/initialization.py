"""How long a user waits for a session."""

from __future__ import annotations

import asyncio
import os

from openhands.events.action import CmdRunAction
from openhands.runtime.base import Runtime

import openhands_ray
from benchmarks.common import SessionBenchmark, act, connected_runtime, leave, new_runtime, runtime_class


class Initialization:
    """From ``RayRuntime(...)`` with no cluster to a session that can act, modules imported, Ray's too."""

    timeout = 180.0
    version = "2"
    # One sample is seconds long, and a second call in it would find the cluster of the first.
    number = 1
    repeat = 2
    rounds = 2
    warmup_time = 0.0

    def setup(self) -> None:
        """Nothing runs: the teardown of the sample before has stopped it."""
        runtime_class()
        self.runtime: Runtime | None = None

    def teardown(self) -> None:
        """End the session and the cluster."""
        if self.runtime is not None:
            leave(self.runtime)

    def time_runtime_initialization(self) -> None:
        """Start the cluster and connect."""
        self.runtime = runtime = new_runtime()
        asyncio.run(runtime.connect())

    time_runtime_initialization.pretty_name = "Runtime initialization"  # type: ignore[attr-defined]


class NewSession(SessionBenchmark):
    """A further session on a cluster that runs already, beside the first one of this process; none is kept warm."""

    timeout = 180.0
    version = "3"
    number = 1
    repeat = 3
    warmup_time = 0.0

    def setup(self) -> None:
        """Connect the first."""
        _keep_warm(0)
        super().setup()

    def time_new_session(self) -> None:
        """Connect, and close again."""
        runtime = connected_runtime()
        runtime.close()

    time_new_session.pretty_name = "New session and its end"  # type: ignore[attr-defined]


class WarmSession(SessionBenchmark):
    """A further session, where one is kept warm."""

    timeout = 180.0
    version = "1"
    number = 1
    repeat = 3
    warmup_time = 0.0

    opened: Runtime | None = None

    def setup(self) -> None:
        """End the session of the sample before, and let the next one become warm meanwhile."""
        _keep_warm(1)
        super().setup()
        if self.opened is not None:
            self.opened.close()
        act(self.runtime, CmdRunAction(f"sleep {WARM_UP_S}"), "")

    def time_connect(self) -> None:
        """Connect."""
        self.opened = connected_runtime()

    time_connect.pretty_name = "New session from the warm pool"  # type: ignore[attr-defined]


#: Seconds after which a session that is started ahead is ready: several times what it takes.
WARM_UP_S = 4


def _keep_warm(sessions: int) -> None:
    """Choose how many sessions are kept warm.

    Raises:
        NotImplementedError: this commit keeps none.
    """
    if hasattr(openhands_ray.Settings, "warm_sessions"):
        os.environ["OPENHANDS_RAY_WARM_SESSIONS"] = str(sessions)
    elif sessions:
        raise NotImplementedError("This commit keeps no sessions warm.")
