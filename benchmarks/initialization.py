"""How long a user waits for a session."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from openhands.core.config import OpenHandsConfig
from openhands.events.action import BrowseURLAction, CmdRunAction
from openhands.runtime.base import Runtime

import openhands_ray
from benchmarks.actions import served_page
from benchmarks.clock import clock
from benchmarks.common import (
    act,
    connected_runtime,
    keep_warm,
    leave,
    new_runtime,
    not_when_quick,
    only_on_request,
    quick,
    runtime_class,
    shared_cluster,
)
from benchmarks.once import MeasuredOnce
from benchmarks.references import BareActor
from benchmarks.session import SessionBenchmark, shared_session


class Initialization:
    """From ``RayRuntime(...)`` with no cluster to a session that can act, modules imported, Ray's too."""

    timeout = 180.0
    version = "4"
    timer = clock
    # One sample is seconds long, and a second call in it would find the cluster of the first.
    number = 1
    repeat = 1
    rounds = 3
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


class Cluster:
    """The private cluster alone, without a session."""

    timeout = 180.0
    version = "3"
    timer = clock
    number = 1
    repeat = 1
    rounds = 2
    warmup_time = 0.0

    def setup(self) -> None:
        """Nothing runs: the teardown of the sample before has stopped it. Not in a quick run: it is in the above."""
        self.config = OpenHandsConfig()
        not_when_quick()
        if "setup" not in vars(runtime_class()):
            raise NotImplementedError("This commit starts no cluster ahead of a session.")

    def teardown(self) -> None:
        """End the cluster."""
        runtime_class().teardown(self.config)

    def time_start(self) -> None:
        """Start it and connect to it."""
        runtime_class().setup(self.config)

    time_start.pretty_name = "Ray cluster start"  # type: ignore[attr-defined]


class Connection:
    """A process that connects to a cluster that runs already."""

    timeout = 120.0
    version = "3"
    timer = clock
    rounds = 3
    number = 1
    repeat = 3
    warmup_time = 0.0

    def setup(self) -> None:
        """Have a cluster, and no connection to it."""
        self.config = OpenHandsConfig()
        if "setup" not in vars(runtime_class()):
            raise NotImplementedError("This commit connects with its first session only.")
        shared_cluster()

    def teardown(self) -> None:
        """Leave the cluster."""
        runtime_class().teardown(self.config)

    def time_connect(self) -> None:
        """Connect."""
        runtime_class().setup(self.config)

    time_connect.pretty_name = "First connection to a running cluster"  # type: ignore[attr-defined]


class FirstAction(SessionBenchmark):
    """The first action of a new session, and the session's end; the session before ends first."""

    timeout = 180.0
    version = "2"
    rounds = 2
    number = 1
    repeat = 2  # each sample has a session of its own
    warmup_time = 0.0

    def setup(self) -> None:
        """Connect a session."""
        super().setup()
        self.opened = connected_runtime()

    def teardown(self) -> None:
        """End it."""
        self.opened.close()
        super().teardown()

    def time_first_action(self) -> None:
        """Run a command."""
        act(self.opened, CmdRunAction("echo first"), "first")

    def time_close(self) -> None:
        """End the session, whose shell has done nothing yet."""
        self.opened.close()

    time_first_action.pretty_name = "First action of a session"  # type: ignore[attr-defined]
    time_first_action.version = "3"  # type: ignore[attr-defined]
    time_close.pretty_name = "End of a session"  # type: ignore[attr-defined]
    # By a watch: what it leaves behind would slow the clock.
    time_close.timer = time.perf_counter  # type: ignore[attr-defined]


class FirstPage(SessionBenchmark):
    """The first page that a new session shows, whose browser starts then, or has started along with the session."""

    timeout = 180.0
    version = "2"
    rounds = 1  # each sample waits
    number = 1
    repeat = 5
    warmup_time = 0.0
    params = [["page", "session"]]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["browser starts with the"]  # noqa: RUF012

    opened: Runtime | None = None

    def setup(self, starts_with: str) -> None:
        """Connect a session, serve a page in it, and give a browser the time to start."""
        only_on_request()
        _warm_browser(starts_with == "session")
        super().setup(starts_with)
        self.opened = connected_runtime()
        self.url = served_page(self.opened)
        act(self.opened, CmdRunAction(f"sleep {BROWSER_START_S}"), "")

    def teardown(self, starts_with: str) -> None:
        """End it, where it was asked for."""
        if self.opened is not None:
            self.opened.close()
        super().teardown(starts_with)

    def time_first_page(self, starts_with: str) -> None:
        """Open the page."""
        act(self.opened, BrowseURLAction(self.url), "Benchmark page")

    time_first_page.pretty_name = "First page of a session"  # type: ignore[attr-defined]


#: Seconds after which a browser that starts along with a session is there: several times what it takes.
BROWSER_START_S = 4


def _warm_browser(wanted: bool) -> None:
    """Choose whether a session's browser starts along with it.

    Raises:
        NotImplementedError: in this commit it cannot.
    """
    if hasattr(openhands_ray.Settings, "warm_browser"):
        os.environ["OPENHANDS_RAY_WARM_BROWSER"] = str(int(wanted))
    elif wanted:
        raise NotImplementedError("This commit starts a browser with its first page only.")


class Allocation(MeasuredOnce[dict[tuple[str, str], float]]):
    """From asking for a session to its first answer, beside an empty actor's, on an idle and on a busy cluster."""

    timeout = 180.0
    version = "1"
    params = [["idle", "busy"]]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["cluster"]  # noqa: RUF012

    def setup(self, cluster: str) -> None:
        """Skip it in a quick run, which has ``NewSession``."""
        not_when_quick()
        keep_warm(0)

    def measure(self) -> dict[tuple[str, str], float]:
        """Measure both on an idle cluster, and then while a session keeps all cores busy."""
        with shared_session(own=True) as first:
            found = _allocations("idle")
            loop = "while :; do :; done"
            act(first, CmdRunAction(f"for i in $(seq {os.cpu_count()}); do ({loop}) & done; echo busy"), "busy")
            return found | _allocations("busy")

    def track_session(self, cluster: str) -> float:
        """Return the seconds of a session."""
        return self.measured()["session", cluster]

    def track_actor(self, cluster: str) -> float:
        """Return the seconds of an actor that does nothing."""
        return self.measured()["actor", cluster]

    track_session.pretty_name = "Session by load of the cluster"  # type: ignore[attr-defined]
    track_session.unit = "seconds"  # type: ignore[attr-defined]
    track_actor.pretty_name = "Empty actor by load of the cluster"  # type: ignore[attr-defined]
    track_actor.unit = "seconds"  # type: ignore[attr-defined]


#: Times that an allocation is repeated: each takes half a second.
ALLOCATIONS = 2


def _allocations(cluster: str) -> dict[tuple[str, str], float]:
    return {
        ("session", cluster): _median_seconds(connected_runtime, lambda runtime: runtime.close()),
        ("actor", cluster): _median_seconds(BareActor, lambda actor: actor.close()),
    }


def _median_seconds(start: Callable[[], Any], end: Callable[[Any], None]) -> float:
    times = []
    for _ in range(ALLOCATIONS):
        begin = time.perf_counter()
        started = start()
        times.append(time.perf_counter() - begin)
        end(started)
    return median(times)


class NewSession(SessionBenchmark):
    """A further session on a cluster that runs already, beside the first one of this process; none is kept warm."""

    timeout = 180.0
    version = "5"
    rounds = 2
    number = 1
    repeat = 2
    warmup_time = 0.0

    def time_new_session(self) -> None:
        """Connect, and close again."""
        runtime = connected_runtime()
        runtime.close()

    time_new_session.pretty_name = "New session and its end"  # type: ignore[attr-defined]


class WarmSession(SessionBenchmark):
    """A further session, where one is kept warm."""

    timeout = 180.0
    version = "3"
    own_session = True  # what is kept alive fills no pool
    warm_sessions = 1
    rounds = 2
    number = 1
    repeat = 2  # each sample waits
    warmup_time = 0.0

    opened: Runtime | None = None

    def setup(self) -> None:
        """End the session of the sample before, and let the next one become warm meanwhile."""
        super().setup()
        if self.opened is not None:
            self.opened.close()
        act(self.runtime, CmdRunAction(f"sleep {WARM_UP_S}"), "")

    def time_connect(self) -> None:
        """Connect."""
        self.opened = connected_runtime()

    time_connect.pretty_name = "New session from the warm pool"  # type: ignore[attr-defined]


#: Seconds after which a session that is started ahead is ready: several times what it takes.
WARM_UP_S = 1 if quick() else 2
