"""The Ray cluster that sessions run on: a private one of this process, or one that is there already."""

from __future__ import annotations

import atexit
import json
import logging
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from openhands_ray.config import Settings
from openhands_ray.errors import ClusterError

#: Ray's namespace in which sessions are found by their ids.
NAMESPACE = "openhands-ray"

#: Seconds that a private cluster has to end.
STOP_TIMEOUT_S = 15

#: Seconds that the machine of a cluster may take to answer at all.
KNOCK_TIMEOUT_S = 10

#: Characters that Ray's and a kernel's sockets (107 bytes at most) leave to the name of the folder that they are in.
MAX_TEMPORARY_FOLDER = 20

log = logging.getLogger(__name__)

_PACKAGE = Path(__file__).parent


class Cluster:
    """A connection to a Ray cluster; the private one ends with it, another one stays as it was."""

    def __init__(self, *, head: subprocess.Popen[str] | None = None, temp_dir: str | None = None) -> None:
        self._head = head
        self._temp_dir = temp_dir
        self._connected = False  # a connection that the program made itself is not closed here

    @property
    def private(self) -> bool:
        """Whether the cluster was started by this process."""
        return self._head is not None

    @classmethod
    def start(cls, settings: Settings) -> Cluster:
        """Start a private cluster and connect to it.

        Raises:
            ClusterError: it did not start; nothing is left of it.
        """
        temp_dir = tempfile.mkdtemp(prefix="openhands-ray-", dir=_short_folder())
        cluster = cls(head=_start_head(settings, temp_dir), temp_dir=temp_dir)
        try:
            import ray  # noqa: F401 (takes as long as the head, so side by side)

            address = cluster._address(settings.start_timeout_s)
            _connect(address, node_ip_address=address.rpartition(":")[0])
            cluster._connected = True
        except BaseException:
            cluster.stop()
            raise
        return cluster

    @classmethod
    def attach(cls, address: str) -> Cluster:
        """Connect to the cluster at ``address``.

        Raises:
            ClusterError: there is none.
        """
        _knock(address)
        _connect(address)
        cluster = cls()
        cluster._connected = True
        return cluster

    def _address(self, timeout_s: float) -> str:
        assert self._head is not None
        assert self._head.stdout is not None
        ready, _, _ = select.select([self._head.stdout], [], [], timeout_s)
        line = self._head.stdout.readline() if ready else ""
        if not line:
            raise ClusterError(f"The private Ray cluster did not start within {timeout_s} seconds.")
        started = json.loads(line)
        if "error" in started:
            raise ClusterError(f"The private Ray cluster did not start: {started['error']}")
        return str(started["address"])

    def memory_bytes(self) -> int:
        """Return the unique memory (USS) of a private cluster's own processes, without the sessions' workers.

        Raises:
            ClusterError: this is not a private cluster.
        """
        if self._head is None:
            raise ClusterError("The memory of a cluster that was not started here cannot be measured from here.")
        total = 0
        for process in [psutil.Process(self._head.pid), *_own_processes(psutil.Process(self._head.pid))]:
            try:
                total += process.memory_full_info().uss
            except psutil.NoSuchProcess:
                continue
        return total

    def stop(self) -> None:
        """Disconnect; a private cluster ends with everything in it. Idempotent."""
        import ray

        head, self._head = self._head, None
        if self._connected and ray.is_initialized():
            ray.shutdown()
        if head is None:
            return
        assert head.stdin is not None
        assert head.stdout is not None
        head.stdin.close()
        head.stdout.close()
        try:
            head.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            head.kill()
            head.wait()
        if self._temp_dir is not None:
            shutil.rmtree(self._temp_dir, ignore_errors=True)


def _own_processes(head: psutil.Process) -> list[psutil.Process]:
    """Return Ray's processes below ``head``: its children, and the raylet's agents, which it starts itself."""
    found = []
    for child in head.children():
        found.append(child)
        found.extend(each for each in child.children() if "Agent" in " ".join(each.cmdline()))
    return found


def _short_folder() -> str:
    """Return the folder of temporary files, or ``/tmp`` where its name is so long that no socket fits below it."""
    folder = tempfile.gettempdir()
    return folder if len(folder) <= MAX_TEMPORARY_FOLDER else "/tmp"


def _start_head(settings: Settings, temp_dir: str) -> subprocess.Popen[str]:
    options = {
        "temp_dir": temp_dir,
        "num_cpus": settings.cluster_cpus or os.cpu_count() or 1,
        "object_store_bytes": settings.object_store_bytes,
    }
    return subprocess.Popen(
        [sys.executable, str(_PACKAGE / "head.py"), json.dumps(options)],
        env=_head_environment(temp_dir),
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )


def _head_environment(temp_dir: str) -> dict[str, str]:
    """Return the environment of Ray's processes, which every session could read: no key of the user's is in it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        # head.py stands in this package's folder, whose modules must not hide others: -P by another way.
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": str(_PACKAGE / "lean"),
        "TMPDIR": temp_dir,
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def _knock(address: str) -> None:
    """Find out whether anything listens at ``host:port``: Ray's own client ends the program where nothing does."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        return  # "auto", "ray://..." and nonsense are Ray's to judge
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_TIMEOUT_S).close()
    except OSError as error:
        raise ClusterError(f"The Ray cluster at {address} could not be reached: {error}") from error


def _connect(address: str, node_ip_address: str | None = None) -> None:
    import ray

    # Ray says that it leaves SIGTERM alone outside the main thread; it is right to, and nobody needs to read it.
    logging.getLogger("ray._private.worker").addFilter(_is_worth_reading)
    extra = {} if node_ip_address is None else {"_node_ip_address": node_ip_address}
    try:
        ray.init(
            address=address,
            namespace=NAMESPACE,
            log_to_driver=False,
            configure_logging=False,
            logging_level=logging.WARNING,
            **extra,
        )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise ClusterError(f"The Ray cluster at {address} could not be reached: {error}") from error


def _is_worth_reading(record: logging.LogRecord) -> bool:
    return "SIGTERM" not in record.getMessage()


def _already_connected() -> bool:
    ray = sys.modules.get("ray")  # not imported for this: it takes seconds, while which a private cluster starts
    return ray is not None and ray.is_initialized()


_lock = threading.Lock()
_current: Cluster | None = None
_farewells: list[Callable[[], None]] = []


def connected(settings: Settings) -> Cluster:
    """Return the process's cluster; at the first call, attach to the one of the settings or start a private one.

    A connection that the program has made itself, by ``ray.init()``, is used as it is.

    Raises:
        ClusterError: it could not be started or reached.
    """
    global _current  # noqa: PLW0603 (one connection to Ray per process is Ray's own rule)
    with _lock:
        if _already_connected():
            if _current is None:
                _current = Cluster()
                atexit.register(disconnect)
            return _current
        _current = Cluster.start(settings) if settings.address is None else Cluster.attach(settings.address)
        atexit.register(disconnect)
        return _current


def within_reach(settings: Settings) -> bool:
    """Return whether there is a cluster to ask, without starting one."""
    return settings.address is not None or _already_connected()


def before_leaving(farewell: Callable[[], None]) -> None:
    """Have ``farewell`` called before the process leaves its cluster, as long as it can still ask something of it."""
    _farewells.append(farewell)


def disconnect() -> None:
    """Leave the process's cluster; a private one ends, with all of its sessions. Idempotent."""
    global _current
    for farewell in _farewells:
        farewell()
    with _lock:
        cluster, _current = _current, None
        if cluster is not None:
            cluster.stop()
        atexit.unregister(disconnect)
