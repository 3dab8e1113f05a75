"""Which actor is which session: the ids of sessions, in the key-value store of Ray's control service.

An actor keeps for life the name that it was created with, and a warm session has no id yet when it is started. So
names of actors are random, and this says whose they are. The store is in memory, one message away, without a process.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from openhands_ray.cluster import NAMESPACE
from openhands_ray.errors import SessionExistsError, SessionNotFoundError

#: Seconds after which an actor that has not answered is thought to be starting, and so alive.
ANSWER_TIMEOUT_S = 5

_PREFIX = "session:"
_ACTOR = "session-"


def new_name() -> str:
    """Return a name for an actor that no other has. Names sort by the time at which they were made."""
    return f"{_ACTOR}{time.time_ns():016x}-{secrets.token_hex(8)}"


def is_name(name: str) -> bool:
    """Return whether this is the name of a session's actor."""
    return name.startswith(_ACTOR)


def claim(sid: str, name: str) -> None:
    """Make ``sid`` the id of the actor ``name``.

    Raises:
        SessionExistsError: a session that lives has this id.
    """
    while not _put(sid, name):
        taken = _get(sid)
        if taken is not None and _lives(taken):
            raise SessionExistsError(f"There is a session {sid!r} already. Close it, attach to it, or use another id.")
        release(sid, taken)


def release(sid: str, name: str | None) -> None:
    """Let ``sid`` go if it is the id of the actor ``name``. Idempotent."""
    from ray.experimental import internal_kv

    if name is not None and _get(sid) == name:
        internal_kv._internal_kv_del(_PREFIX + sid, namespace=NAMESPACE)


def find(sid: str) -> tuple[str, Any]:
    """Return name and handle of the actor that is the session ``sid``.

    Raises:
        SessionNotFoundError: there is none, or it has ended.
    """
    name = _get(sid)
    found = None if name is None else actor(name)
    if name is None or found is None:
        release(sid, name)
        raise SessionNotFoundError(f"There is no session {sid!r} on this cluster.")
    return name, found


def ids() -> dict[str, str]:
    """Return the ids of all sessions by the names of their actors."""
    from ray.experimental import internal_kv

    keys = internal_kv._internal_kv_list(_PREFIX, namespace=NAMESPACE)
    sids = [key.decode().removeprefix(_PREFIX) for key in keys]
    return {name: sid for sid in sids if (name := _get(sid)) is not None}


def _put(sid: str, name: str) -> bool:
    """Store what is not stored yet; return whether it was not."""
    from ray.experimental import internal_kv

    return not internal_kv._internal_kv_put(_PREFIX + sid, name, overwrite=False, namespace=NAMESPACE)


def _get(sid: str) -> str | None:
    from ray.experimental import internal_kv

    value = internal_kv._internal_kv_get(_PREFIX + sid, namespace=NAMESPACE)
    return None if value is None else value.decode()


def actor(name: str) -> Any:
    """Return the handle of the actor that has this name, or None where it has ended."""
    import ray

    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None


def _lives(name: str) -> bool:
    """Return whether an actor answers; Ray itself takes a while to notice that a process has died."""
    import ray
    from ray.exceptions import GetTimeoutError, RayActorError

    found = actor(name)
    if found is None:
        return False
    try:
        ray.get(found.info.remote(), timeout=ANSWER_TIMEOUT_S)
    except RayActorError:
        return False
    except GetTimeoutError:
        return True  # it is being started
    return True
