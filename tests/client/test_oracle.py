"""Side by side with OpenHands' own shell: the same, except for what is written here."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openhands_ray.worker.bash import BashSession

pytestmark = pytest.mark.oracle

#: [(command, is_input)]; every step sees the state that the steps before it left.
SCRIPTS: dict[str, list[tuple[str, bool]]] = {
    "commands": [
        ("echo hello", False),
        ("false", False),
        ("no-such-command-x", False),
        ("cd sub && v=1", False),
        ("pwd; echo $v", False),
        ("cat <<E\na\n  b\nE", False),
        ("echo a\necho b", False),
        ("printf '10%%\\r99%%\\n'", False),
        ("", False),
        ("x", True),
        ("printf 'no newline'", False),
        ("for i in 1 2; do\necho $i\ndone", False),
    ],
    "running": [
        ("echo begun; read x; echo got $x", False),
        ("echo refused", False),
        ("word", True),
        ("sleep 1000", False),
        ("C-c", True),
        ("echo after", False),
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    return tmp_path


@pytest.fixture
def theirs(folder: Path) -> Iterator[Any]:
    from openhands.events.action import CmdRunAction
    from openhands.runtime.utils.bash import BashSession as Theirs

    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    session = Theirs(str(folder), no_change_timeout_seconds=1)
    session.initialize()
    for _ in range(2):  # its first answers depend on how fast tmux cleared the screen
        session.execute(CmdRunAction("true"))
    yield session
    session.close()


@pytest.fixture
def ours(folder: Path) -> Iterator[BashSession]:
    session = BashSession(str(folder), {**os.environ, "TERM": "screen"}, no_change_timeout_s=1)
    yield session
    session.close()


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_shell_answers_as_openhands_does(name: str, theirs: Any, ours: BashSession) -> None:
    from openhands.events.action import CmdRunAction
    from openhands.events.serialization import observation_from_dict

    for command, is_input in SCRIPTS[name]:
        action = CmdRunAction(command, is_input=is_input)
        action.set_hard_timeout(20, blocking=False)
        expected = _comparable(theirs.execute(action))
        answer = ours.execute({"command": command, "is_input": is_input}, 20)
        assert _comparable(observation_from_dict(answer)) == expected, (command, is_input)


def _comparable(observation: Any) -> dict[str, Any]:
    metadata = getattr(observation, "metadata", None)
    found = {"kind": observation.observation, "content": re.sub(r"\d{3,}", "<n>", observation.content)}
    if metadata is not None:
        names = ("exit_code", "working_dir", "username", "hostname", "prefix", "suffix")
        found |= {name: getattr(metadata, name) for name in names}
    return found
