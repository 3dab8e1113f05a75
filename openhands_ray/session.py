"""A session on a Ray cluster, from the outside: create it, find it, ask it, end it."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Iterable
from functools import cache, partial
from typing import Any

from openhands_ray import __version__, metrics, placement, registry, wire
from openhands_ray.cluster import NAMESPACE, before_leaving, connected, current, metrics_wanted, within_reach
from openhands_ray.config import Settings
from openhands_ray.errors import (
    OpenHandsRayError,
    SessionError,
    SessionLostError,
    SessionNotFoundError,
    SessionPausedError,
    SessionStartError,
    SessionTimeoutError,
    translated,
)
from openhands_ray.pool import Pool, Started
from openhands_ray.waiting import Queued, Told

#: Seconds that a session may take to end; after that its actor is killed, and its sandbox with it.
CLOSE_TIMEOUT_S = 10

#: Calls that a session answers at the same time: an action, and what must not wait behind it.
CONCURRENCY = 4

#: Calls that wait for what a session sends by itself, one for each client that uses its MCP servers. They have threads
#: of their own, so that however many wait, actions do not.
RECEIVERS = {"receive": 4}


class Session:
    """A handle on the actor of one session."""

    def __init__(self, sid: str, name: str, actor: Any) -> None:
        self.sid = sid
        self._name = name
        self._actor = actor
        self._placed = True
        self._lost = False
        self._cluster = current()
        self.info: dict[str, Any] = {}

    @classmethod
    def create(
        cls, sid: str, spec: dict[str, Any], settings: Settings, *, keep: bool = False, told: Told | None = None
    ) -> Session:
        """Start a session, or take a warm one, and wait until it can act.

        With ``keep`` it outlives this process, though never its cluster; else it ends with it at the latest. While it
        waits for a place, ``told`` gets a line whenever its position in the queue changes; by default that is logged.

        Raises:
            ClusterError: there is no cluster to start it on.
            SessionExistsError: ``sid`` is taken.
            SessionStartError: its sandbox or its shell could not be started.
            PlacementError: no node had room for it in time.
            SessionTimeoutError: it did not start in time.
        """
        connected(settings)
        began = time.perf_counter()
        pool = None if keep else _pool(spec, settings)
        warm = None if pool is None else cls._warm(sid, pool, settings)
        session = warm or cls._cold(sid, _start(spec, settings, keep=keep), settings, told)
        took_s = time.perf_counter() - began
        metrics.record(metrics.START_SECONDS, took_s, from_pool="no" if warm is None else "yes")
        if pool is not None:
            metrics.record(metrics.POOL_REQUESTS, result="miss" if warm is None else "hit")
            _owned.add(session)
            pool.fill()
        return session

    @classmethod
    def _warm(cls, sid: str, pool: Pool, settings: Settings) -> Session | None:
        while warm := pool.take():
            with contextlib.suppress(SessionLostError, SessionStartError):  # it has ended, and nothing had run in it
                return cls._welcome(sid, warm, settings)
        return None

    @classmethod
    def _cold(cls, sid: str, started: Started, settings: Settings, told: Told | None) -> Session:
        session = cls._welcome(sid, started, settings, told)
        wait_s = session.info["placed_at"] - started.asked_at
        metrics.record(metrics.PLACEMENT_SECONDS, max(0.0, wait_s))  # the clocks of two nodes may differ
        return session

    @classmethod
    def _welcome(cls, sid: str, started: Started, settings: Settings, told: Told | None = None) -> Session:
        """Give ``started`` its id, and wait until it can act."""
        session = cls(sid, started.name, started.actor)
        queued = Queued(sid, started.name, settings, told)
        try:
            registry.claim(sid, started.name)
            answer = started.actor.welcome.remote(sid)
            queued.wait(answer)
            session._check(answer, settings.start_timeout_s)
        except BaseException:
            session._placed = not queued.waits
            session.close()
            raise
        return session

    @classmethod
    def attach(cls, sid: str, settings: Settings) -> Session:
        """Find the session that has this id.

        Raises:
            ClusterError: the cluster cannot be reached.
            SessionNotFoundError: there is none.
            SessionLostError: there was one; it has ended, and nothing is left of it now.
        """
        session = cls._found(sid, settings)
        try:
            session.check(settings.start_timeout_s)
        except SessionLostError:
            session.close()
            raise
        return session

    @classmethod
    def _found(cls, sid: str, settings: Settings) -> Session:
        connected(settings)
        name, actor = registry.find(sid)
        return cls(sid, name, actor)

    @classmethod
    def end(cls, sid: str, settings: Settings) -> bool:
        """End the session that has this id, whoever started it; return whether there was one.

        Raises:
            ClusterError: the cluster cannot be reached.
        """
        if not within_reach(settings):
            return False
        try:
            cls._found(sid, settings).close()
        except SessionNotFoundError:
            return False
        return True

    def check(self, timeout_s: float) -> None:
        """Ask whether the session can act.

        Raises:
            SessionLostError: it has ended.
            SessionTimeoutError: it did not say.
        """
        self._check(self._running().info.remote(), timeout_s)

    def _check(self, answer: Any, timeout_s: float) -> None:
        self.info = self._get(answer, "info", timeout_s)
        if not self.info["alive"]:
            self._count_as_lost()
            raise SessionLostError(f"The session {self.sid!r} has ended: its process is not there any more.")
        if self.info["version"] != __version__:
            raise SessionError(
                f"The session {self.sid!r} runs version {self.info['version']} of openhands-ray on its node, and this "
                f"process runs {__version__}. Install the same on both."
            )

    def status(self, timeout_s: float) -> dict[str, Any]:
        """Return what the session is doing (``SessionActor.status``), and the ``round_trip_s`` of the question.

        Raises:
            SessionLostError, SessionTimeoutError: as for ``check``.
        """
        began = time.perf_counter()
        status = self._get(self._running().status.remote(), "status", timeout_s)
        return {**status, "round_trip_s": time.perf_counter() - began}

    def act(self, action: dict[str, Any], timeout_s: float | None) -> dict[str, Any]:
        """Run an action, at most once, and return its observation.

        Raises:
            SessionTimeoutError: there was no answer in time; the action may still be running.
            SessionLostError: the session ended before it answered.
            SessionPausedError: it is paused; the action was not run.
        """
        kind = str(getattr(action.get("action"), "value", action.get("action")))  # OpenHands' is an enumeration
        outcome, began = "failed", time.perf_counter()
        packed = wire.pack({"action": kind, **action})  # the kind comes first, where the actor peeks at it
        try:
            message = wire.unpack(self._get(self._running().act.remote(packed), kind, timeout_s))
            outcome = _outcome(message)
        except (SessionTimeoutError, SessionLostError) as error:
            outcome = "lost" if isinstance(error, SessionLostError) else "timeout"
            raise
        finally:
            metrics.record(metrics.ACTIONS, action=kind, outcome=outcome)
            metrics.record(metrics.ACTION_SECONDS, time.perf_counter() - began, action=kind)
        if outcome == "paused":
            raise SessionPausedError(f"The session {self.sid!r} is paused. Nothing was run; resume it first.")
        observation: dict[str, Any] = message["observation"]
        return observation

    def request(self, operation: str, timeout_s: float | None = None, **args: Any) -> Any:
        """Ask for something that does not wait behind the running action.

        Raises:
            OSError, ValueError: the session's own answer to a wrong path or argument.
            SessionLostError, SessionTimeoutError: as for ``act``.
        """
        packed = wire.pack({"operation": operation, "args": args})
        answer = wire.unpack(self._get(self._running().control.remote(packed), operation, timeout_s))
        if "error" in answer:
            raise _REMOTE_ERRORS.get(answer["type"], SessionError)(answer["error"])
        return answer["result"]

    def receive(self, reader: str) -> dict[str, Any]:
        """Wait for the next message that the session sends to this reader by itself.

        Raises:
            SessionLostError: the session has ended.
        """
        receiving = self._running().receive.options(concurrency_group="receive").remote(reader)
        return wire.unpack(self._get(receiving, "receive", None))

    @property
    def log_context(self) -> dict[str, str]:
        """What log records about this session carry (``extra``)."""
        return {"session_id": self.sid}

    def _running(self) -> Any:
        if self._actor is None:
            raise SessionLostError(f"The session {self.sid!r} was closed. Nothing was asked of it.")
        if self._cluster is not None and self._cluster.ended:
            raise SessionLostError(f"The session {self.sid!r} has ended with its Ray cluster. Nothing was asked of it.")
        return self._actor

    def _get(self, reference: Any, what: str, timeout_s: float | None) -> Any:
        import ray

        try:
            with translated(self.sid, what):
                return ray.get(reference, timeout=timeout_s)
        except SessionLostError:
            self._count_as_lost()
            raise

    def _count_as_lost(self) -> None:
        if self._actor is not None and not self._lost:  # and not closed by this process itself
            self._lost = True
            metrics.record(metrics.LOST)

    def close(self) -> None:
        """End the session and wait until nothing of it is left. Idempotent."""
        _close([self])

    def _release(self) -> None:
        with contextlib.suppress(OpenHandsRayError), translated(self.sid, "close"):
            registry.release(self.sid, self._name)


def _outcome(message: wire.Message) -> str:
    if "paused" in message:
        return "paused"
    observation = message.get("observation")
    answered = isinstance(observation, dict) and observation.get("observation") != "error"
    return "ok" if answered else "error"


_REMOTE_ERRORS: dict[str, type[Exception]] = {
    "FileNotFoundError": FileNotFoundError,
    "PermissionError": PermissionError,
    "IsADirectoryError": IsADirectoryError,
    "NotADirectoryError": NotADirectoryError,
    "OSError": OSError,
    "ValueError": ValueError,
}


_owned: weakref.WeakSet[Session] = weakref.WeakSet()
_pools: dict[tuple[bytes, Settings], Pool] = {}
_lock = threading.Lock()


def _pool(spec: dict[str, Any], settings: Settings) -> Pool:
    """Return the pool of warm sessions that are exactly what ``spec`` asks for."""
    with _lock:
        start = partial(_start, spec, settings, ahead=True)
        has_room, nodes = partial(placement.has_room, settings), partial(placement.nodes_for, settings)
        return _pools.setdefault((wire.pack(spec), settings), Pool(start, settings.warm_sessions, has_room, nodes))


def _start(spec: dict[str, Any], settings: Settings, *, keep: bool = False, ahead: bool = False) -> Started:
    """Ask Ray for a session's actor, without waiting for it; ``ahead`` of need, for the pool, or for a session."""
    from openhands_ray.telemetry import RayTelemetry

    name = registry.new_name()
    actor_class = _actor_class().options(
        name=name,
        namespace=NAMESPACE,
        **placement.actor_options(settings),
        lifetime="detached" if keep else None,
        max_restarts=0,
        max_task_retries=0,
        max_concurrency=CONCURRENCY,
        enable_task_events=False,  # of which the control service keeps four kilobytes for each call
    )
    # What outlives its process is ended by nobody else, if it is forgotten.
    idle_limit_s = settings.idle_limit_s if keep else 0
    telemetry = RayTelemetry(metrics_wanted(settings))
    spec = {**spec, "sid": name, "ahead": ahead, "idle_limit_s": idle_limit_s}
    return Started(name, actor_class.remote(spec, telemetry))


@cache
def _actor_class() -> Any:
    """Return Ray's class for all sessions: it tells each new one to the cluster, which keeps it."""
    import ray

    from openhands_ray.worker.actor import SessionActor

    return ray.remote(concurrency_groups=RECEIVERS)(SessionActor)


def _close(sessions: list[Session]) -> None:
    """End sessions side by side, and let their ids go."""
    actors: list[Any] = []
    unplaced: list[Any] = []
    for session in sessions:
        _owned.discard(session)
        actor, session._actor = session._actor, None
        if actor is not None:
            (actors if session._placed else unplaced).append(actor)
    if _end(actors, unplaced):
        for session in sessions:
            session._release()


def _end(actors: list[Any], unplaced: Iterable[Any] = ()) -> bool:
    """End actors side by side; return whether there was still a cluster to ask.

    One that does not answer is killed; one that has no place yet cannot answer, and is not asked.
    """
    import ray

    cluster = current()
    if not (actors or unplaced) or cluster is None or not cluster.answers:
        return False
    closing = [actor.close.remote() for actor in actors]
    ray.wait(closing, num_returns=len(closing), timeout=CLOSE_TIMEOUT_S)  # the janitors clean up after the silent
    for actor in [*actors, *unplaced]:
        ray.kill(actor)
    return True


def _leave() -> None:
    """End all that this process has started: what it uses, and what it has kept warm."""
    _close(list(_owned))
    _end([warm.actor for pool in _pools.values() for warm in pool.drain()])


before_leaving(_leave)
