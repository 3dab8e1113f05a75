"""A session on a Ray cluster, from the outside: create it, find it, ask it, end it."""

from __future__ import annotations

import contextlib
import weakref
from typing import Any

from openhands_ray import __version__, wire
from openhands_ray.cluster import NAMESPACE, before_leaving, connected
from openhands_ray.config import Settings
from openhands_ray.errors import (
    OpenHandsRayError,
    SessionError,
    SessionExistsError,
    SessionNotFoundError,
    translated,
)

#: Seconds that a session may take to end; after that its actor is killed, and its sandbox with it.
CLOSE_TIMEOUT_S = 10

#: Calls that a session answers at the same time: an action, and what must not wait behind it.
CONCURRENCY = 4


class Session:
    """A handle on the actor of one session."""

    def __init__(self, sid: str, actor: Any) -> None:
        self.sid = sid
        self._actor = actor
        self.info: dict[str, Any] = {}

    @classmethod
    def create(cls, sid: str, spec: dict[str, Any], settings: Settings) -> Session:
        """Start a session and wait until it can act.

        Raises:
            ClusterError: there is no cluster to start it on.
            SessionExistsError: ``sid`` is taken.
            SessionStartError: its sandbox or its shell could not be started.
            SessionTimeoutError: Ray found no place for it in time.
        """
        connected(settings)
        import ray

        from openhands_ray.worker.actor import SessionActor

        actor_class = ray.remote(SessionActor).options(
            name=_name(sid),
            namespace=NAMESPACE,
            num_cpus=settings.session_cpus,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=CONCURRENCY,
        )
        try:
            actor = actor_class.remote({**spec, "sid": sid})
        except ValueError as error:
            raise SessionExistsError(
                f"There is a session {sid!r} already. Close it, attach to it, or use another id."
            ) from error
        session = cls(sid, actor)
        try:
            session._greet(settings.start_timeout_s)
        except BaseException:
            session.close()
            raise
        _owned.add(session)
        return session

    @classmethod
    def attach(cls, sid: str, settings: Settings) -> Session:
        """Find the session that has this id.

        Raises:
            ClusterError: the cluster cannot be reached.
            SessionNotFoundError: there is none.
        """
        connected(settings)
        import ray

        try:
            actor = ray.get_actor(_name(sid), namespace=NAMESPACE)
        except ValueError:
            raise SessionNotFoundError(f"There is no session {sid!r} on this cluster.") from None
        session = cls(sid, actor)
        session._greet(settings.start_timeout_s)
        return session

    def _greet(self, timeout_s: float) -> None:
        self.info = self._get(self._actor.info.remote(), "start", timeout_s)
        if self.info["version"] != __version__:
            raise SessionError(
                f"The session {self.sid!r} runs version {self.info['version']} of openhands-ray on its node, and this "
                f"process runs {__version__}. Install the same on both."
            )

    def act(self, action: dict[str, Any], timeout_s: float | None) -> dict[str, Any]:
        """Run an action, at most once, and return its observation.

        Raises:
            SessionTimeoutError: there was no answer in time; the action may still be running.
            SessionLostError: the session ended before it answered.
        """
        answer = self._get(self._actor.act.remote(wire.pack(action)), str(action.get("action")), timeout_s)
        observation: dict[str, Any] = wire.unpack(answer)["observation"]
        return observation

    def request(self, operation: str, timeout_s: float | None = None, **args: Any) -> Any:
        """Ask for something that does not wait behind the running action.

        Raises:
            OSError, ValueError: the session's own answer to a wrong path or argument.
            SessionLostError, SessionTimeoutError: as for ``act``.
        """
        packed = wire.pack({"operation": operation, "args": args})
        answer = wire.unpack(self._get(self._actor.control.remote(packed), operation, timeout_s))
        if "error" in answer:
            raise _REMOTE_ERRORS.get(answer["type"], SessionError)(answer["error"])
        return answer["result"]

    def _get(self, reference: Any, what: str, timeout_s: float | None) -> Any:
        import ray

        with translated(self.sid, what):
            return ray.get(reference, timeout=timeout_s)

    def close(self) -> None:
        """End the session and wait until nothing of it is left. Idempotent."""
        import ray

        actor, self._actor = self._actor, None
        _owned.discard(self)
        if actor is None or not ray.is_initialized():
            return
        with contextlib.suppress(OpenHandsRayError):  # else it has ended already; its janitor removes its folders
            self._get(actor.close.remote(), "close", CLOSE_TIMEOUT_S)
        ray.kill(actor)


_REMOTE_ERRORS: dict[str, type[Exception]] = {
    "FileNotFoundError": FileNotFoundError,
    "PermissionError": PermissionError,
    "IsADirectoryError": IsADirectoryError,
    "NotADirectoryError": NotADirectoryError,
    "OSError": OSError,
    "ValueError": ValueError,
}

_owned: weakref.WeakSet[Session] = weakref.WeakSet()


def _name(sid: str) -> str:
    return f"session:{sid}"


def _close_all() -> None:
    for session in list(_owned):
        session.close()


before_leaving(_close_all)
