"""What the tests share: a session without Ray, and what a run has left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from openhands_ray import wire
from openhands_ray.worker.actor import SessionActor

Observation = dict[str, Any]

#: Stands in the environment of the whole suite; no session may see it.
SECRET = "sk-not-for-sessions-5d1f"

ROOT = Path(__file__).parent.parent

#: Environment of OpenHands in tests: quiet, and no cluster but the suite's own.
QUIET = {"LOG_LEVEL": "ERROR", "LOG_TO_FILE": "false", "OPENAI_API_KEY": SECRET, "PYTHONWARNINGS": "ignore"}


class LocalSession:
    """A session as Ray would run it, in this process."""

    def __init__(self, isolation: str, **spec: Any) -> None:
        start = {"sid": "test", "workspace": "/workspace", "isolation": isolation, "volumes": [], "environment": {}}
        self.actor = SessionActor({**start, "no_change_timeout_s": 10, "kernel": False, **spec})
        self.root: Path = self.actor._sandbox.root

    def act(self, action: str, timeout_s: float | None = 30, **args: Any) -> Observation:
        request = wire.pack({"action": action, "args": args, "timeout": timeout_s})
        observation: Observation = wire.unpack(self.actor.act(request))["observation"]
        return observation

    def run(self, command: str, timeout_s: float | None = 30, **args: Any) -> Observation:
        return self.act("run", timeout_s, command=command, **args)

    def output(self, command: str) -> str:
        return str(self.run(command)["content"])

    def control(self, operation: str, **args: Any) -> wire.Message:
        return wire.unpack(self.actor.control(wire.pack({"operation": operation, "args": args})))

    def close(self) -> None:
        self.actor.close()


def below(pid: int) -> list[psutil.Process]:
    """Return the process and all below it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill them. The end of one may be that of the others, too."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def gone(processes: list[psutil.Process], timeout_s: float = 15) -> bool:
    """Wait until all of them have ended; return whether they have."""
    _, alive = psutil.wait_procs(processes, timeout=timeout_s)
    return all(ended(process) for process in alive)


def removed(path: Path, timeout_s: float = 15) -> bool:
    """Wait until there is no such file or folder any more, as when a janitor removes it; return whether that is so."""
    end = time.monotonic() + timeout_s
    while path.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return not path.exists()


def ended(process: psutil.Process) -> bool:
    """Return whether it has ended, be it that its parent has not looked yet (a zombie)."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def mentioning(text: str) -> list[int]:
    """Return the processes, but this one, whose command line or environment mentions ``text``."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or ended(process):
                continue
            if text in " ".join([*process.cmdline(), *process.environ().values()]):
                found.append(process.pid)
    return found


def shared_memory(pids: set[int]) -> list[str]:
    """Return the entries of /dev/shm that belong to these processes, or that name them."""
    return [name for name in os.listdir("/dev/shm") if any(str(pid) in name for pid in pids)]


def clean_environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return {**kept, **QUIET, **{"PYTHONPATH": str(ROOT), **extra}}


def figures_of(script: str, folder: Path, *args: str) -> dict[str, Any]:
    """Run a script of this folder, which must succeed, and return the figures that it wrote as JSON."""
    path = folder / "figures.json"
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(script)), str(path), *args],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(path.read_text())
    return figures


def discovered_benchmarks(folder: Path) -> list[dict[str, Any]]:
    """Return the benchmarks as asv discovers them; their list is written into ``folder``."""
    listed = folder / "benchmarks.json"
    program = "import sys; from asv_runner.discovery import _discover; _discover(sys.argv[1:])"
    run_python(program, str(ROOT / "benchmarks"), str(listed))
    found: list[dict[str, Any]] = json.loads(listed.read_text())
    return found


def run_python(program: str, *args: str, timeout_s: float = 120, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run ``program`` in a process of its own and return what it printed; it must succeed."""
    argv = [sys.executable, "-c", program, *args]
    done = subprocess.run(
        argv,
        env=clean_environment(**extra),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=tempfile.gettempdir(),
    )
    assert done.returncode == 0, done.stderr
    return done
