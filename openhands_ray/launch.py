"""Starting the processes of a lean Ray cluster, through ``head.py``, and measuring their memory."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from openhands_ray.config import Settings
from openhands_ray.errors import ClusterError
from openhands_ray.memory import unique_bytes

#: Characters that Ray's and a kernel's sockets (107 bytes at most) leave to the name of the folder that they are in.
MAX_TEMPORARY_FOLDER = 20

#: Seconds after which Ray's processes give up that have lost the control service: nobody starts it again, it is on the
#: same machine, and so is the watchdog, which has ended them by then if it is there. Ray's own default is 60.
RECONNECT_TIMEOUT_S = 5

#: Seconds that killed processes may take to be gone.
REMNANTS_TIMEOUT_S = 5

_PACKAGE = Path(__file__).parent


def new_folder() -> str:
    """Make the folder of a cluster's temporary files, in ``/tmp`` where no socket would fit below the usual one."""
    usual = tempfile.gettempdir()
    short = usual if len(usual) <= MAX_TEMPORARY_FOLDER else "/tmp"
    return tempfile.mkdtemp(prefix="openhands-ray-", dir=short)


def start_head(
    settings: Settings, temp_dir: str, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start the head, without waiting for it.

    Args:
        settings: its CPUs and its object store.
        temp_dir: the folder of its temporary files.
        environment: further variables of Ray's processes.
        options: further ones of ``head.py``.
    """
    said = {
        "temp_dir": temp_dir,
        "num_cpus": settings.cluster_cpus or os.cpu_count() or 1,
        "object_store_bytes": settings.object_store_bytes,
        **options,
    }
    return subprocess.Popen(
        [sys.executable, str(_PACKAGE / "head.py"), json.dumps(said)],
        env={**_environment(temp_dir), **(environment or {})},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )


def _environment(temp_dir: str) -> dict[str, str]:
    """Return the environment of Ray's processes, which every session could read: no key of the user's is in it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        # head.py stands in this package's folder, whose modules must not hide others: -P by another way.
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": str(_PACKAGE / "lean"),
        "TMPDIR": temp_dir,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": str(RECONNECT_TIMEOUT_S),
    }


def started(head: subprocess.Popen[str], timeout_s: float) -> dict[str, Any]:
    """Wait until the head listens; return its ``address``, and the process ids of what is ``vital`` to it.

    Raises:
        ClusterError: it did not start.
    """
    assert head.stdout is not None
    ready, _, _ = select.select([head.stdout], [], [], timeout_s)
    line = head.stdout.readline() if ready else ""
    if not line:
        raise ClusterError(f"The private Ray cluster did not start within {timeout_s} seconds.")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise ClusterError(f"The private Ray cluster did not start: {answer['error']}")
    return answer


class Lives:
    """Whether some processes all live: known in microseconds, also by several threads at once."""

    def __init__(self, pids: list[int]) -> None:
        """Begin to look.

        Raises:
            ProcessLookupError: one of them has ended, and was buried.
        """
        self._fds: list[int] = []
        for pid in pids:
            try:
                self._fds.append(os.pidfd_open(pid))
            except ProcessLookupError:
                self.close()
                raise
            except OSError:  # Linux before 5.3 has no such descriptors: all seem to live
                break

    def __bool__(self) -> bool:
        poll = select.poll()
        for fd in self._fds:
            poll.register(fd, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Look no more. Idempotent."""
        fds, self._fds = self._fds, []
        for fd in fds:
            os.close(fd)


def memory_bytes(pid: int) -> int:
    """Return the unique memory (USS) of the head with this process id and Ray's own processes below it."""
    head = psutil.Process(pid)
    return unique_bytes([head, *_own_processes(head)])


def _own_processes(head: psutil.Process) -> list[psutil.Process]:
    """Return Ray's processes below ``head``: its children, and the raylet's agents, which it starts itself."""
    found = []
    for child in head.children():
        found.append(child)
        found.extend(each for each in child.children() if "Agent" in " ".join(each.cmdline()))
    return found


def end_remnants(head: int, temp_dir: str) -> None:
    """End what a killed watchdog has left, and remove its folder.

    Ray's agents are of its session, with open files in the folder.
    """
    ended = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == head and any(_is_below(each.path, temp_dir) for each in process.open_files()):
                process.kill()
                ended.append(process)
    psutil.wait_procs(ended, REMNANTS_TIMEOUT_S)  # or they would still write into the folder
    shutil.rmtree(temp_dir, ignore_errors=True)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder + os.sep)
