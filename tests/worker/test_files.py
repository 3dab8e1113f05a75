"""Reading, writing and listing, in a folder that stands for /workspace."""

from __future__ import annotations

import base64
import io
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openhands_ray.worker.editor import Editor
from openhands_ray.worker.encoding import is_binary
from openhands_ray.worker.files import Files, _lines
from openhands_ray.worker.paths import Paths

CWD = "/workspace"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    paths = Paths(CWD, str(tmp_path))
    return Files(paths, Editor(paths))


def read(files: Files, path: str, **args: Any) -> Any:
    return files.read({"path": path, **args}, CWD)


def write(files: Files, path: str, content: str, **args: Any) -> Any:
    return files.write({"path": path, "content": content, **args}, CWD)


def test_a_new_file_has_its_folders_its_mode_and_a_newline(files: Files, tmp_path: Path) -> None:
    observation = write(files, "/workspace/a/b/c.txt", "text")
    assert observation == {"observation": "write", "content": "", "extras": {"path": "/workspace/a/b/c.txt"}}
    assert (tmp_path / "a/b/c.txt").read_text() == "text\n"
    assert stat.S_IMODE((tmp_path / "a/b/c.txt").stat().st_mode) == 0o664


def test_an_old_file_keeps_its_mode(files: Files, tmp_path: Path) -> None:
    (tmp_path / "x.sh").write_text("a long old text\n")
    (tmp_path / "x.sh").chmod(0o755)
    write(files, "x.sh", "new")
    assert (tmp_path / "x.sh").read_text() == "new\n"
    assert stat.S_IMODE((tmp_path / "x.sh").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [(0, -1, "new\n"), (1, 2, "1\nnew\n3\n"), (2, -1, "1\n2\nnew\n"), (0, 1, "new\n2\n3\n"), (1, 1, "1\nnew\n2\n3\n")],
)
def test_lines_are_replaced(files: Files, tmp_path: Path, start: int, end: int, text: str) -> None:
    (tmp_path / "x").write_text("1\n2\n3\n")
    write(files, "x", "new", start=start, end=end)
    assert (tmp_path / "x").read_text() == text


def test_read(files: Files, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("één\ntwee\n3")
    assert read(files, "x")["content"] == "één\ntwee\n3"
    assert read(files, "/workspace/x")["extras"]["path"] == "/workspace/x"
    assert read(files, "x", start=1, end=2)["content"] == "twee\n"


def test_read_by_the_editor(files: Files, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a\nb\nc\n")
    observation = read(files, "/workspace/x", impl_source="oh_aci", view_range=[2, 3])
    assert observation["content"] == "Here's the result of running `cat -n` on /workspace/x:\n     2\tb\n     3\tc\n"
    assert observation["extras"]["impl_source"] == "oh_aci"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("missing", "File not found: /workspace/missing. Your current working directory is /workspace."),
        ("folder", "Path is a directory: /workspace/folder. You can only read files"),
        ("/workspace/binary", "ERROR_BINARY_FILE"),
        ("binary", "File could not be decoded as utf-8: /workspace/binary."),  # asked of OpenHands' server's own folder
        ("code.pyc", "ERROR_BINARY_FILE"),
        ("latin", "File could not be decoded as utf-8: /workspace/latin."),
    ],
)
def test_what_cannot_be_read(files: Files, tmp_path: Path, path: str, content: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "latin").write_bytes(b"caf\xe9 is a word in a longer text, which is thus a text\n" * 4)
    observation = read(files, path)
    assert (observation["observation"], observation["content"]) == ("error", content)


@pytest.mark.parametrize(
    ("name", "kind"), [("x.png", "image/png"), ("x.JPG", "image/jpeg"), ("x.pdf", "application/pdf")]
)
def test_media_are_data_urls(files: Files, tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"plain enough")
    expected = base64.b64encode(b"plain enough").decode()
    assert read(files, name)["content"] == f"data:{kind};base64,{expected}"


@pytest.mark.parametrize("path", ["folder", "latin"])
def test_what_cannot_be_written(files: Files, tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin").write_bytes(b"\xe9\n")
    assert write(files, path, "x", start=1)["observation"] == "error"
    assert (tmp_path / "latin").read_bytes() == b"\xe9\n"


@pytest.mark.parametrize("content", ["\ud800", "a\n\udfff"])
def test_text_that_is_no_unicode_leaves_the_old_text(files: Files, tmp_path: Path, content: str) -> None:
    (tmp_path / "old").write_text("old\n")
    for name in ("old", "new"):
        with pytest.raises(UnicodeEncodeError):
            write(files, name, content)
    assert (tmp_path / "old").read_text() == "old\n"
    assert not (tmp_path / "new").exists()


def test_list(files: Files, tmp_path: Path) -> None:
    for name in ("b.txt", "A.txt", ".hidden"):
        (tmp_path / name).touch()
    for name in ("zoo", "Art"):
        (tmp_path / name).mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "zoo/inner").touch()
    assert files.list(None) == ["Art/", "zoo/", ".hidden", "A.txt", "b.txt"]
    assert files.list("zoo") == files.list("/workspace/zoo") == ["inner"]
    assert files.list("missing") == files.list("b.txt") == []


@pytest.mark.parametrize(
    ("data", "binary"),
    [(b"", False), (b"text\r\n", False), ("ünï".encode(), False), (b"\0\1\2", True), (b"\x7fELF\2\1\1\0\0", True)],
)
def test_is_binary(tmp_path: Path, data: bytes, binary: bool) -> None:
    (tmp_path / "x").write_bytes(data)
    assert is_binary(str(tmp_path / "x")) is binary


@pytest.mark.oracle
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_binary_as_binaryornot_says(tmp_path: Path, data: bytes) -> None:
    from binaryornot.check import is_binary as theirs

    (tmp_path / "x").write_bytes(data)
    try:
        expected = theirs(str(tmp_path / "x"))
    except NameError:  # documented difference: on these it crashes
        expected = True
    assert is_binary(str(tmp_path / "x")) == expected


@pytest.mark.oracle
@settings(deadline=None)
@given(count=st.integers(0, 5), start=st.integers(-2, 7), end=st.integers(-1, 7))
def test_lines_as_openhands_slices_them(count: int, start: int, end: int) -> None:
    from openhands.runtime.utils.files import read_lines

    lines = [f"{number}\n" for number in range(count)]
    assert _lines(io.StringIO("".join(lines)), start, end) == "".join(read_lines(lines, start, end))


@pytest.mark.oracle
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text("ab\n", max_size=12),
    content=st.text("xy\n", max_size=5),
    start=st.integers(0, 5),
    end=st.integers(-1, 6),
)
def test_lines_as_openhands_inserts_them(
    files: Files, tmp_path: Path, text: str, content: str, start: int, end: int
) -> None:
    from openhands.runtime.utils.files import insert_lines

    (tmp_path / "x").write_text(text)
    write(files, "x", content, start=start, end=end)
    expected = insert_lines(content.split("\n"), text.splitlines(keepends=True), start, end)
    assert (tmp_path / "x").read_text() == "".join(expected)


def test_a_pipe_is_not_waited_for_in_vain(files: Files, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        os.write(descriptor, b"once\n")
        names = files.list(None)
    finally:
        os.close(descriptor)
    assert names == ["pipe"]
