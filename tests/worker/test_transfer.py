"""Copies, with names and links that would lead out of the folder."""

from __future__ import annotations

import io
import os
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from openhands_ray.worker.paths import Paths
from openhands_ray.worker.transfer import Transfers


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir()
    return tmp_path / "workspace"


@pytest.fixture
def transfers(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Transfers:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return Transfers(Paths("/workspace", str(workspace)))


def upload(
    transfers: Transfers, data: bytes, folder: str = "/workspace", name: str = "x", archive: bool = False
) -> None:
    transfer = transfers.upload()
    for start in range(0, len(data), 1000):
        transfers.write_chunk(transfer, data[start : start + 1000])
    transfers.finish_upload(transfer, folder, name, archive)


def download(transfers: Transfers, path: str, size: int = 1000) -> zipfile.ZipFile:
    transfer, parts = transfers.download(path), [b""]
    while len(parts) == 1 or len(parts[-1]) == size:
        parts.append(transfers.read_chunk(transfer, size))
    return zipfile.ZipFile(io.BytesIO(b"".join(parts)))


def archive(*members: tuple[str, bytes, int]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, data, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, data)
    return packed.getvalue()


def test_a_file(transfers: Transfers, workspace: Path) -> None:
    data = os.urandom(5000)
    upload(transfers, data, "/workspace/new/folder", "x.bin")
    assert (workspace / "new/folder/x.bin").read_bytes() == data


def test_the_name_is_only_a_name(transfers: Transfers, workspace: Path) -> None:
    upload(transfers, b"1", name="../../evil")
    assert os.listdir(workspace) == ["evil"]


def test_an_archive_keeps_its_modes_without_setuid(transfers: Transfers, workspace: Path) -> None:
    upload(transfers, archive(("d/run.sh", b"#!", 0o104755), ("d/x", b"1", 0o100640)), archive=True)
    assert stat.S_IMODE((workspace / "d/run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((workspace / "d/x").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "link/evil", "a/../link/evil"])
def test_an_archive_that_leads_out_writes_nothing_outside(
    transfers: Transfers, workspace: Path, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (workspace / "link").symlink_to(outside)
    with pytest.raises(ValueError, match="leads out of"):
        upload(transfers, archive(("fine", b"1", 0o644), (name, b"2", 0o644)), archive=True)
    assert not list(tmp_path.rglob("evil"))
    assert not Path("/evil").exists()
    assert not (workspace / "fine").exists()


def test_a_link_in_an_archive_becomes_a_file(transfers: Transfers, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    members = [("l", str(tmp_path).encode(), 0o120777), ("l2", str(tmp_path / "secret").encode(), 0o120777)]
    upload(transfers, archive(*members), archive=True)
    assert not (workspace / "l").is_symlink()
    assert not (workspace / "l2").is_symlink()


def test_what_is_no_archive(transfers: Transfers, workspace: Path) -> None:
    with pytest.raises(ValueError, match="must be zip files"):
        upload(transfers, b"not a zip", archive=True)
    with pytest.raises(ValueError, match="absolute"):
        upload(transfers, b"1", folder="relative")
    assert os.listdir(workspace) == []


def test_a_file_that_is_there_is_replaced_in_place(transfers: Transfers, workspace: Path) -> None:
    (workspace / "x").write_text("a long old text")
    (workspace / "x").chmod(0o750)
    (workspace / "soft").symlink_to("x")
    upload(transfers, b"new", name="soft")
    assert (workspace / "soft").is_symlink()
    assert (workspace / "x").read_text() == "new"
    assert stat.S_IMODE((workspace / "x").stat().st_mode) == 0o750


def test_a_file_cannot_go_where_a_folder_or_a_pipe_is(transfers: Transfers, workspace: Path) -> None:
    (workspace / "folder").mkdir()
    os.mkfifo(workspace / "pipe")
    (workspace / "x").write_text("old")
    for folder, name in (("/workspace", "folder"), ("/workspace", "pipe"), ("/workspace/x", "y")):
        with pytest.raises(OSError, match=r"folder|pipe|workspace/x"):
            upload(transfers, b"new", folder, name)
    assert (workspace / "x").read_text() == "old"


def test_an_archive_that_would_fill_the_disk_is_refused(transfers: Transfers, workspace: Path) -> None:
    stated = 0xFFFF_FFF0
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(shutil.disk_usage(workspace).free // stated + 1):
            file.writestr(f"zeros-{number}", bytes(100_000))
    bomb = packed.getvalue().replace((100_000).to_bytes(4, "little"), stated.to_bytes(4, "little"))
    with pytest.raises(OSError, match="are free"):
        upload(transfers, bomb, archive=True)
    assert os.listdir(workspace) == []


def _damaged(data: bytes) -> bytes:
    at = data.index(b"second file")
    return data[:at] + b"S" + data[at + 1 :]


def _encrypted(data: bytes) -> bytes:
    return data.replace(b"PK\3\4\x14\0\0", b"PK\3\4\x14\0\1").replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1")


@pytest.mark.parametrize("harm", [_damaged, _encrypted, lambda data: data[:-30]])
def test_an_archive_that_is_damaged_writes_nothing(transfers: Transfers, workspace: Path, harm: Any) -> None:
    data = archive(("a", b"first file", 0o644), ("b", b"second file", 0o644))
    (workspace / "a").write_text("old")
    assert harm(data) != data
    with pytest.raises(ValueError, match=r"archive|zip"):
        upload(transfers, harm(data), archive=True)
    assert os.listdir(workspace) == ["a"]
    assert (workspace / "a").read_text() == "old"


def test_nothing_is_left_in_the_temporary_folder(transfers: Transfers, tmp_path: Path) -> None:
    upload(transfers, b"1")
    with pytest.raises(ValueError, match="must be zip files"):
        upload(transfers, b"1", archive=True)
    transfer = transfers.upload()
    transfers.cancel(transfer)
    transfers.cancel(transfer)
    transfers.upload()
    transfers.close()
    assert os.listdir(tmp_path / "tmp") == []


def test_download(transfers: Transfers, workspace: Path) -> None:
    (workspace / "a/b").mkdir(parents=True)
    (workspace / "a/b/x").write_bytes(b"x" * 3000)
    (workspace / "old").write_text("before 1980")
    os.utime(workspace / "old", (0, 0))
    (workspace / "dangling").symlink_to("nowhere")
    (workspace / "to_old").symlink_to("old")
    (workspace / "to_a").symlink_to("a")
    (workspace / "empty/inside").mkdir(parents=True)
    (workspace / "old").chmod(0o750)
    os.mkfifo(workspace / "pipe")
    with download(transfers, "/workspace") as packed:
        assert sorted(packed.namelist()) == ["a/b/x", "empty/inside/", "old", "to_old"]
        assert stat.S_IMODE(packed.getinfo("old").external_attr >> 16) == 0o750
        assert packed.read("a/b/x") == b"x" * 3000
    with download(transfers, "/workspace/a/b/x") as packed:
        assert packed.namelist() == ["x"]


def test_downloads_that_cannot_be(transfers: Transfers) -> None:
    with pytest.raises(FileNotFoundError, match="/workspace/missing"):
        transfers.download("/workspace/missing")
    with pytest.raises(ValueError, match="absolute"):
        transfers.download("workspace")


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_chunks_of_any_size(transfers: Transfers, workspace: Path, size: int) -> None:
    (workspace / "x").write_text("abc")
    with download(transfers, "/workspace", size) as packed:
        assert packed.read("x") == b"abc"
