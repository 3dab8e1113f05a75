"""Side by side with OpenHands' own shell and editor: the same, except for what is written here."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openhands_ray.worker.bash import BashSession
from openhands_ray.worker.editor import Editor
from openhands_ray.worker.paths import Paths

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


TEXT = "one\ntwo\nthree\n\tfour  \nfive\nsix\nseven\neight\nnine\nten"

EDITS: list[dict[str, Any]] = [
    {"command": "view", "path": "x"},
    {"command": "view", "path": "x", "view_range": [2, 4]},
    {"command": "view", "path": "x", "view_range": [9, -1]},
    {"command": "view", "path": "x", "view_range": [9, 99]},
    {"command": "view", "path": "x", "view_range": [0, 3]},
    {"command": "view", "path": "x", "view_range": [4, 2]},
    {"command": "view", "path": "x", "view_range": [4]},
    {"command": "view", "path": ""},
    {"command": "view", "path": "", "view_range": [1, 2]},
    {"command": "view", "path": "missing"},
    {"command": "create", "path": "new", "file_text": "a\nb"},
    {"command": "create", "path": "new", "file_text": "c"},
    {"command": "create", "path": "nothing"},
    {"command": "str_replace", "path": "x", "old_str": "five\nsix", "new_str": "5\n6\n6b"},
    {"command": "str_replace", "path": "x", "old_str": "absent", "new_str": "y"},
    {"command": "str_replace", "path": "x", "old_str": "e", "new_str": "y"},
    {"command": "str_replace", "path": "x", "old_str": "one", "new_str": "one"},
    {"command": "str_replace", "path": "x", "old_str": "one"},
    {"command": "str_replace", "path": "x", "new_str": "y"},
    {"command": "str_replace", "path": "sub", "old_str": "e", "new_str": "y"},
    {"command": "insert", "path": "x", "insert_line": 0, "new_str": "first"},
    {"command": "insert", "path": "x", "insert_line": 3, "new_str": "a\nb\n"},
    {"command": "insert", "path": "x", "insert_line": 99, "new_str": "a"},
    {"command": "insert", "path": "x", "insert_line": 1},
    {"command": "insert", "path": "x", "new_str": "a"},
    {"command": "undo_edit", "path": "x"},
    {"command": "undo_edit", "path": "x"},
    {"command": "undo_edit", "path": "sub/quiet"},
    {"command": "str_replace", "path": "a.pdf", "old_str": "a", "new_str": "b"},
    {"command": "view", "path": "long"},
    {"command": "fly", "path": "x"},
    {"command": "view", "path": "x"},
]


def _fill(folder: Path) -> None:
    (folder / "sub/deep/deeper").mkdir(parents=True)
    (folder / "x").write_text(TEXT)
    (folder / "sub/quiet").write_text("q")
    (folder / ".hidden").touch()
    (folder / "a.pdf").write_bytes(b"%PDF")
    (folder / "long").write_text("a line of text\n" * 3000)


def test_the_editor_answers_as_openhands_does(tmp_path: Path) -> None:
    from openhands.runtime.action_execution_server import _execute_file_editor
    from openhands_aci.editor.editor import OHEditor

    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir()
        _fill(folder)
    theirs, ours = OHEditor(workspace_root=str(other)), Editor(Paths(str(mine), str(mine)))
    for step in EDITS:
        command, name = step["command"], step["path"]
        args = {key: value for key, value in step.items() if key not in ("command", "path")}
        expected, contents = _execute_file_editor(theirs, command, str(other / name), **args)
        found, (old, new) = ours.run(command, str(mine / name), **args)
        assert found.replace(str(mine), "~") == expected.replace(str(other), "~"), step
        assert (old, new) == contents, step
        assert (mine / "x").read_text() == (other / "x").read_text(), step
