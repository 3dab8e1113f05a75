"""The editor's own behaviour; its texts are compared with OpenHands' in tests/oracle."""

from __future__ import annotations

import os
import shutil
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


def test_large_texts_are_undone_too_and_kept_outside_of_memory(
    editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    texts = [f"{number}\n" + "é\n" * 70_000 for number in range(MAX_UNDO + 3)]
    edit(editor, "create", file_text=texts[0])
    for number in range(1, len(texts)):
        edit(editor, "str_replace", old_str=f"{number - 1}\n", new_str=f"{number}\n")
    assert len(list((tmp_path / "tmp").rglob("tmp*"))) == MAX_UNDO
    for text in texts[-2 : -MAX_UNDO - 2 : -1]:
        edit(editor, "undo_edit")
        assert (tmp_path / "x").read_text() == text
    assert edit(editor, "undo_edit")["content"] == "ERROR:\nNo edit history found for /workspace/x."
    assert not list((tmp_path / "tmp").rglob("tmp*"))


def test_former_texts_that_somebody_removed(editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    edit(editor, "create", file_text="a\n" * 70_000)
    for folder in (tmp_path / "tmp").iterdir():
        shutil.rmtree(folder)
    assert "No edit history" in edit(editor, "undo_edit")["content"]
    edit(editor, "insert", insert_line=0, new_str="b")
    assert "undone successfully" in edit(editor, "undo_edit")["content"]


def test_an_undo_that_fails_can_be_done_again(editor: Editor, tmp_path: Path) -> None:
    edit(editor, "create", path="/workspace/y", file_text="日本")
    (tmp_path / "y").write_bytes(b"# -*- coding: latin-1 -*-\n# long enough to be sure of the encoding\n")
    assert "while trying to write to" in edit(editor, "undo_edit", path="/workspace/y")["content"]
    (tmp_path / "y").write_text("anything")
    assert "undone successfully" in edit(editor, "undo_edit", path="/workspace/y")["content"]
    assert (tmp_path / "y").read_text() == "日本"


def test_many_occurrences_take_no_longer_than_the_file_is_large(editor: Editor, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a" * 5_000_000 + "\n")
    content = edit(editor, "str_replace", old_str="a", new_str="b")["content"]
    assert content.endswith("Multiple occurrences of old_str `a` in lines [1]. Please ensure it is unique.")


def test_a_pipe_is_refused(editor: Editor, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    for command in ("view", "str_replace", "insert", "undo_edit"):
        content = edit(editor, command, old_str="a", new_str="b", insert_line=0)["content"]
        assert content.startswith("ERROR:\nFile validation failed for /workspace/x: ")


@pytest.mark.parametrize(
    "name", ["sp ace", "$(touch evil)", "a;touch evil", "[a-z]*?", "back\\slash", "quo'te", "-maxdepth"]
)
def test_a_folder_of_any_name_is_listed(editor: Editor, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    (folder / "sub").mkdir(parents=True)
    (folder / ".hidden").touch()
    for extra in ("plain", "to_sub"):  # with a link to a folder, `find` is asked
        if extra == "to_sub":
            (folder / extra).symlink_to("sub")
        content = edit(editor, "view", path=f"/workspace/{name}")["content"]
        assert f"/workspace/{name}/sub/" in content.split("\n")
        assert "1 hidden files/directories" in content
        assert (f"/workspace/{name}/to_sub/" in content) is (extra == "to_sub")
    assert not list(tmp_path.rglob("evil"))
