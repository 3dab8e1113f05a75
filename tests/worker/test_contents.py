"""Reading without waiting, replacing without losing."""

from __future__ import annotations

import io
import os
import resource
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openhands_ray.worker.contents import NotAFileError, open_file, replace, replace_from


@pytest.fixture
def source(tmp_path: Path) -> Iterator[io.BufferedReader]:
    """A file that is larger than the limit, made before there is one."""
    (tmp_path / "source").write_bytes(b"s" * 2000)
    with (tmp_path / "source").open("rb") as file:
        yield file


@contextmanager
def size_limit() -> Iterator[int]:
    """Let no file grow beyond this many bytes, as a full disk would not; what pytest writes is a file, too."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, former[1]))
    try:
        yield 1000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


@pytest.mark.parametrize("data", [b"", b"new", b"longer than before" * 100])
def test_a_file_is_replaced_in_place(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"before" * 10)
    file.chmod(0o4751)
    (tmp_path / "hard").hardlink_to(file)
    (tmp_path / "soft").symlink_to("x")
    before = file.stat()
    replace(str(tmp_path / "soft"), data)
    after = file.stat()
    assert file.read_bytes() == data
    assert (after.st_ino, after.st_mode, after.st_nlink) == (before.st_ino, before.st_mode, 2)
    assert (tmp_path / "soft").is_symlink()


def test_a_new_file(tmp_path: Path) -> None:
    (tmp_path / "soft").symlink_to("target")
    replace(str(tmp_path / "soft"), b"x", mode=0o640)
    assert (tmp_path / "target").read_bytes() == b"x"
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o640
    with pytest.raises(FileNotFoundError):
        replace(str(tmp_path / "no/folder"), b"x")


def test_what_does_not_fit_leaves_the_file(tmp_path: Path, source: io.BufferedReader) -> None:
    (tmp_path / "x").write_bytes(b"before")
    (tmp_path / "empty").touch()
    with size_limit() as limit:
        for path in ("x", "empty", "new"):
            with pytest.raises(OSError, match="File too large"):
                replace(str(tmp_path / path), b"a" * (limit + 1))
            source.seek(0)
            with pytest.raises(OSError, match="File too large"):
                replace_from(str(tmp_path / path), source)
        replace(str(tmp_path / "fits"), b"a" * limit)
    assert (tmp_path / "x").read_bytes() == b"before"
    assert (tmp_path / "empty").read_bytes() == b""
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "fits").stat().st_size == limit


def test_where_space_cannot_be_reserved_it_is_written_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    replace(str(tmp_path / "x"), b"new")
    replace(str(tmp_path / "x"), b"newer")
    assert (tmp_path / "x").read_bytes() == b"newer"


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "pipe", tmp_path / "socket", "/dev/zero", "/dev/tty", "/dev/full"):
            with pytest.raises(NotAFileError):
                open_file(str(path))
            with pytest.raises(NotAFileError):
                replace(str(path), b"x")
    for path in (tmp_path, "/"):
        with pytest.raises(IsADirectoryError):
            open_file(str(path))
    with open_file("/dev/null") as null:
        assert null.read() == b""


def test_a_pipe_that_takes_the_place_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"x")
    was = os.stat(tmp_path / "x")
    (tmp_path / "x").unlink()
    os.mkfifo(tmp_path / "x")
    monkeypatch.setattr(os, "stat", lambda *_: was)
    with pytest.raises(NotAFileError):
        open_file(str(tmp_path / "x"))
