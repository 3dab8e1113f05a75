"""How often an action fails, and how."""

from __future__ import annotations

from collections import Counter

from openhands.core.exceptions import AgentRuntimeDisconnectedError, AgentRuntimeTimeoutError
from openhands.events.action import CmdRunAction, FileEditAction, FileReadAction, FileWriteAction, IPythonRunCellAction
from openhands.events.action.action import Action
from openhands.events.observation import ErrorObservation
from openhands.runtime.base import Runtime

from benchmarks.common import quick
from benchmarks.once import MeasuredOnce
from benchmarks.session import shared_session

#: Times that the mixed load is repeated; it is five actions long.
ROUNDS = 4 if quick() else 40

#: Why an answer is no success.
CATEGORIES = ("timeout", "worker lost", "wrong result", "refused", "other")

#: Failures by category, and the number of actions under "actions".
Found = dict[str, int]


class _MixedLoad(MeasuredOnce[Found]):
    """A mixed load in one session, run once for all that is said of it."""

    timeout = 300.0

    def measure(self) -> Found:
        """Run it."""
        with shared_session(jupyter=True) as runtime:
            load = [step for number in range(ROUNDS) for step in _load(number)]
            failures = Counter(_failure(runtime, action, expected) for action, expected in load)
            return {category: failures[category] for category in CATEGORIES} | {"actions": len(load)}


class Reliability(_MixedLoad):
    """All failures."""

    version = "3"
    unit = "%"

    def track_failure_rate(self) -> float:
        """Return the share of actions (%) whose answer was missing or wrong; lower is better."""
        found = self.measured()
        return 100.0 * sum(found[category] for category in CATEGORIES) / found["actions"]

    track_failure_rate.pretty_name = "Failure rate"  # type: ignore[attr-defined]


class Failures(_MixedLoad):
    """Failures by category."""

    version = "1"
    unit = "%"
    params = [list(CATEGORIES)]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["category"]  # noqa: RUF012

    def track_rate(self, category: str) -> float:
        """Return the share of actions (%) that failed in this way."""
        found = self.measured()
        return 100.0 * found[category] / found["actions"]

    track_rate.pretty_name = "Failure rate by category"  # type: ignore[attr-defined]


def _failure(runtime: Runtime, action: Action, expected: str) -> str | None:
    """Run an action; return the category in which it failed, or None."""
    try:
        observation = runtime.run_action(action)
    except AgentRuntimeTimeoutError:
        return "timeout"
    except AgentRuntimeDisconnectedError:
        return "worker lost"
    except Exception:  # whatever is raised, the action has failed
        return "other"
    if expected in observation.content:
        return None
    return "refused" if isinstance(observation, ErrorObservation) else "wrong result"


def _load(number: int) -> list[tuple[Action, str]]:
    path = f"/workspace/file-{number}.txt"
    edit = FileEditAction(path, command="str_replace", old_str=f"text {number}", new_str=f"word {number}")
    return [
        (CmdRunAction(f"echo $(({number} * 2))"), str(number * 2)),
        (FileWriteAction(path, f"text {number}"), ""),
        (edit, f"word {number}"),
        (FileReadAction(path), f"word {number}"),
        (IPythonRunCellAction(f"print({number} * 3)"), str(number * 3)),
    ]
