"""The Ray cluster that sessions run on: a private one of this process, or one that is there already."""

from __future__ import annotations

import atexit
import contextlib
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

from openhands_ray import launch, metrics
from openhands_ray.authentication import Access, exchange, introduce, read_anew
from openhands_ray.config import Settings
from openhands_ray.errors import ClusterError

#: Ray's namespace in which sessions are found by their ids.
NAMESPACE = "openhands-ray"

#: Seconds that a private cluster has to end.
STOP_TIMEOUT_S = 15

#: Seconds that the machine of a cluster may take to answer at all.
KNOCK_TIMEOUT_S = 10

#: Where Ray has missed its control service for so many seconds, it ends the program, without a word to it. A private
#: cluster that has died is no reason: its sessions say so, and the next one gets another cluster.
_PATIENCE = {"RAY_gcs_rpc_server_reconnect_timeout_s": str(10**6)}

log = logging.getLogger(__name__)


class Cluster:
    """A connection to a Ray cluster; the private one ends with it, another one stays as it was."""

    def __init__(
        self,
        *,
        head: subprocess.Popen[str] | None = None,
        temp_dir: str | None = None,
        access: Access | None = None,
    ) -> None:
        self._head = head
        self._temp_dir = temp_dir
        self._access = access
        self._connected = False  # a connection that the program made itself is not closed here
        self._stopped = False
        self._lives: launch.Lives | None = None

    @property
    def private(self) -> bool:
        """Whether the cluster was started by this process."""
        return self._head is not None

    @property
    def ended(self) -> bool:
        """Whether nothing may be asked of it any more: it was left, or is a private one that has died.

        Ray ends a program that sends something large to a raylet that has died.
        """
        return self._stopped or (self._lives is not None and not self._lives)

    @classmethod
    def start(cls, settings: Settings) -> Cluster:
        """Start a private cluster and connect to it.

        Raises:
            ClusterError: it did not start; nothing is left of it.
        """
        temp_dir = launch.new_folder()
        access = Access()
        head = launch.start_head(settings, temp_dir, access.environment)
        cluster = cls(head=head, temp_dir=temp_dir, access=access)
        try:
            import ray  # noqa: F401 (takes as long as the head, so side by side)

            access.take()
            started = launch.started(head, settings.start_timeout_s)
            address = str(started["address"])
            cluster._lives = launch.Lives([head.pid, *started["vital"]])
            with _patience():
                _connect(address, node_ip_address=address.rpartition(":")[0])
            _need_no_control_service()
            cluster._connected = True
        except ProcessLookupError:
            cluster.stop()
            raise ClusterError("The private Ray cluster died while it started.") from None
        except BaseException:
            cluster.stop()
            raise
        return cluster

    @classmethod
    def attach(cls, address: str) -> Cluster:
        """Connect to the cluster at ``address``.

        Raises:
            ClusterError: there is none, or it asks for a token that this process does not have.
        """
        knock(address)
        read_anew()  # a token may have come into the environment since Ray was imported
        if _host_and_port(address):
            introduce(address)
        _connect(address)
        cluster = cls()
        cluster._connected = True
        return cluster

    @property
    def answers(self) -> bool:
        """Whether its control service is there. Where it is not, Ray waits for it, and then ends the program."""
        import ray

        if self.ended or not ray.is_initialized():
            return False
        try:
            knock(ray.get_runtime_context().gcs_address)
        except ClusterError:
            return False
        return True

    def memory_bytes(self) -> int:
        """Return the unique memory (USS) of a private cluster's own processes, without the sessions' workers.

        Raises:
            ClusterError: this is not a private cluster.
        """
        if self._head is None:
            raise ClusterError("The memory of a cluster that was not started here cannot be measured from here.")
        return launch.memory_bytes(self._head.pid)

    def stop(self) -> None:
        """Disconnect; a private cluster ends with everything in it. Idempotent."""
        import ray

        self._stopped = True
        head, self._head = self._head, None
        if self._connected and ray.is_initialized():
            ray.shutdown()
        if self._access is not None:
            self._access.give_back()
        if self._lives is not None:
            self._lives.close()
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
            launch.end_remnants(head.pid, self._temp_dir)


def knock(address: str) -> None:
    """Find out whether anything listens at ``host:port``: Ray's own client ends the program where nothing does.

    Raises:
        ClusterError: nothing does.
    """
    target = _host_and_port(address)
    if target is None:
        return
    try:
        socket.create_connection(target, KNOCK_TIMEOUT_S).close()
    except OSError as error:
        raise ClusterError(f"The Ray cluster at {address} could not be reached: {error}") from error


def _host_and_port(address: str) -> tuple[str, int] | None:
    """Return both, or None of "auto", "ray://..." and nonsense, which are Ray's to judge."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        return None
    return host.strip("[]"), int(port)


def _connect(address: str, node_ip_address: str | None = None) -> None:
    import ray.exceptions

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
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
        raise ClusterError(f"The Ray cluster at {address} could not be reached: {error}") from error


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Have Ray read it now, and nobody else find it in the environment."""
    before = exchange(_PATIENCE)
    read_anew()
    try:
        yield
    finally:
        exchange(before)


def _need_no_control_service() -> None:
    """Keep Ray from what this process would do for ever where the control service has died.

    Its listener to errors would ask for more without a pause, and keep a core busy; an exception that nobody catches
    would be told to the service before all else.
    """
    from ray._private import worker

    with contextlib.suppress(AttributeError):  # a release that has them in another place
        worker.global_worker.threads_stopped.set()  # it sees that when it next looks
        if sys.excepthook is worker.custom_excepthook:
            sys.excepthook = worker.normal_excepthook


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

    A connection that the program has made itself, by ``ray.init()``, is used as it is; a private cluster that has died
    is replaced.

    Raises:
        ClusterError: it could not be started or reached, or has died.
    """
    global _current  # noqa: PLW0603 (one connection to Ray per process is Ray's own rule)
    with _lock:
        if _current is not None and _current.ended:
            log.warning("The private Ray cluster has died, and all of its sessions with it. Another one is started.")
            _bid_farewell()
            _current.stop()
            _current = None
        if _already_connected():
            if _current is None:
                _current = Cluster()
                _begin(settings)
            if not _current.answers:
                raise ClusterError("The control service (GCS) of this process's Ray cluster cannot be reached.")
            return _current
        _current = Cluster.start(settings) if settings.address is None else Cluster.attach(settings.address)
        _begin(settings)
        return _current


def _begin(settings: Settings) -> None:
    atexit.register(disconnect)
    metrics.begin(metrics_wanted(settings))


def metrics_wanted(settings: Settings) -> bool | None:
    """Return whether to record metrics; None: where they are exported. Those of a private cluster nobody reads."""
    return False if settings.metrics is None and is_private() else settings.metrics


def within_reach(settings: Settings) -> bool:
    """Return whether there is a cluster to ask, without starting one."""
    return settings.address is not None or _already_connected()


def is_private() -> bool:
    """Return whether the process's cluster is its own, which no other node joins."""
    return _current is not None and _current.private


def before_leaving(farewell: Callable[[], None]) -> None:
    """Have ``farewell`` called before the process leaves its cluster, as long as it can still ask something of it."""
    _farewells.append(farewell)


def current() -> Cluster | None:
    """Return the process's cluster, if there has been one since the last ``disconnect()``."""
    return _current


def _bid_farewell() -> None:
    for farewell in _farewells:
        farewell()


def disconnect() -> None:
    """Leave the process's cluster; a private one ends, with all of its sessions. Idempotent."""
    global _current
    _bid_farewell()
    with _lock:
        cluster, _current = _current, None
        metrics.begin(False)
        if cluster is not None:
            cluster.stop()
        atexit.unregister(disconnect)
