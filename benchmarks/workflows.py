"""How long a sequence of actions takes, as an agent makes them."""

from __future__ import annotations

from openhands.events.action import CmdRunAction, FileEditAction, FileReadAction, FileWriteAction

from benchmarks.common import SessionBenchmark, act

_PROGRAM = "def area(width, height):\n    return width + height\n\n\nprint(area(6, 7))\n"


class Workflow(SessionBenchmark):
    """Workflows of up to twenty actions."""

    version = "2"

    def time_multi_step(self) -> None:
        """Write a program, run it, find the fault, mend it, run it again: eight actions."""
        act(self.runtime, CmdRunAction("rm -rf /workspace/project && mkdir -p /workspace/project"), "")
        act(self.runtime, CmdRunAction("cd /workspace/project && pwd"), "/workspace/project")
        act(self.runtime, FileWriteAction("area.py", _PROGRAM), "")
        act(self.runtime, CmdRunAction("python3 -S area.py"), "13")
        act(self.runtime, FileReadAction("area.py"), "width + height")
        edit = {"command": "str_replace", "old_str": "width + height", "new_str": "width * height"}
        act(self.runtime, FileEditAction("/workspace/project/area.py", **edit), "width * height")
        act(self.runtime, CmdRunAction("python3 -S area.py"), "42")
        act(self.runtime, CmdRunAction("cd /workspace && ls project"), "area.py")

    def time_rapid_commands(self) -> None:
        """Run ten commands, one right after the other."""
        for number in range(10):
            act(self.runtime, CmdRunAction(f"echo rapid {number}"), f"rapid {number}")

    time_multi_step.pretty_name = "Multi-step workflow"  # type: ignore[attr-defined]
    time_rapid_commands.pretty_name = "Rapid-fire commands (10x)"  # type: ignore[attr-defined]
