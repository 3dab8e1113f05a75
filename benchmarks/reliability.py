"""How often an action fails."""

from __future__ import annotations

from openhands.events.action import CmdRunAction, FileEditAction, FileReadAction, FileWriteAction, IPythonRunCellAction
from openhands.events.action.action import Action

from benchmarks.common import SessionBenchmark, act

#: Times that the mixed load is repeated; it is five actions long.
ROUNDS = 20


class Reliability(SessionBenchmark):
    """A mixed load in one session."""

    timeout = 300.0
    version = "2"
    jupyter = True

    def track_failure_rate(self) -> float:
        """Return the share of actions (%) whose answer was missing or wrong; lower is better."""
        load = [step for number in range(ROUNDS) for step in _load(number)]
        failed = sum(not self._succeeds(action, expected) for action, expected in load)
        return 100.0 * failed / len(load)

    def _succeeds(self, action: Action, expected: str) -> bool:
        try:
            act(self.runtime, action, expected)
        except Exception:  # whatever is raised, the action has failed
            return False
        return True

    track_failure_rate.pretty_name = "Failure rate"  # type: ignore[attr-defined]
    track_failure_rate.unit = "%"  # type: ignore[attr-defined]


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
