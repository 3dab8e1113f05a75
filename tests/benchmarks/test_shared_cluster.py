"""The cluster that the benchmarks of one commit share: real runs of asv, in which two benchmarks say where they are."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import ROOT, clean_environment, gone, kill, mentioning, shared_memory

#: Added to a copy of the benchmarks. Each says what it knows, and ends when it is told to.
PROBE = """
import json, os, sys
from benchmarks.common import act
from benchmarks.session import SessionBenchmark
from openhands.events.action import CmdRunAction

class Probe(SessionBenchmark):
    rounds = 1

    def track_first(self):
        act(self.runtime, CmdRunAction("(setsid sleep 1000 &) ; echo probe"), "probe")
        said = {"address": os.environ.get("RAY_ADDRESS"), "pid": os.getpid(), "parent": os.getppid()}
        with open(os.environ["PROBE_SAYS"], "w") as says:
            says.write(json.dumps(said))
        with open(os.environ["PROBE_HEARS"]) as hears:
            hears.read()
        return 1

    def track_second(self):
        return self.track_first()

class Samples(SessionBenchmark):
    rounds = 1
    number = 1
    repeat = 3
    warmup_time = 0

    def prepare(self):
        print("prepared", file=sys.stderr)

    def time_act(self):
        act(self.runtime, CmdRunAction("echo sample"), "sample")
        print("sampled", file=sys.stderr)
"""


class Run:
    """A run of asv over the two probes, in the environment of the tests."""

    def __init__(self, folder: Path, launch_method: str) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "benchmarks", folder / "benchmarks")
        (folder / "benchmarks/probe.py").write_text(PROBE)
        settings = {"version": 1, "project": "probe", "repo": str(ROOT), "environment_type": "existing"}
        settings["launch_method"] = launch_method
        (folder / "asv.conf.json").write_text(json.dumps(settings))
        self.says, self.hears = folder / "says", folder / "hears"
        os.mkfifo(self.says)
        os.mkfifo(self.hears)
        self._reader = os.open(self.says, os.O_RDWR)  # to wait for it and for the end of asv
        self.environment = clean_environment(
            HOME=str(folder), TMPDIR=str(folder), PROBE_SAYS=str(self.says), PROBE_HEARS=str(self.hears)
        )
        del self.environment["PYTHONPATH"]  # asv takes what it names out of the path, the installed package too
        subprocess.run(self._asv("machine", "--yes"), env=self.environment, cwd=folder, check=True, capture_output=True)
        command = self._asv(
            "run", "--environment", f"existing:{sys.executable}", "--dry-run", "--show-stderr", "--bench", "probe"
        )
        with open(folder / "output", "wb") as output:
            self.asv = subprocess.Popen(command, env=self.environment, cwd=folder, stdout=output, stderr=output)

    def _asv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "asv", *arguments]

    def probe(self) -> dict[str, Any]:
        """Wait for the next benchmark and return what it says."""
        ended = os.pidfd_open(self.asv.pid)
        ready, _, _ = select.select([self._reader, ended], [], [], 100)
        os.close(ended)
        assert ready == [self._reader], self.output()
        said: dict[str, Any] = json.loads(os.read(self._reader, 4096))
        return said

    def output(self) -> str:
        return (self.folder / "output").read_text()

    def go_on(self) -> None:
        """Let the benchmark end."""
        self.hears.write_text("")

    def keeper(self) -> psutil.Process:
        """Return the process that the cluster is below."""
        (watchdog,) = [each for each in self.processes() if "watchdog.py" in " ".join(each.cmdline())]
        parent = watchdog.parent()
        assert parent is not None
        return parent

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(pid) for pid in mentioning(str(self.folder))]

    def assert_nothing_left(self, before: list[psutil.Process]) -> None:
        assert gone(before)
        assert gone(self.processes())  # what those have started since, as the janitors of sessions
        assert self.processes() == []
        assert not shared_memory({process.pid for process in before})
        assert [each for each in self.folder.glob("openhands-ray-*/*") if each.name != "sessions"] == []
        assert list(self.folder.glob("openhands-ray-*/sessions/*")) == []


@pytest.fixture
def start() -> Iterator[Any]:
    """Start a run in a folder with a short path, since Ray makes sockets in it; nothing of it outlives the test."""
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="ohr-") as folder:

        def start(launch_method: str = "forkserver") -> Run:
            runs.append(Run(Path(folder), launch_method))
            return runs[-1]

        yield start
        for run in runs:
            run.asv.kill()
            run.asv.wait()
            kill(run.processes())


def test_the_benchmarks_of_a_run_share_one_cluster_which_ends_with_it(start: Any) -> None:
    run = start()
    first = run.probe()
    before = run.processes()
    run.go_on()
    second = run.probe()
    before += run.processes()
    run.go_on()

    assert run.asv.wait(60) == 0, run.output()
    assert first["address"] == second["address"] is not None
    assert first["pid"] != second["pid"]
    run.assert_nothing_left(before)
    assert (run.output().count("prepared"), run.output().count("sampled")) == (1, 3)  # one session for all samples


@pytest.mark.parametrize(
    ("victim", "signum"),
    [
        ("asv", signal.SIGINT),
        ("asv", signal.SIGKILL),
        pytest.param("forkserver", signal.SIGKILL, marks=pytest.mark.long),
    ],
)
def test_the_cluster_ends_with_a_run_that_is_ended(start: Any, victim: str, signum: signal.Signals) -> None:
    run = start()
    first = run.probe()
    before = run.processes()

    os.kill(run.asv.pid if victim == "asv" else first["parent"], signum)
    if signum == signal.SIGINT:
        _insist(run.asv)

    assert run.asv.wait(60) != 0
    run.assert_nothing_left(before)


def _insist(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C again: Python drops an interruption that comes while it runs a hook or a finalizer."""
    for _ in range(3):
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
        process.send_signal(signal.SIGINT)


@pytest.mark.long
def test_a_cluster_that_died_is_replaced_for_the_next_benchmark(start: Any) -> None:
    run = start()
    first = run.probe()
    keeper = run.keeper()
    dead = [keeper, *keeper.children(recursive=True)]
    keeper.kill()
    assert gone(dead)
    os.kill(first["pid"], signal.SIGKILL)  # it would wait for its cluster as long as Ray does

    second = run.probe()
    assert second["address"] not in {None, first["address"]}
    before = run.processes()
    run.go_on()
    assert run.asv.wait(60) == 2, run.output()  # one of the two failed
    run.assert_nothing_left(before)


@pytest.mark.long
def test_without_a_forkserver_each_benchmark_has_its_own_cluster(start: Any) -> None:
    run = start("spawn")
    first = run.probe()
    before = run.processes()

    assert first["address"] is None
    assert run.keeper().pid == first["pid"]
    run.asv.kill()
    run.asv.wait()
    run.assert_nothing_left(before)
