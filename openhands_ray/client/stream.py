"""What a command prints, line by line while it runs, for who subscribed to it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

from openhands_ray.errors import OpenHandsRayError
from openhands_ray.session import Session

#: Seconds between two questions whether there is more. They do not pass where commands do.
INTERVAL_S = 0.1

#: Seconds for one answer.
TIMEOUT_S = 10

LineCallback = Callable[[str], None]

log = logging.getLogger(__name__)


@contextlib.contextmanager
def streamed(session: Session, callback: LineCallback | None) -> Iterator[None]:
    """Call ``callback`` with each line that the session's shell prints, all of them before this ends."""
    if callback is None:
        yield
        return
    _pass_on(session, callback, wanted=True)
    ended = threading.Event()
    thread = threading.Thread(target=_follow, args=(session, callback, ended), name="shell-stream", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        _pass_on(session, callback, wanted=False)


def _follow(session: Session, callback: LineCallback, ended: threading.Event) -> None:
    while not ended.wait(INTERVAL_S):
        _pass_on(session, callback, wanted=True)


def _pass_on(session: Session, callback: LineCallback, *, wanted: bool) -> None:
    try:
        for line in session.request("shell_output", TIMEOUT_S, wanted=wanted):
            callback(line)
    except OpenHandsRayError as error:  # the action itself will tell
        log.debug("The shell's output cannot be followed: %s", error, extra=session.log_context)
    except Exception:  # the subscriber's own; the command goes on
        log.exception("The subscriber to the shell's output failed", extra=session.log_context)
