"""Who subscribed to the shell sees its lines while they are printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest
    from conftest import MakeRuntime


def output(runtime: Any, command: str) -> str:
    from openhands.events.action import CmdRunAction

    action = CmdRunAction(command)
    action.set_hard_timeout(30, blocking=False)
    return str(runtime.run_action(action).content)


def test_a_subscriber_sees_the_lines_while_they_are_printed(
    make_runtime: MakeRuntime, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = make_runtime()
    (tmp_path / "go").touch()
    lines: list[str] = []

    def seen(line: str) -> None:
        lines.append(line)
        if line == "first\n":  # what the command waits for
            runtime.copy_to(str(tmp_path / "go"), "/workspace")

    assert runtime.subscribe_to_shell_stream(seen) is True
    assert output(runtime, "cd /workspace; echo first; until [ -e go ]; do :; done; echo last") == "first\nlast"
    assert lines == ["first\n", "last\n"]

    def failing(line: str) -> None:
        raise ValueError(line)

    assert runtime.subscribe_to_shell_stream(failing) is True
    assert output(runtime, "echo goes on") == "goes on"
    assert "The subscriber to the shell's output failed" in caplog.text

    assert runtime.subscribe_to_shell_stream(None) is True
    assert output(runtime, "echo unseen") == "unseen"
    assert lines == ["first\n", "last\n"]
