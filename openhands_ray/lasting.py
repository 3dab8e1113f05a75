"""The cluster that outlives the command that started it: one of a user on a machine.

Where it is stands in a file below ``$XDG_STATE_HOME``, by the name of the machine, since a home may be shared.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from openhands_ray import authentication, launch
from openhands_ray.config import Settings

#: Seconds that the watchdog has to end everything, before all of it is killed from here.
STOP_TIMEOUT_S = 15


@dataclass(frozen=True)
class Lasting:
    """A cluster that runs.

    Attributes:
        address: for ``RAY_ADDRESS``.
        pid, created: its watchdog's process id, and when that was started, in seconds since 1970.
        temp_dir: the folder of its temporary files, sessions' workspaces among them.
        token: without it, Ray's processes answer nobody: a session with the node's network could give them orders.
    """

    address: str
    pid: int
    created: float
    temp_dir: str
    token: str

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to use it."""
        return {"RAY_ADDRESS": self.address, **authentication.variables(self.token)}

    @classmethod
    def start(cls, settings: Settings, **options: Any) -> Lasting:
        """Start the cluster, or return the one that runs; ``options`` are further ones of ``head.py``.

        Raises:
            ClusterError: it did not start; nothing is left of it.
        """
        with _locked():
            return cls._found() or cls._started(settings, options)

    @classmethod
    def _started(cls, settings: Settings, options: dict[str, Any]) -> Lasting:
        temp_dir, token = launch.new_folder(), authentication.new_token()
        head = launch.start_head(settings, temp_dir, authentication.variables(token), lasting=True, **options)
        process = psutil.Process(head.pid)
        try:
            address = launch.started(head, settings.start_timeout_s)["address"]
            lasting = cls(address, head.pid, process.create_time(), temp_dir, token)
            _file().touch(mode=0o600)
            _file().write_text(json.dumps(asdict(lasting)), encoding="utf-8")
        except BaseException:
            _end(process, temp_dir)
            _file().unlink(missing_ok=True)
            raise
        return lasting

    @classmethod
    def find(cls) -> Lasting | None:
        """Return the cluster that runs, or None."""
        if not _file().exists():
            return None
        with _locked():
            return cls._found()

    @classmethod
    def _found(cls) -> Lasting | None:
        try:
            lasting = cls(**json.loads(_file().read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        if lasting._process() is not None:
            return lasting
        lasting._forget()  # it was killed, or the machine has been started anew
        return None

    def stop(self) -> None:
        """End it with all of its sessions, and wait until nothing is left."""
        with _locked():
            process = self._process()
            if process is not None:
                _end(process, self.temp_dir)
            self._forget()

    def _forget(self) -> None:
        launch.end_remnants(self.pid, self.temp_dir)
        _file().unlink(missing_ok=True)

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            alive = process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if alive else None

    def memory_bytes(self) -> int:
        """Return the unique memory (USS) of Ray's own processes, without the sessions' workers."""
        return launch.memory_bytes(self.pid)


def _end(process: psutil.Process, temp_dir: str) -> None:
    """End a cluster by its watchdog, or, where that does not answer, by killing all of it."""
    family = [process, *process.children(recursive=True)]
    process.terminate()
    _, alive = psutil.wait_procs(family, STOP_TIMEOUT_S)
    for each in alive:
        each.kill()
    psutil.wait_procs(alive, STOP_TIMEOUT_S)
    shutil.rmtree(temp_dir, ignore_errors=True)


def _file() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state, "openhands-ray", f"cluster-{socket.gethostname()}.json")


@contextmanager
def _locked() -> Iterator[None]:
    """Let one command at a time start or stop the cluster."""
    folder = _file().parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY)  # closed in the head, which would hold the lock for ever
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
