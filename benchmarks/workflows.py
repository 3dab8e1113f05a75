"""How long a sequence of actions takes, as an agent makes them."""

from __future__ import annotations

from openhands.events.action import (
    CmdRunAction,
    FileEditAction,
    FileReadAction,
    FileWriteAction,
    IPythonRunCellAction,
)

from benchmarks.common import act
from benchmarks.session import SessionBenchmark

_PROGRAM = "def area(width, height):\n    return width + height\n\n\nprint(area(6, 7))\n"


class Workflow(SessionBenchmark):
    """Workflows of up to twenty actions."""

    version = "4"

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

    def time_simple(self) -> None:
        """Write a file, look at it, count its words: three actions."""
        act(self.runtime, FileWriteAction("/workspace/note.txt", "one two three\n"), "")
        act(self.runtime, FileReadAction("/workspace/note.txt"), "two")
        act(self.runtime, CmdRunAction("wc -w < /workspace/note.txt"), "3")

    def time_text_processing(self) -> None:
        """Count the words of a log by hour, as a shell does it, and mend a line: six actions."""
        levels = ("error", *["info"] * 6)
        log = "\n".join(f"2026-01-01 {n % 24:02}:00 level={levels[n % 7]} n={n}" for n in range(500))
        act(self.runtime, FileWriteAction("/workspace/app.log", log), "")
        act(self.runtime, CmdRunAction("grep -c level=error /workspace/app.log"), "72")
        count = "cut -d' ' -f2 /workspace/app.log | cut -d: -f1 | sort | uniq -c | sort -rn > /workspace/hours.txt"
        act(self.runtime, CmdRunAction(count), "")
        act(self.runtime, CmdRunAction("wc -l < /workspace/hours.txt"), "24")
        act(self.runtime, CmdRunAction("sed -i s/level=error/level=warning/ /workspace/app.log"), "")
        act(self.runtime, CmdRunAction("grep -c level=warning /workspace/app.log"), "72")

    time_simple.pretty_name = "Simple workflow (3 actions)"  # type: ignore[attr-defined]
    time_text_processing.pretty_name = "Text-processing workflow"  # type: ignore[attr-defined]

    def time_rapid_commands(self) -> None:
        """Run ten commands, one right after the other."""
        for number in range(10):
            act(self.runtime, CmdRunAction(f"echo rapid {number}"), f"rapid {number}")

    time_multi_step.pretty_name = "Multi-step workflow"  # type: ignore[attr-defined]
    time_rapid_commands.pretty_name = "Rapid-fire commands (10x)"  # type: ignore[attr-defined]


class DataProcessing(SessionBenchmark):
    """A workflow in the kernel: files there, cells on them."""

    version = "3"
    jupyter = True

    def prepare(self) -> None:
        """Wait until the kernel is there."""
        act(self.runtime, IPythonRunCellAction("1 + 1"), "2")

    def time_data_processing(self) -> None:
        """Write a table, load it, group it, store what came of it, look at that: five actions."""
        table = "name,value\n" + "".join(f"{'abc'[number % 3]},{number}\n" for number in range(300))
        act(self.runtime, FileWriteAction("/workspace/table.csv", table), "")
        load = "import csv, json\nrows = list(csv.DictReader(open('/workspace/table.csv')))\nlen(rows)"
        act(self.runtime, IPythonRunCellAction(load), "300")
        group = (
            "sums = {}\nfor row in rows:\n    sums[row['name']] = sums.get(row['name'], 0) + int(row['value'])\nsums"
        )
        act(self.runtime, IPythonRunCellAction(group), "14950")
        act(self.runtime, IPythonRunCellAction("json.dump(sums, open('/workspace/sums.json', 'w'))"), "")
        act(self.runtime, CmdRunAction("cat /workspace/sums.json"), "14950")

    time_data_processing.pretty_name = "Data-processing workflow"  # type: ignore[attr-defined]
