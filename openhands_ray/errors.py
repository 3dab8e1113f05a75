"""The errors of this package, and the only place where Ray's are translated into them.

::

    OpenHandsRayError
    ├── SettingsError          a setting is unknown or contradicts another
    ├── ClusterError           a Ray cluster could not be started or reached
    └── SessionError
        ├── SessionStartError      a session could not be started
        ├── PlacementError         no node had room for it in time
        ├── SessionExistsError     there is one with this id already
        ├── SessionNotFoundError   there is none with this id
        ├── SessionLostError       it ended before it answered
        ├── SessionTimeoutError    it did not answer in time
        ├── SessionPausedError     it is paused, and was not asked
        └── TransferError          a copy into or out of it failed
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class OpenHandsRayError(Exception):
    """Base of all errors that this package raises."""


class SettingsError(OpenHandsRayError, ValueError):
    """A setting is unknown, of the wrong type, or contradicts another."""


class ClusterError(OpenHandsRayError):
    """A Ray cluster could not be started or reached."""


class SessionError(OpenHandsRayError):
    """Base of what goes wrong with one session."""


class SessionStartError(SessionError):
    """A session could not be started; nothing is left of it."""

    def __init__(self, sid: str, reason: str) -> None:
        super().__init__(sid, reason)
        self.sid, self.reason = sid, reason

    def __str__(self) -> str:
        return f"The session {self.sid!r} could not be started: {self.reason}"


class PlacementError(SessionError):
    """No node of the cluster had room for a session in time; nothing of it was started."""


class SessionExistsError(SessionError):
    """There is a session with this id already."""


class SessionNotFoundError(SessionError):
    """There is no session with this id."""


class SessionLostError(SessionError):
    """The session ended before it answered."""


class SessionTimeoutError(SessionError):
    """The session did not answer in time."""


class SessionPausedError(SessionError):
    """The session is paused; nothing was run."""


class TransferError(SessionError):
    """A copy into or out of a session failed; what was there before is as it was."""


@contextmanager
def translated(sid: str, what: str) -> Iterator[None]:
    """Turn Ray's errors in the body into ours.

    Args:
        sid: the session's id.
        what: what was asked of it, for the message.
    """
    import ray.exceptions

    try:
        yield
    except ray.exceptions.GetTimeoutError:
        raise SessionTimeoutError(f"The session {sid!r} did not answer in time ({what}).") from None
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, OpenHandsRayError):
            raise cause from None
        raise SessionError(f"The session {sid!r} failed ({what}): {cause}") from error
    except ray.exceptions.RayActorError as error:
        if getattr(error, "actor_init_failed", False):
            raise SessionStartError(sid, _last_line(error)) from None
        # Ray has lost it then, and has not heard of its end.
        unknown = isinstance(error, ray.exceptions.ActorUnavailableError)
        fate = "cannot be reached, and has probably ended" if unknown else "has ended"
        raise SessionLostError(f"The session {sid!r} {fate} ({what}); {_MAY_HAVE_RUN}. {error}") from None
    except ray.exceptions.RayError as error:
        raise ClusterError(f"The Ray cluster failed ({what}); {_MAY_HAVE_RUN}. {error}") from error


_MAY_HAVE_RUN = "if this was running, it may have had an effect"


def _last_line(error: Exception) -> str:
    """Return what the error in an actor's constructor said: Ray passes it as a traceback in text."""
    text = str(error).strip().splitlines()[-1]
    return text.partition("could not be started: ")[2] or text
