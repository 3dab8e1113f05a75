"""By what a limit is held, and what is said where nothing holds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import LocalSession

from openhands_ray.errors import SessionStartError
from openhands_ray.worker import cgroup
from openhands_ray.worker.cgroup import ControlGroup, Place, places
from openhands_ray.worker.limits import DEFAULT_MEMORY_SHARE, Limits, confine, hold
from openhands_ray.worker.sandbox import sandbox_problem

MB = 1024 * 1024

sandboxed = pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))
grouped = pytest.mark.skipif(len(places(None)[0]) < 3, reason=places(None)[1])


def held(limits: Limits, *controllers: str, sandboxed: bool = True) -> Any:
    return hold(limits, sandboxed=sandboxed, controllers=controllers, problem="there are none")


def test_the_node_is_protected_where_that_costs_nothing() -> None:
    everything = held(Limits(), "memory", "pids", "cpu")
    assert set(everything.group) == {"memory_bytes", "processes"}
    assert everything.group["memory_bytes"] == int(DEFAULT_MEMORY_SHARE * psutil.virtual_memory().total)
    nothing = held(Limits(), sandboxed=False)
    assert set(nothing.missing) == {"memory_bytes", "processes"}
    assert nothing.description() == {}


def test_zero_is_no_limit() -> None:
    none = held(Limits(memory_bytes=0, processes=0, cpus=0, open_files=0, file_bytes=0, disk_bytes=0), "memory", "pids")
    assert none.description() == {}
    assert not none.missing


def test_what_is_asked_for_is_watched_where_no_group_can_be_made() -> None:
    assert held(Limits(memory_bytes=MB, processes=0)).watched == {"memory_bytes": MB}
    assert held(Limits(memory_bytes=0, processes=50), sandboxed=False).watched == {"processes": 50}


@pytest.mark.parametrize("asked", [{"cpus": 0.5}, {"disk_bytes": MB}])
def test_what_nothing_holds_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(OSError, match="a limit of"):
        held(Limits(**asked), sandboxed=False)


def test_resource_limits_are_those_of_all_that_is_started() -> None:
    program = (
        "import subprocess; from openhands_ray.worker.limits import confine; "
        "confine({'open_files': 99, 'file_bytes': 4096}); subprocess.run(['bash', '-c', 'ulimit -n -f'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["99", "4"]
    confine({})


@grouped
def test_a_group_is_entered_limits_and_ends_what_is_in_it() -> None:
    limits = {"processes": 40.0, "memory_bytes": 256.0 * MB, "cpus": 0.5}
    group = ControlGroup(limits, places(None)[0])
    program = "import time; print('in', flush=True); time.sleep(1000)"
    argv = group.enter([sys.executable, "-S", "-c", program])
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"in\n"
    for folder in group.folders:
        assert (folder / cgroup.INNER / "cgroup.procs").read_text().split() == [str(process.pid)]
    assert not group.full
    assert group.news() == []
    folders = list(group.folders)

    group.remove()
    group.remove()

    assert process.wait(10) == -9
    process.stdout.close()
    assert not any(folder.exists() for folder in folders)


def test_a_group_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    where = {"pids": Place(2, tmp_path), "memory": Place(2, tmp_path / "missing")}
    with pytest.raises(OSError, match="missing"):
        ControlGroup({"processes": 3, "memory_bytes": MB}, where)


def test_the_files_of_version_2(tmp_path: Path) -> None:
    """As they are written; what a kernel does with them is shown by ``test_control_groups.py``."""
    for name in ("cgroup.controllers", "cgroup.subtree_control", "cgroup.procs"):
        (tmp_path / name).write_text("cpu memory pids io")
    found, problem = places(str(tmp_path))
    assert set(found) == {"cpu", "memory", "pids"}
    assert problem == ""

    (folder,) = ControlGroup({"processes": 40, "memory_bytes": MB, "cpus": 0.5}, found).folders

    written = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
    assert written == {"pids.max": "40", "memory.max": str(MB), "cpu.max": "50000 100000"}


@pytest.mark.parametrize("content", [None, "io"])
def test_a_folder_that_is_no_place_for_groups_says_why(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        for name in ("cgroup.controllers", "cgroup.subtree_control", "cgroup.procs"):
            (tmp_path / name).write_text(content)
    found, problem = places(str(tmp_path))
    assert found == {}
    assert str(tmp_path) in problem


def test_a_limit_that_nothing_holds_is_an_error_at_the_start() -> None:
    children = set(psutil.Process().children())
    with pytest.raises(SessionStartError, match="a limit of the disk needs a sandbox"):
        LocalSession("process", limits={"disk_bytes": MB})
    with pytest.raises(SessionStartError, match="a session without network needs a sandbox"):
        LocalSession("process", network="none")
    assert set(psutil.Process().children()) == children


@pytest.fixture
def no_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node whose control groups cannot be written to."""
    monkeypatch.setattr(cgroup, "places", lambda parent: ({}, "none can be written to"))


@pytest.mark.usefixtures("no_groups")
def test_what_is_not_limited_is_said() -> None:
    session = LocalSession("process")
    info = session.actor.info()
    assert info["limits_problem"] == "none can be written to"
    assert set(info["limits_missing"]) == {"memory_bytes", "processes"}
    session.close()


@pytest.mark.usefixtures("no_groups")
@sandboxed
def test_memory_that_is_watched() -> None:
    session = LocalSession("sandbox", limits={"memory_bytes": 200 * MB})
    hog = "data = bytearray(400 * 2**20); print('it fits', flush=True); input()"
    said = session.output(f'python3 -c "{hog}" < <(sleep 1000)')
    assert "Killed" in said
    assert "The session reached its memory limit of 200 MiB" in said
    assert session.output("echo on") == "on"
    session.close()


@pytest.mark.usefixtures("no_groups")
@pytest.mark.parametrize("isolation", [pytest.param("sandbox", marks=sandboxed), "process"])
def test_processes_that_are_watched(isolation: str) -> None:
    session = LocalSession(isolation, limits={"processes": 600})
    if session.actor.info()["limits"]["processes"]["held"] != "watcher":
        pytest.fail("as root nothing else holds it") if os.getuid() == 0 else session.close()
        return
    said = session.run("for i in $(seq 1000); do sleep 1000 & done > /dev/null 2>&1; wait")
    assert "The shell ended" in said["extras"]["metadata"]["suffix"]
    assert "The session reached its limit of 600 processes" in said["content"]
    assert session.output("echo on") == "on"
    session.close()


@sandboxed
def test_without_network_there_is_a_loopback_alone() -> None:
    session = LocalSession("sandbox", network="none")
    assert session.output("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '") == "lo"
    listening = "python3 -m http.server 8000 --bind 127.0.0.1 > /dev/null 2>&1 &"
    ask = "until (exec 3<> /dev/tcp/127.0.0.1/8000) 2> /dev/null; do :; done; echo answered"
    assert session.output(f"{listening} {ask}").splitlines()[-1] == "answered"
    assert (session.actor.info()["ports"], session.actor.info()["network"]) == ([], "none")
    session.close()


@sandboxed
@grouped
def test_the_folders_of_a_limited_session_are_as_large_as_that() -> None:
    session = LocalSession("sandbox", limits={"disk_bytes": 3 * MB})
    sizes = session.output("df --output=size,target /workspace ~ /tmp /dev/shm /run | tail -n +2")
    assert {line.split()[0] for line in sizes.splitlines()} == {"3072"}
    assert session.output("stat -c %a /tmp /workspace").split() == ["1777", "700"]
    session.close()


@sandboxed
def test_what_ends_all_processes_spares_the_session() -> None:
    session = LocalSession("sandbox", kernel=True)
    assert "The shell ended" in session.run("sh -c 'kill -9 -1'")["extras"]["metadata"]["suffix"]
    assert session.act("run_ipython", code="print('again')")["content"].startswith("again")
    assert session.output("echo on") == "on"
    session.close()
