"""The editor's own behaviour; its texts are compared with OpenHands' in tests/oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openhands_ray.worker.editor import MAX_FILE_BYTES, Editor
from openhands_ray.worker.paths import Paths
from openhands_ray.worker.undo import MAX_UNDO


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    return Editor(Paths("/workspace", str(tmp_path)))


def edit(editor: Editor, command: str, path: str = "/workspace/x", **args: Any) -> Any:
    return editor.edit({"command": command, "path": path, **args})


def test_create_edit_insert_and_undo(editor: Editor, tmp_path: Path) -> None:
    file = tmp_path / "x"
    assert edit(editor, "create", file_text="one\ntwo\n")["content"] == "File created successfully at: /workspace/x"
    edit(editor, "str_replace", old_str="two", new_str="2")
    edit(editor, "insert", insert_line=1, new_str="middle")
    assert file.read_text() == "one\nmiddle\n2\n"
    edit(editor, "undo_edit")
    assert file.read_text() == "one\n2\n"
    edit(editor, "undo_edit")
    assert file.read_text() == "one\ntwo\n"


def test_the_observation_carries_the_diff(editor: Editor) -> None:
    edit(editor, "create", file_text="a\nb\n")
    extras = edit(editor, "str_replace", old_str="b", new_str="c")["extras"]
    assert extras["diff"] == "--- /workspace/x\n+++ /workspace/x\n@@ -2 +2 @@\n-b\n+c"
    assert (extras["old_content"], extras["new_content"], extras["impl_source"]) == ("b", "c", "oh_aci")


def test_only_the_last_edits_are_undone(editor: Editor) -> None:
    edit(editor, "create", file_text="0")
    for number in range(MAX_UNDO + 2):
        edit(editor, "str_replace", old_str=str(number), new_str=str(number + 1))
    answers = [edit(editor, "undo_edit")["content"] for _ in range(MAX_UNDO + 1)]
    assert [text.startswith("Last edit to") for text in answers] == [True] * MAX_UNDO + [False]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_encoding_stays(editor: Editor, tmp_path: Path, encoding: str) -> None:
    text = "Съешь же ещё этих мягких французских булок, да выпей чаю.\n" * 5 + "конец"
    (tmp_path / "x").write_bytes(text.encode(encoding))
    if "edited" in edit(editor, "str_replace", old_str="конец", new_str="начало")["content"]:
        assert (tmp_path / "x").read_bytes().decode(encoding) == text.replace("конец", "начало")
    else:
        assert (tmp_path / "x").read_bytes() == text.encode(encoding)


@pytest.mark.parametrize("command", ["create", "str_replace", "insert"])
def test_text_that_is_no_unicode_leaves_the_file(editor: Editor, tmp_path: Path, command: str) -> None:
    if command != "create":
        (tmp_path / "x").write_text("keep me\n")
    args: dict[str, Any] = {"file_text": "\ud800", "old_str": "me", "new_str": "\ud800", "insert_line": 0}
    assert edit(editor, command, **args)["content"].startswith("ERROR:\n")
    assert (tmp_path / "x").exists() is (command != "create")
    assert command == "create" or (tmp_path / "x").read_text() == "keep me\n"


@pytest.mark.parametrize(
    ("command", "args", "shown"),
    [
        ("create", {}, "Parameter `file_text` is required for command: create."),
        ("str_replace", {}, "The path /workspace/x does not exist."),
        ("dance", {}, "does not exist"),
        ("view", {}, "does not exist"),
        ("insert", {"insert_line": "two"}, "Invalid insert_line value: 'two'. Expected an integer."),
    ],
)
def test_errors(editor: Editor, command: str, args: dict[str, Any], shown: str) -> None:
    content = edit(editor, command, **args)["content"]
    assert content.startswith("ERROR:\n")
    assert shown in content


def test_a_relative_path_is_refused_with_a_hint(editor: Editor) -> None:
    edit(editor, "create", file_text="x")
    assert "Maybe you meant /workspace/x?" in edit(editor, "view", path="x")["content"]


def test_large_and_binary_files_are_refused(editor: Editor, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a" * (MAX_FILE_BYTES + 1))
    assert "too large (10.0MB)" in edit(editor, "view")["content"]
    (tmp_path / "x").write_bytes(b"\0\1\2\3" * 100)
    assert "appears to be binary" in edit(editor, "view")["content"]


def test_a_folder_is_listed_two_levels_deep(editor: Editor, tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / ".hidden").touch()
    content = edit(editor, "view", path="/workspace")["content"]
    assert content.split(":\n")[1].split("\n\n")[0].split("\n") == ["/workspace/", "/workspace/a/", "/workspace/a/b/"]
    assert "1 hidden files/directories" in content
