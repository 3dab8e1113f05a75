"""Clusters of processes of their own: started, attached to, killed; and what is left of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import (
    ROOT,
    SECRET,
    below,
    clean_environment,
    gone,
    mentioning,
    run_python,
    shared_memory,
)

from openhands_ray.cluster import Cluster
from openhands_ray.config import Settings
from openhands_ray.errors import ClusterError
from openhands_ray.worker.cgroup import places

#: A whole life without OpenHands: a session on a cluster, one action, and a line that tells where it all is.
DRIVER = """
import glob, json, os, sys
from openhands_ray import cluster
from openhands_ray.config import Settings
from openhands_ray.session import Session
settings = Settings.from_environment()
spec = {"workspace": "/workspace", "isolation": None, "volumes": [], "environment": {}, "no_change_timeout_s": 10,
        "kernel": True}
session = Session.create("life", spec, settings)
def run(command):
    return session.act({"action": "run", "args": {"command": command}, "timeout": 20}, 30)["content"]
actor = open(f"/proc/{session.info['pid']}/environ").read()
current = cluster._current
print(json.dumps({
    "output": run("(setsid sleep 1000 &) ; nohup sleep 1001 & echo worked"),
    "session_environment": run("env"),
    "actor_environment": actor,
    "temp_dir": current._temp_dir,
    "address": __import__("ray").get_runtime_context().gcs_address,
    "token": {name: value for name, value in os.environ.items() if name.startswith("RAY_AUTH_")},
    "private": current.private,
    "memory": current.memory_bytes() if current.private else None,
    "groups": [folder for line in open(f"/proc/{session.info['executor_pid']}/cgroup") if "openhands-ray-" in line
               for folder in glob.glob("/sys/fs/cgroup/*" + line.strip().split(":", 2)[2])],
    "pid": session.info["pid"],
    "executor": session.info["executor_pid"],
}), flush=True)
sys.stdin.readline()
"""


class Driver:
    """The program above in a process of its own, up to the point where its session has answered."""

    def __init__(self, temporary: Path, **environment: str) -> None:
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            env=clean_environment(TMPDIR=str(temporary), **environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the driver did not come to its session"
        self.said: dict[str, Any] = json.loads(line)
        self.processes = below(self.process.pid)
        if not self.said["private"]:
            self.processes += below(self.said["pid"])

    def end(self) -> int:
        self.process.communicate("\n")
        return self.process.returncode


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder with a short path, since Ray makes sockets in it."""
    with tempfile.TemporaryDirectory(prefix="ohr-") as folder:
        yield Path(folder)


@pytest.fixture
def driver(temporary: Path) -> Iterator[Driver]:
    driver = Driver(temporary, OPENHANDS_RAY_WARM_SESSIONS="1")  # which must not be left, either
    yield driver
    if driver.process.poll() is None:
        driver.end()


def assert_nothing_left(driver: Driver, temporary: Path) -> None:
    assert gone(driver.processes)
    assert mentioning(str(temporary)) == []
    assert [group for group in driver.said["groups"] if Path(group).exists()] == []
    assert not shared_memory({process.pid for process in driver.processes})
    assert not Path(driver.said["temp_dir"] or "/no/such").exists()
    assert [each for each in temporary.rglob("*") if each.name != "sessions" and each.parent != temporary] == []


def test_a_whole_life_leaves_nothing(driver: Driver, temporary: Path) -> None:
    said = driver.said
    assert said["private"]
    assert "worked" in said["output"]
    assert len(said["groups"]) >= len(places(None)[0]) - 1  # there is no limit of CPU time by default
    assert 20_000_000 < said["memory"] < 400_000_000
    assert SECRET in clean_environment().values()
    for environment in ("session_environment", "actor_environment"):
        assert "PATH=" in said[environment]
        assert SECRET not in said[environment]
    for process in driver.processes:
        if process.is_running() and process.pid != driver.process.pid and process.status() != psutil.STATUS_ZOMBIE:
            assert SECRET not in process.environ().values()
    assert driver.end() == 0
    assert_nothing_left(driver, temporary)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_driver_leaves_nothing(driver: Driver, temporary: Path, signum: signal.Signals) -> None:
    driver.process.send_signal(signum)
    driver.process.wait(20)
    assert_nothing_left(driver, temporary)


@pytest.fixture
def head(temporary: Path) -> Iterator[str]:
    """Another program's cluster; yields its address."""
    options = {"temp_dir": str(temporary / "head"), "num_cpus": 2, "object_store_bytes": 100_000_000}
    argv = [sys.executable, str(ROOT / "openhands_ray/head.py"), json.dumps(options)]
    lean = {"PYTHONPATH": str(ROOT / "openhands_ray/lean"), "PYTHONSAFEPATH": "1"}
    environment = clean_environment(**{**lean, "TMPDIR": str(temporary)})
    environment.pop("OPENAI_API_KEY")
    process = subprocess.Popen(
        argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["address"]
    processes = below(process.pid)
    process.communicate()
    assert gone(processes)


def test_attach_and_leave_the_cluster_as_it_was(head: str, temporary: Path) -> None:
    for signum in (None, signal.SIGKILL):
        driver = Driver(temporary, RAY_ADDRESS=head)
        assert (driver.said["private"], driver.said["temp_dir"]) == (False, None)
        assert "worked" in driver.said["output"]
        assert SECRET not in driver.said["session_environment"]
        if signum is None:
            assert driver.end() == 0
        else:
            driver.process.send_signal(signum)
            driver.process.wait(20)
        assert gone(driver.processes), signum
        sessions = temporary / f"openhands-ray-{os.getuid()}/sessions"
        # The other cluster notices the end of a killed driver, and then the janitors do their work.
        assert gone([each for each in psutil.process_iter() if each.pid in mentioning(str(sessions))], 60)
        assert not sessions.exists() or list(sessions.iterdir()) == []


#: Attaches to the cluster at its first argument.
ATTACH = """
import sys
from openhands_ray.cluster import Cluster
from openhands_ray.errors import ClusterError
try:
    Cluster.attach(sys.argv[1])
    print("attached")
except ClusterError as error:
    print("refused", error)
"""


def test_a_private_cluster_answers_only_who_has_its_token(driver: Driver) -> None:
    address, token = driver.said["address"], driver.said["token"]
    assert run_python(ATTACH, address, **token).stdout == "attached\n"
    refused = f"refused The Ray cluster at {address} asks for a token"
    others: list[dict[str, Any]] = [{}, {**token, "RAY_AUTH_TOKEN": "0" * 64}]
    for other in others:
        assert run_python(ATTACH, address, **other).stdout.startswith(refused)
    for name, value in token.items():
        assert f"{name}={value}" in driver.said["actor_environment"]
        assert value not in driver.said["session_environment"] or name == "RAY_AUTH_MODE"


#: Kills the control service, and waits until no thread of Ray's asks it for errors, without a pause.
OUTLIVE = """
import os, sys, threading, time
import psutil
from openhands_ray.cluster import Cluster
from openhands_ray.config import Settings

before = {name for name in os.environ if name.startswith("RAY_")}
cluster = Cluster.start(Settings())
added = {name for name in os.environ if name.startswith("RAY_")} - before
assert added <= {"RAY_CLIENT_MODE", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}, added  # what other programs inherit
def listening():
    return [each for each in threading.enumerate() if each.name == "ray_listen_error_messages"]
assert listening()
def polls(thread):  # what it asks before would wait for an answer, at no cost, to the end of the program
    frame = sys._current_frames().get(thread.ident)
    return frame is not None and "expected_job_ids" in frame.f_locals
while not all(map(polls, listening())):
    time.sleep(0.01)
(service,) = [each for each in psutil.Process().children(recursive=True) if each.name() == "gcs_server"]
service.kill()
while listening():
    time.sleep(0.05)
service.wait()
assert cluster.ended
if sys.argv[1] == "stop":
    cluster.stop()
else:
    raise ValueError("not caught")
print("left")
"""


@pytest.mark.parametrize("end", ["stop", "raise"])
def test_a_program_does_nothing_for_a_cluster_that_is_dead(end: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OUTLIVE, end],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if end == "stop":
        assert (done.stdout, done.returncode) == ("left\n", 0), done.stderr
    else:
        assert (done.stderr.splitlines()[-1], done.returncode) == ("ValueError: not caught", 1)


def test_an_address_where_nothing_is() -> None:
    program = """
from openhands_ray.cluster import Cluster
from openhands_ray.errors import ClusterError
try:
    Cluster.attach("127.0.0.1:1")
except ClusterError as error:
    print("refused", error)
"""
    done = run_python(program, RAY_gcs_rpc_server_reconnect_timeout_s="2", RAY_gcs_server_request_timeout_seconds="2")
    assert "refused The Ray cluster at 127.0.0.1:1 could not be reached" in done.stdout


def test_a_cluster_that_does_not_start_leaves_nothing(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    children = set(psutil.Process().children(recursive=True))
    with pytest.raises(ClusterError, match="did not start: ValueError"):
        Cluster.start(Settings(object_store_bytes=1))
    assert gone(list(set(psutil.Process().children(recursive=True)) - children))
    assert os.listdir(temporary) == []


def test_the_memory_of_another_cluster_is_not_ours_to_measure() -> None:
    with pytest.raises(ClusterError, match="not started here"):
        Cluster().memory_bytes()
