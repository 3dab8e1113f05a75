"""``openhands-ray cluster`` and ``openhands-ray sessions`` as a user runs them, and what is left after them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from nodes import Driver
from support import SECRET, below, clean_environment, gone, mentioning, run_python

pytestmark = pytest.mark.alone  # a cluster may be slow, but not as slow as one that is frozen

#: The commands, where a cluster has so many seconds to answer.
IMPATIENT = "from openhands_ray import cli; cli.connection.PATIENCE_S = {}; cli.program()"


class Commands:
    """The commands, with a state and temporary files of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = clean_environment(
            XDG_STATE_HOME=str(folder / "state"), TMPDIR=str(folder / "tmp"), COLUMNS="120"
        )
        (folder / "tmp").mkdir()

    def start(self, *arguments: str, patience_s: int | None = None, **options: Any) -> subprocess.Popen[str]:
        called = ["-m", "openhands_ray.cli"] if patience_s is None else ["-c", IMPATIENT.format(patience_s)]
        return subprocess.Popen(
            [sys.executable, *called, *arguments],
            env={**self.environment, **options},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, status: int = 0, **options: Any) -> str:
        """Run a command to its end; return what it printed, its errors where it is to fail."""
        process = self.start(*arguments, **options)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == status, errors
        return errors if status else output

    def head(self) -> psutil.Process:
        """Return the first process of the cluster that was started."""
        return psutil.Process(json.loads(next(self.folder.rglob("cluster-*.json")).read_text())["pid"])

    def left(self) -> list[str]:
        """Return the files that are still there, and the processes that were started with these folders."""
        files = [str(path) for path in self.folder.rglob("*") if path.is_file()]
        return [*files, *map(str, (self.folder / "tmp").iterdir()), *map(str, mentioning(str(self.folder)))]


def exported(line: str) -> dict[str, str]:
    """Return the variables that ``cluster start`` has printed."""
    command, *assignments = line.split()
    assert command == "export"
    return dict(each.split("=", 1) for each in assignments)


@pytest.fixture
def commands() -> Iterator[Commands]:
    with tempfile.TemporaryDirectory(prefix="o-", dir="/tmp") as folder:  # Ray makes sockets in it
        commands = Commands(Path(folder))
        yield commands
        commands.run("cluster", "stop")


def test_a_cluster_from_start_to_stop(commands: Commands) -> None:
    line = commands.run("cluster", "start", "--cpus", "3")
    assert line.startswith("export RAY_ADDRESS=127.0.0.2:")
    assert commands.run("cluster", "start") == line  # it runs already
    environment = exported(line)
    address = environment.pop("RAY_ADDRESS")
    stranger = Driver(address)
    stranger.tell("rows")
    assert stranger.process.wait(60) != 0  # without the token nobody is answered

    driver = Driver(address, **environment)
    assert driver.ask("recording") == {"recording": False}  # nobody could read it: a lean cluster exports nothing
    driver.create("mine")
    assert driver.ask("run", sid="mine", command="echo here")["content"] == "here"
    (row,) = json.loads(commands.run("sessions", "--json"))
    assert (row["sid"], row["node"], row["state"], row["action"]) == ("mine", "127.0.0.2", "idle", "run")
    table = commands.run("sessions", "--address", address).splitlines()
    assert table[0].split() == ["id", "node", "age", "state", "memory", "last", "action", "pool"]
    assert table[1].split()[0] == "mine"
    assert table[-1] == "1 session (1 idle)"
    metrics = commands.run("sessions", "--prometheus")
    assert 'openhands_ray_sessions{state="idle"} 1\n' in metrics
    assert 'openhands_ray_session_actions_total{sid="mine",node="127.0.0.2"} 1\n' in metrics

    status = json.loads(commands.run("cluster", "status", "--json"))
    assert status["sessions"] == {"idle": 1}
    assert 20e6 < status["memory_bytes"] < 400e6
    (node,) = status["nodes"]
    assert (node["address"], node["total"]["CPU"], node["sessions"]) == ("127.0.0.2", 3, 1)
    text = commands.run("cluster", "status")
    assert "127.0.0.2" in text
    assert f"1 session (1 idle) at {address}" in text

    head = commands.head()
    processes = below(head.pid)
    assert len(processes) > 5
    for process in processes:
        assert SECRET not in process.environ().values()
    driver.ask("close", sid="mine")
    driver.end()
    commands.run("cluster", "stop")
    assert gone(processes)
    assert commands.left() == []
    assert "There is no cluster to ask. Start one by" in commands.run("sessions", status=1)


def test_stop_ends_sessions_and_start_after_a_crash_begins_anew(commands: Commands) -> None:
    first = commands.run("cluster", "start")
    program = """
import sys
from openhands_ray.config import Settings
from openhands_ray.session import Session
spec = {"workspace": "/workspace", "isolation": None, "volumes": [], "environment": {}, "no_change_timeout_s": 10,
        "kernel": False}
session = Session.create("kept", spec, Settings.from_environment(), keep=True)
session.act({"action": "run", "args": {"command": "setsid sleep 1000 &"}, "timeout": 20}, 30)
"""
    run_python(program, **exported(first))  # type: ignore[arg-type]
    (row,) = json.loads(commands.run("sessions", "--json"))
    assert (row["sid"], row["kept"]) == ("kept", True)
    head = commands.head()
    processes = below(head.pid)
    head.kill()
    assert gone([head])
    assert "There is no cluster to ask" in commands.run("cluster", "status", status=1)
    assert gone(processes)
    assert commands.left() == []  # not even of the killed one

    assert commands.run("cluster", "start") != ""
    processes = below(commands.head().pid)
    commands.run("cluster", "stop")
    assert gone(processes)
    assert commands.left() == []


def test_control_c_while_it_starts_leaves_nothing(commands: Commands) -> None:
    process = commands.start("cluster", "start")
    processes: list[psutil.Process] = []
    while len(processes) < 3:  # the head has begun to start Ray's
        processes = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (130, "", "interrupted\n")
    assert gone(processes)
    assert commands.left() == []


def test_watching_ends_by_control_c_and_with_its_cluster(commands: Commands) -> None:
    commands.run("cluster", "start")
    watching = ["sessions", "--watch", "--json", "--every", "0.1"]
    process, other = commands.start(*watching), commands.start(*watching)
    for each in (process, other):
        assert each.stdout is not None
        assert [json.loads(each.stdout.readline()) for _ in range(2)] == [[], []]
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120)[1] == ""
    assert process.returncode == 0
    commands.run("cluster", "stop")
    assert "could not be reached" in other.communicate(timeout=120)[1]
    assert other.returncode == 1


@pytest.mark.parametrize("fate", ["frozen", pytest.param("killed", marks=pytest.mark.long)])
def test_a_cluster_that_stops_answering_holds_nobody_up(commands: Commands, fate: str) -> None:
    commands.run("cluster", "start")
    watching = ["sessions", "--watch", "--json", "--every", "0.1"]
    interrupted, held = commands.start(*watching), commands.start(*watching, patience_s=10)
    for each in (interrupted, held):
        assert each.stdout is not None
        assert json.loads(each.stdout.readline()) == []
    (control_service,) = [each for each in below(commands.head().pid) if each.name() == "gcs_server"]
    control_service.suspend()
    late = commands.start("cluster", "status", patience_s=10)
    time.sleep(1)  # all of them wait now
    if fate == "killed":
        control_service.kill()
    interrupted.send_signal(signal.SIGINT)
    assert interrupted.communicate(timeout=60)[1] == ""
    assert interrupted.returncode == 0
    for each in (held, late):
        assert "could not be reached" in each.communicate(timeout=60)[1].splitlines()[-1]
        assert each.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cluster", "start", "--cpus", "0"], "cluster_cpus is at least 1"),
        (["sessions", "--address", "127.0.0.1:1"], "could not be reached"),
        (["cluster", "status"], "There is no cluster to ask"),
    ],
)
def test_what_is_refused(commands: Commands, arguments: list[str], said: str) -> None:
    assert said in commands.run(*arguments, status=1)


def test_the_commands_bring_neither_ray_nor_openhands() -> None:
    program = "import openhands_ray.cli as cli, sys; cli._parser(); print(*sys.modules)"
    modules = set(run_python(program).stdout.split())
    assert "openhands_ray.commands.cluster" in modules
    assert not modules & {"ray", "openhands", "rich", "asv"}
