"""Clusters of several nodes on this machine, each with an address, a folder and resources of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from support import ROOT, below, clean_environment, gone

#: Of each node, about the least that Ray takes.
OBJECT_STORE_BYTES = 80_000_000

_RAY_START = [
    str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1",
    f"--object-store-memory={OBJECT_STORE_BYTES}",
]  # fmt: skip


class Nodes:
    """The nodes of a lean cluster, the head first; all end with ``close()``.

    Attributes:
        address: of the cluster.
        folder: where each node has a folder of temporary files.
    """

    def __init__(self) -> None:
        self.address = ""
        self._folder = tempfile.TemporaryDirectory(prefix="ohr-")  # short, since Ray makes sockets in it
        self._started: list[subprocess.Popen[str]] = []
        self._by_host: dict[str, subprocess.Popen[str]] = {}
        self.folder = Path(self._folder.name)

    def add(self, host: str = "", within: Sequence[str] = (), **options: Any) -> str:
        """Start one more node; return its IP address.

        Args:
            host: its address; by default the next one of this machine's own.
            within: the command that runs it, with its arguments.
            options: those of ``head.py``.
        """
        host = host or f"127.0.0.{len(self._started) + 2}"
        temp_dir = self._new_folder()
        said = {"temp_dir": temp_dir, "num_cpus": 1, "object_store_bytes": OBJECT_STORE_BYTES, "host": host}
        said |= {"join": self.address or None, **options}
        process = self._start(
            [*within, sys.executable, str(ROOT / "openhands_ray/head.py"), json.dumps(said)], temp_dir
        )
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        assert "error" not in answer, answer
        self.address = self.address or answer["address"]
        self._by_host[host] = process
        return host

    def add_by_ray_start(self, host: str, within: Sequence[str]) -> None:
        """Start one more node as people do; it has joined when this returns."""
        argv = [*within, *_RAY_START, f"--address={self.address}", f"--node-ip-address={host}"]
        self._said(self._start(argv, self._new_folder()), "Ray runtime started")

    def lead_by_ray_start(self, **environment: str) -> None:
        """Start the head as people do who have ``ray[default]``: its agent exports metrics."""
        folder = self._new_folder()
        slow = "rfc3987_syntax.py"  # hidden from Ray's processes as in a lean cluster, for the sake of time
        (Path(folder) / slow).symlink_to(ROOT / "openhands_ray/lean" / slow)
        options = ["--head", "--port=0", "--node-ip-address=127.0.0.2", "--include-dashboard=false"]
        head = self._start([*_RAY_START, *options, f"--temp-dir={folder}"], folder, PYTHONPATH=folder, **environment)
        (self.address,) = re.findall("--address='([^']+)'", self._said(head, "--address='"))

    @staticmethod
    def _said(process: subprocess.Popen[str], words: str) -> str:
        """Wait until the process says these words; return their line."""
        assert process.stdout is not None
        while words not in (line := process.stdout.readline()):
            assert line, f"it has ended without saying {words!r}"
        return line

    def _new_folder(self) -> str:
        folder = self.folder / str(len(self._started) + 2)
        folder.mkdir()
        return str(folder)

    def _start(self, argv: list[str], temp_dir: str, **extra: str) -> subprocess.Popen[str]:
        environment = clean_environment(
            **{
                "PYTHONPATH": str(ROOT / "openhands_ray/lean"),
                "PYTHONSAFEPATH": "1",
                "TMPDIR": temp_dir,
                "RAY_USAGE_STATS_ENABLED": "0",
                **extra,
            }
        )
        environment.pop("OPENAI_API_KEY")
        process = subprocess.Popen(
            argv,
            env=environment,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        self._started.append(process)
        return process

    def processes(self) -> list[psutil.Process]:
        """Return all processes of all nodes."""
        return [each for process in self._started if process.poll() is None for each in below(process.pid)]

    def processes_of(self, host: str) -> list[psutil.Process]:
        """Return all processes of one node, its watchdog first."""
        return below(self._by_host[host].pid)

    def close(self) -> None:
        """End all nodes, the last one first."""
        processes = self.processes()
        for process in reversed(self._started):
            if "--block" in process.args:  # type: ignore[operator]
                process.terminate()
            process.communicate()
        assert gone(processes)
        self._folder.cleanup()


#: A program on a cluster: does what lines of JSON tell it, and answers each with a line.
_PROGRAM = """
import hashlib, json, sys, threading, zipfile
from openhands_ray import inventory, metrics
from openhands_ray.cluster import connected
from openhands_ray.config import Settings
from openhands_ray.errors import OpenHandsRayError
from openhands_ray.session import Session
ADDRESS = sys.argv[1]
SPEC = {"workspace": "/workspace", "isolation": None, "volumes": [], "environment": {}, "no_change_timeout_s": 10,
        "kernel": False}
sessions = {}

def say(**answer):
    print(json.dumps(answer), flush=True)

def settings(**given):
    return Settings(**{"address": ADDRESS, "warm_sessions": 0, **given})

def create(sid, keep=False, **given):
    told = lambda text: say(told=text, sid=sid)
    try:
        sessions[sid] = Session.create(sid, SPEC, settings(**given), keep=keep, told=told)
        say(created=sid, node=next(row.node for row in inventory.sessions() if row.sid == sid))
    except OpenHandsRayError as error:
        say(failed=type(error).__name__, text=str(error), sid=sid)

def begin(sid, **given):
    threading.Thread(target=create, args=(sid,), kwargs=given).start()

def attach(sid):
    sessions[sid] = Session.attach(sid, settings())
    say(attached=sid)

def run(sid, command):
    say(content=sessions[sid].act({"action": "run", "args": {"command": command}, "timeout": 20}, 30)["content"])

def act(sid, action, **args):
    try:
        say(observation=sessions[sid].act({"action": action, "args": args, "timeout": 20}, 30))
    except OpenHandsRayError as error:
        say(failed=type(error).__name__, text=str(error))

def info(sid):
    say(info=sessions[sid].info)

def request(sid, operation, **args):
    say(result=sessions[sid].request(operation, 30, **args))

def upload(sid, path, to):
    from openhands_ray.client import copies
    copies.upload(sessions[sid], path, to, False)
    say(uploaded=sid)

def log_as_json():
    import ray
    ray.init(ADDRESS, logging_config=ray.LoggingConfig(encoding="JSON", log_level="DEBUG"), log_to_driver=False)
    say(logging="JSON")

def recording():
    connected(settings())
    say(recording=metrics.recording())

def metrics_address():
    import ray
    node = ray.nodes()[0]
    say(url=f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics")

def download(sid, path):
    from openhands_ray.client import copies
    archive = copies.download(sessions[sid], path)
    with zipfile.ZipFile(archive) as files:
        say(digests={name: hashlib.sha256(files.read(name)).hexdigest() for name in files.namelist()})
    archive.unlink()

def close(sid):
    sessions.pop(sid).close()
    say(closed=sid)

def drain():
    from openhands_ray import session
    session._end([warm.actor for pool in session._pools.values() for warm in pool.drain()])
    say(drained=True)

def rows():
    connected(settings())
    say(rows=[vars(row) for row in inventory.sessions()])

for line in sys.stdin:
    command = json.loads(line)
    globals()[command.pop("do")](**command)
"""


class Driver:
    """A program of its own on a cluster; its sessions end with it."""

    def __init__(self, address: str, within: Sequence[str] = (), **environment: str) -> None:
        self.process = subprocess.Popen(
            [*within, sys.executable, "-c", _PROGRAM, address],
            env=clean_environment(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )

    def tell(self, do: str, **args: Any) -> None:
        """Have something done, without waiting for it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **args}) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Wait for the next line of it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the program has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, do: str, **args: Any) -> dict[str, Any]:
        """Have something done, and wait for its answer."""
        self.tell(do, **args)
        return self.hear()

    def create(self, sid: str, **settings: Any) -> str:
        """Start a session; return the address of its node."""
        answer = self.ask("create", sid=sid, **settings)
        assert answer.get("created") == sid, answer
        return str(answer["node"])

    def end(self) -> None:
        """Let it end, and its sessions with it."""
        try:
            self.process.communicate(timeout=30)
        finally:
            self.process.kill()
        assert self.process.returncode == 0
