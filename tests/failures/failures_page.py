"""Write ``docs/failures.md`` from the table of failures: ``python tests/failures/failures_page.py``."""

from __future__ import annotations

from pathlib import Path

from matrix import (
    ACTION,
    MATRIX,
    OF_A_LASTING_CLUSTER,
    OF_A_NODE,
    OF_A_PRIVATE_CLUSTER,
    OF_THE_DRIVER,
    REST,
    WITHIN_A_SESSION,
    Failure,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "failures.md"

_INTRODUCTION = """\
# Failures injected

Every row is a failure that the tests inject into sessions of `RayRuntime`, by SIGKILL, or by SIGSTOP where it is said:
at rest, in the middle of an action, in the middle of a copy, between its first part and its second. {count} failures:
{quick} by `make test`, the others, marked with a star, by `make test-long`. This page is made by
`python tests/failures/failures_page.py`; a test holds it to the table. [The soak](soak.md) tells what is left by many
actions and sessions where nothing fails.

What holds in all of them, and is asserted each time:

- **Nothing is replayed.** An action that counts its runs in a file has run as often as the column *ran* says.
- **The caller is told, and whether what was asked may have had an effect.** What has certainly not run says so.
- **A file that was acknowledged as written is there**, on a node that lives: all of them where the session lives, those
  in volumes (`sandbox.volumes`) where it does not. A session's own folders end with it.
- **Nothing is left** of the session, or of what has died around it: no process, folder, socket, shared memory or part
  of a copy. It is counted before and after.

The caller waits for its answer as long as is said here, and never longer than for what it asked: an action has its own
timeout and {grace} seconds (`GRACE_S`), a part of a copy {part} seconds (`PART_TIMEOUT_S`), after which the error is
`AgentRuntimeTimeoutError` or `TimeoutError`. So it is with a session that is stopped.
"""

_CLUSTERS = """
When Ray's control service (GCS) or the raylet of a private cluster dies, its watchdog ends the rest at once. Ray itself
would go on for a minute, and then end the program, by `_exit`, which no program can catch. So Ray's patience in the
program (`RAY_gcs_rpc_server_reconnect_timeout_s`) has no end: its sessions say that their cluster has ended,
and the next one gets another cluster. In the processes of the cluster it is {reconnect} seconds in place of a minute.

What remains: Ray's client ends the program when the raylet dies while it passes it something larger than 100 kB, a part
of a copy or a large file, for which there is no setting. The time for that is the milliseconds that one part takes;
before each request the program looks whether the raylet lives.

A cluster that is attached to keeps Ray's minute, since a control service that is started again is found again. After it
Ray ends the program. Until then `close()` does not wait for it, and `connect()` raises `AgentRuntimeUnavailableError`.
"""

_PARTS = {
    "In a session, and around it": (WITHIN_A_SESSION, ""),
    "A node of a cluster": (OF_A_NODE, ""),
    "The cluster": ([*OF_A_PRIVATE_CLUSTER, *OF_A_LASTING_CLUSTER], _CLUSTERS),
    "The program": (OF_THE_DRIVER, "\nThere is nobody to see anything; what counts is what is left.\n"),
}

_NOTHING = {"NoneType": "nothing: it goes on", "str": "nothing: it goes on", "": "-"}


def page() -> str:
    """Return the page."""
    from openhands_ray.client.copies import PART_TIMEOUT_S
    from openhands_ray.client.runtime import GRACE_S
    from openhands_ray.launch import RECONNECT_TIMEOUT_S

    quick = sum(not each.long for each in MATRIX)
    text = _INTRODUCTION.format(count=len(MATRIX), quick=quick, grace=GRACE_S, part=PART_TIMEOUT_S)
    for title, (failures, said) in _PARTS.items():
        text += f"\n## {title}\n{said.format(reconnect=RECONNECT_TIMEOUT_S)}\n"
        text += "| killed | when | the caller sees | the action ran |\n|---|---|---|---|\n"
        text += "".join(f"| {' | '.join(_outcome(each))} |\n" for each in failures)
        text += "\n| killed | the caller waits | lost | cleaned up, beside the session |\n|---|---|---|---|\n"
        text += "".join(f"| {' | '.join(each)} |\n" for each in dict.fromkeys(map(_consequences, failures)))
    return text


def _outcome(failure: Failure) -> tuple[str, ...]:
    sees = _NOTHING.get(failure.sees) or f"`{failure.sees}`: “{_in_one_line(failure.says)}”"
    ran = {0: "no", 1: "once"}[failure.ran] if failure.moment in (REST, ACTION) else "-"
    return failure.victim, failure.moment + " *" * failure.long, sees, ran


def _consequences(failure: Failure) -> tuple[str, ...]:
    return failure.victim, failure.bound, failure.lost, failure.cleaned or "-"


def _in_one_line(text: str) -> str:
    return text.replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
