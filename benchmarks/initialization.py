"""How long a user waits for a session."""

from __future__ import annotations

import asyncio

from openhands.runtime.base import Runtime

from benchmarks.common import SessionBenchmark, connected_runtime, leave, new_runtime, runtime_class


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
    """A further session on a cluster that runs already, beside the first one of this process."""

    timeout = 180.0
    version = "2"
    number = 1
    repeat = 3
    warmup_time = 0.0

    def time_new_session(self) -> None:
        """Connect, and close again."""
        runtime = connected_runtime()
        runtime.close()

    time_new_session.pretty_name = "New session and its end"  # type: ignore[attr-defined]
