"""Copies into and out of a session, through all of its processes."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from openhands_ray.errors import TransferError

if TYPE_CHECKING:
    from conftest import MakeRuntime


@pytest.fixture(scope="module")
def runtime(make_runtime: MakeRuntime) -> Any:
    return make_runtime()


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder with a bit of everything."""
    top = tmp_path / "top"
    (top / "sub/empty").mkdir(parents=True)
    (top / "sub/run.sh").write_text("#!/bin/sh\necho ran\n")
    (top / "sub/run.sh").chmod(0o755)
    (top / "näme\n").write_bytes(b"\0\xff")
    (top / "link").symlink_to("sub/run.sh")
    (top / "dangling").symlink_to("nowhere")
    (top / "to_sub").symlink_to("sub")
    os.mkfifo(top / "pipe")
    return top


NAMES = ["link", "näme\n", "sub/empty/", "sub/run.sh"]


def output(runtime: Any, command: str) -> str:
    from openhands.events.action import CmdRunAction

    return str(runtime.run_action(CmdRunAction(command)).content)


def names(packed: Path) -> list[str]:
    with zipfile.ZipFile(packed) as archive:
        found = sorted(archive.namelist())
    packed.unlink()
    return found


def test_a_folder_goes_in_and_comes_out(runtime: Any, top: Path) -> None:
    runtime.copy_to(str(top), "/workspace/in/new", recursive=True)
    assert output(runtime, "/workspace/in/new/top/link; stat -c '%a %F' in/new/top/{sub/run.sh,link}") == (
        "ran\n755 regular file\n755 regular file"
    )
    assert names(runtime.copy_from("/workspace/in/new/top")) == NAMES
    assert names(runtime.copy_from("/workspace/in/new")) == [f"top/{name}" for name in NAMES]
    assert names(runtime.copy_from("/workspace/in/new/top/link")) == ["link"]


def test_a_folder_with_a_slash_at_its_end_goes_in_without_its_name(runtime: Any, top: Path) -> None:
    runtime.copy_to(f"{top}/", "/workspace/slash", recursive=True)
    assert names(runtime.copy_from("/workspace/slash")) == NAMES


def test_a_folder_from_the_present_one(runtime: Any, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(top.parent)
    runtime.copy_to("top", "/workspace/relative", recursive=True)
    assert names(runtime.copy_from("/workspace/relative")) == [f"top/{name}" for name in NAMES]


def test_a_single_file_and_an_empty_folder_with_recursive(runtime: Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    (tmp_path / "empty").mkdir()
    for name in ("x", "empty"):
        runtime.copy_to(str(tmp_path / name), "/workspace/single", recursive=True)
    assert output(runtime, "ls -F /workspace/single").split() == ["empty/", "x"]
    assert names(runtime.copy_from("/workspace/single/empty")) == []


def test_a_file_keeps_the_mode_of_the_one_it_replaces(runtime: Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("new")
    output(runtime, "echo a long old text > x; chmod 700 x; ln -s x soft")
    (tmp_path / "soft").write_text("newer")
    for name in ("x", "soft"):
        runtime.copy_to(str(tmp_path / name), "/workspace")
    assert output(runtime, "cat x; stat -c ' %a %F' x soft") == "newer 700 regular file\n 777 symbolic link"


def test_a_zip_file_is_unpacked(runtime: Any, top: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(top / "sub/run.sh", "deep/run.sh")
    runtime.copy_to(str(tmp_path / "packed.zip"), "/workspace/unpacked")
    assert output(runtime, "find unpacked -type f; unpacked/deep/run.sh") == "unpacked/deep/run.sh\nran"


def test_what_is_hostile_writes_nothing_and_the_session_goes_on(runtime: Any, tmp_path: Path) -> None:
    output(runtime, "mkdir -p /tmp/outside hostile && ln -s /tmp/outside hostile/link")
    for name in ("../evil", "/evil", "link/evil", "a/../../evil"):
        with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as archive:
            archive.writestr("fine", "1")
            archive.writestr(zipfile.ZipInfo(name), "2")
        with pytest.raises(TransferError, match="leads out of"):
            runtime.copy_to(str(tmp_path / "hostile.zip"), "/workspace/hostile")
    link = zipfile.ZipInfo("passwd")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    runtime.copy_to(str(tmp_path / "hostile.zip"), "/workspace/hostile")
    assert output(runtime, "find / -name evil 2>/dev/null; ls hostile; stat -c %F hostile/passwd") == (
        "link  passwd\nregular file"
    )


def test_what_cannot_be_copied(runtime: Any, top: Path) -> None:
    with pytest.raises(IsADirectoryError):
        runtime.copy_to(str(top), "/workspace")
    (top / "no.zip").write_text("no")
    with pytest.raises(TransferError, match="not a zip file"):
        runtime.copy_to(str(top / "no.zip"), "/workspace")
    with pytest.raises(TransferError, match="absolute"):
        runtime.copy_to(str(top / "link"), "relative")
    output(runtime, "mkdir -p unreadable && echo s > unreadable/secret && chmod 0 unreadable/secret")
    with pytest.raises(TransferError, match="Permission denied"):
        runtime.copy_from("/workspace/unreadable")
    output(runtime, "mkdir unreadable/shut && rm unreadable/secret && chmod 0 unreadable/shut")
    with pytest.raises(TransferError, match="Permission denied"):
        runtime.copy_from("/workspace/unreadable")
    assert output(runtime, "chmod 700 unreadable/shut; find /tmp -name 'upload-*' -o -name 'download-*'") == ""


def test_a_session_that_has_ended(make_runtime: MakeRuntime, top: Path) -> None:
    from openhands.core.exceptions import AgentRuntimeDisconnectedError

    runtime = make_runtime()
    runtime._live()._get(runtime._live()._actor.close.remote(), "close", 10)
    with pytest.raises(AgentRuntimeDisconnectedError):
        runtime.copy_to(str(top), "/workspace", recursive=True)
    with pytest.raises(AgentRuntimeDisconnectedError):
        runtime.copy_from("/workspace")


@pytest.mark.parametrize("nameless", [True, False])
def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool) -> None:
    from openhands_ray.client.copies import _named_when_whole

    if not nameless:  # as where a file system, or the kernel, knows no files without names
        monkeypatch.setattr(os, "O_TMPFILE", 0)
    with _named_when_whole(str(tmp_path)) as (file, name):
        file.write(b"part")
        assert os.path.exists(name) is not nameless
    assert (Path(name).read_bytes(), os.stat(name).st_mode & 0o777) == (b"part", 0o600)
    os.unlink(name)
    with pytest.raises(ZeroDivisionError), _named_when_whole(str(tmp_path)):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []
