"""The failures that are injected, and what must come of each: one row for what fails and when."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

#: When it fails. A copy is between its first and its second part.
REST, ACTION, COPY_TO, COPY_FROM = "at rest", "in an action", "in `copy_to`", "in `copy_from`"

#: Seconds for an action; no failure may wait for it to be over.
ACTION_TIMEOUT_S = 120

#: A node all of whose processes end, the janitors of its sessions too, as if it lost its power; and one all of whose
#: processes stop, as if it were cut off: nobody hears of an end.
KILLED_NODE = "another node"
SILENT_NODE = "another node, which falls silent (SIGSTOP)"

#: OpenHands' error for a session that is lost.
LOST = "AgentRuntimeDisconnectedError"


@dataclass(frozen=True)
class Failure:
    """One row of the table.

    Attributes:
        victim: what is killed by SIGKILL.
        moment: when.
        sees: the class that the caller gets: of an exception, or of an observation.
        says: what its text must contain; in the middle of something of that, else of the next call.
        ran: how often the action has run when all is over; it is never sent twice.
        within_s: seconds that the caller waits at most.
        bound: what states that bound, in words.
        then: the class of the exception of the call after it; "" where the session goes on.
        lost: in words.
        cleaned: what is cleaned up beside the session, in words.
        long: whether it is tried by ``make test-long`` alone.
    """

    victim: str
    moment: str
    sees: str
    says: str
    ran: int
    within_s: float
    bound: str
    lost: str
    then: str = ""
    cleaned: str = ""
    long: bool = False

    @property
    def id(self) -> str:
        return re.sub(r"\W+", "-", f"{self.victim} {self.moment}").strip("-")


def _rows(victim: str, *moments: Failure, **shared: Any) -> list[Failure]:
    return [replace(each, victim=victim, **shared) for each in moments]


def _when(moment: str, sees: str, says: str, ran: int, *, long: bool = False) -> Failure:
    return Failure("", moment, sees, says, ran, 0, "", "", long=long)


_AT_ONCE = "at once: its end is an event"
_GOES_ON = [_when(COPY_TO, "NoneType", "", 0), _when(COPY_FROM, "str", "", 0)]
_SHELL_LOST = "variables, functions and jobs of the shell"
_MAY = "may have had an effect"
_NOT_ASKED = "has ended with its Ray cluster. Nothing was asked of it."

WITHIN_A_SESSION = [
    *_rows(
        "shell",
        _when(
            REST, "CmdOutputObservation", "The shell had ended before this command, which was not run, and a new one", 0
        ),
        _when(ACTION, "CmdOutputObservation", "exit code 137.]\n[The shell ended, and a new one was started", 1),
        *_GOES_ON,
        lost=_SHELL_LOST,
        within_s=15,
        bound=_AT_ONCE,
        cleaned="a new shell is started",
    ),
    *_rows(
        "kernel",
        _when(REST, "IPythonRunCellObservation", "The kernel had ended since the last cell: its variables are lost", 1),
        _when(ACTION, "IPythonRunCellObservation", "The kernel died while it ran this cell: its variables", 1),
        *_GOES_ON,
        lost="variables of the kernel",
        within_s=30,
        bound=_AT_ONCE,
        cleaned="a new kernel is started for the next cell",
    ),
    *_rows(
        "browser",
        _when(REST, "BrowserOutputObservation", "this action was not run. A new browser is ready", 0),
        _when(ACTION, "BrowserOutputObservation", "may have taken effect; it is not repeated", 1),
        *_GOES_ON,
        lost="tabs, cookies and logins",
        within_s=30,
        bound=_AT_ONCE,
        cleaned="a new browser is started",
    ),
    *_rows(
        "executor",
        _when(REST, LOST, "The session has ended. The request was not run.", 0),
        _when(ACTION, LOST, _MAY, 1),
        _when(COPY_TO, LOST, "was not run", 0),
        _when(COPY_FROM, LOST, "was not run", 0),
        lost="the session, with its own folders",
        within_s=15,
        bound=_AT_ONCE,
        then=LOST,
    ),
    *_rows(
        "actor",
        _when(REST, LOST, _MAY, 0),
        _when(ACTION, LOST, _MAY, 1),
        _when(COPY_TO, LOST, _MAY, 0),
        _when(COPY_FROM, LOST, _MAY, 0),
        lost="the session, with its own folders",
        within_s=30,
        bound="about 2 s: Ray waits so long for the reason (`timeout_ms_task_wait_for_death_info`)",
        then=LOST,
    ),
]

_OF_A_NODE: dict[str, Any] = {
    "within_s": 60,
    "bound": "about 4 s: its workers look for it every second, and Ray waits for the reason",
    "then": LOST,
}

OF_A_NODE = [
    *_rows(
        "raylet of another node",
        _when(REST, LOST, _MAY, 0, long=True),
        _when(ACTION, LOST, _MAY, 1),
        _when(COPY_TO, LOST, _MAY, 0, long=True),
        _when(COPY_FROM, LOST, _MAY, 0, long=True),
        lost="the sessions of this node, with their own folders; no other",
        cleaned="the rest of Ray on this node",
        **_OF_A_NODE,
    ),
    *_rows(
        KILLED_NODE,
        _when(REST, LOST, _MAY, 0, long=True),
        _when(ACTION, LOST, _MAY, 1),
        _when(COPY_TO, LOST, _MAY, 0, long=True),
        _when(COPY_FROM, LOST, _MAY, 0, long=True),
        lost="what is on this node; no other session, and no file of it",
        cleaned="what is on its disk is removed by nobody",
        **_OF_A_NODE,
    ),
    *_rows(
        SILENT_NODE,
        _when(REST, LOST, _MAY, 0, long=True),
        _when(ACTION, LOST, _MAY, 1, long=True),
        lost="what is on this node; no other session, and no file of it",
        within_s=ACTION_TIMEOUT_S,
        bound="about a minute, until Ray's health checks count the node as dead; an action with less time, that time",
        then=LOST,
        cleaned="all of Ray on it, once it goes on and learns that it is counted as dead",
    ),
]

_OF_A_PRIVATE_CLUSTER: dict[str, Any] = {
    "lost": "all sessions, with their own folders",
    "within_s": 60,
    "then": LOST,
    "cleaned": "the whole cluster; the next session gets another one",
}
_BY_ITS_WATCHDOG = "about 2 s: its watchdog ends the rest of it at once, and Ray waits for the reason"

OF_A_PRIVATE_CLUSTER = [
    *_rows(
        "raylet of a private cluster",
        _when(REST, LOST, _NOT_ASKED, 0, long=True),
        _when(ACTION, LOST, _MAY, 1, long=True),
        _when(COPY_TO, LOST, _NOT_ASKED, 0, long=True),
        _when(COPY_FROM, LOST, _NOT_ASKED, 0, long=True),
        bound=_BY_ITS_WATCHDOG,
        **_OF_A_PRIVATE_CLUSTER,
    ),
    *_rows(
        "GCS of a private cluster",
        _when(REST, LOST, _NOT_ASKED, 0, long=True),
        _when(ACTION, LOST, _MAY, 1),
        _when(COPY_TO, LOST, _NOT_ASKED, 0, long=True),
        _when(COPY_FROM, LOST, _NOT_ASKED, 0, long=True),
        bound=_BY_ITS_WATCHDOG,
        **_OF_A_PRIVATE_CLUSTER,
    ),
    *_rows(
        "watchdog of a private cluster",
        _when(REST, LOST, _NOT_ASKED, 0, long=True),
        _when(ACTION, LOST, _MAY, 1, long=True),
        _when(COPY_TO, LOST, _NOT_ASKED, 0, long=True),
        _when(COPY_FROM, LOST, _NOT_ASKED, 0, long=True),
        bound="about 4 s: the kernel ends GCS and raylet with it, the workers look for them every second",
        **_OF_A_PRIVATE_CLUSTER,
    ),
]

OF_A_LASTING_CLUSTER = [
    *_rows(
        "GCS of `openhands-ray cluster start`",
        _when(ACTION, LOST, _MAY, 1, long=True),
        lost="all sessions of this node, with their own folders",
        within_s=60,
        bound=_BY_ITS_WATCHDOG,
        then=LOST,
        cleaned="all of Ray on its node",
    )
]

#: The caller's own end: there is nobody to see anything, so these say what is left.
OF_THE_DRIVER = [
    *_rows(
        "driver, with a private cluster",
        _when(REST, "", "", 0, long=True),
        _when(ACTION, "", "", 1, long=True),
        _when(COPY_TO, "", "", 0, long=True),
        _when(COPY_FROM, "", "", 0),
        lost="all sessions, with their own folders",
        within_s=30,
        bound="at once: its pipe to the watchdog closes",
        cleaned="the whole cluster, and the part of a copy that had come",
    ),
    *_rows(
        "driver, attached to a cluster",
        _when(REST, "", "", 0, long=True),
        _when(ACTION, "", "", 1, long=True),
        _when(COPY_TO, "", "", 0, long=True),
        _when(COPY_FROM, "", "", 0, long=True),
        lost="its sessions, with their own folders, but those that are kept alive",
        within_s=60,
        bound="Ray ends the actors of a program that has gone",
        cleaned="its sessions; the cluster goes on",
    ),
]

MATRIX = [*WITHIN_A_SESSION, *OF_A_NODE, *OF_A_PRIVATE_CLUSTER, *OF_A_LASTING_CLUSTER, *OF_THE_DRIVER]
