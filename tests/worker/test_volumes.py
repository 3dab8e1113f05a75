"""Folders of the node inside a session, behind each kind of walls."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support import LocalSession

from openhands_ray.errors import SessionStartError
from openhands_ray.worker.sandbox import sandbox_problem

needs_sandbox = pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "given").write_text("given")
    return folder


def volume(source: Path, target: str, **options: Any) -> dict[str, Any]:
    return {"source": str(source), "target": target, **options}


def test_a_folder_as_the_workspace(isolation: str, data: Path) -> None:
    session = LocalSession(isolation, volumes=[volume(data, "/workspace")])
    assert session.output("cat given; echo made > out") == "given"
    session.act("write", path="/workspace/written", content="x")
    assert session.act("read", path="/workspace/out")["content"] == "made\n"
    assert session.control("list", path=None)["result"] == ["given", "out", "written"]
    session.close()
    assert sorted(os.listdir(data)) == ["given", "out", "written"]
    assert (data / "given").stat().st_mode & 0o777 == 0o644


def test_folders_and_a_file_below_the_workspace(isolation: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the node")
    volumes = [volume(tmp_path / "file", "/workspace/deep/er/file"), volume(data, "/workspace/data")]
    session = LocalSession(isolation, volumes=volumes)
    assert session.output("cat data/given deep/er/file") == "givenof the node"
    assert session.act("read", path="/workspace/data/given")["content"] == "given"
    session.run("echo changed > data/given; echo changed > deep/er/file")
    session.close()
    assert [(data / "given").read_text(), (tmp_path / "file").read_text()] == ["changed\n"] * 2


def test_a_copy_of_its_own(isolation: str, data: Path) -> None:
    session = LocalSession(isolation, volumes=[volume(data, "/workspace/data", copied=True)])
    assert session.output("cd data; cat given; echo changed > given; touch new; cat given") == "givenchanged"
    other = LocalSession(isolation, volumes=[volume(data, "/workspace/data", copied=True)])
    assert other.output("cat data/given; ls data") == "givengiven"
    for each in (session, other):
        each.close()
        assert not each.root.exists()
    assert os.listdir(data) == ["given"]
    assert (data / "given").read_text() == "given"


def test_another_name_of_the_workspace(isolation: str, data: Path) -> None:
    session = LocalSession(isolation, workspace="/repo/main", volumes=[volume(data, "/repo/main/data")])
    session.act("write", path="/repo/main/w", content="x")
    assert session.output("cat w data/given") == "x\ngiven"
    assert session.act("read", path="/repo/main/w")["content"] == "x\n"
    assert session.control("list", path="/repo/main")["result"] == ["data/", "w"]
    session.close()


@needs_sandbox
def test_the_inner_volume_is_mounted_over_the_outer(data: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    (outer / "in").mkdir(parents=True)
    volumes = [volume(data, "/data/in", writable=False), volume(outer, "/data"), volume(data, "/opt-data")]
    session = LocalSession("sandbox", volumes=volumes)
    assert session.output("cat /data/in/given; touch /data/out; touch /data/in/x; cat /opt-data/given").startswith(
        "given"
    )
    session.close()
    assert sorted(os.listdir(outer)) == ["in", "out"]
    assert os.listdir(data) == ["given"]


@pytest.mark.parametrize(
    ("target", "options", "reason"),
    [
        ("/data", {}, "is to be outside of the workspace"),
        ("/workspace/../data", {}, "is to be outside of the workspace"),
        ("/workspace/data", {"writable": False}, "is to be read-only"),
        ("/workspace/outer/data", {}, "is to be inside another volume"),
    ],
)
def test_what_a_plain_process_cannot_have(
    data: Path, tmp_path: Path, target: str, options: dict[str, Any], reason: str
) -> None:
    (tmp_path / "outer").mkdir()
    volumes = [volume(tmp_path / "outer", "/workspace/outer"), volume(data, target, **options)]
    with pytest.raises(SessionStartError, match=f"{data}:{target} {reason}"):
        LocalSession("process", volumes=volumes)
    assert os.listdir(tmp_path / "outer") == []


def test_a_plain_process_has_the_same_path_anyway(data: Path) -> None:
    session = LocalSession("process", volumes=[volume(data, str(data))])
    assert session.output(f"cat {data}/given") == "given"
    session.close()
