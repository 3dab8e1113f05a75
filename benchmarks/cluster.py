"""One private cluster for all benchmarks of one commit.

asv imports the benchmarks once for a commit, in its forkserver, and forks a process for each benchmark from it. The
first of these that needs a cluster forks the *keeper*, which starts one and waits; the others attach to it. The keeper
ends the cluster when the forkserver and its benchmark are gone, however they went: they hold the only writing ends of a
pipe.

Nothing of this lies in a folder: what must be known is on a board.

With asv's launch method ``spawn`` a process imports the benchmarks for itself and runs one: it has nobody to share
with, and its session starts a cluster of its own.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.board import Board

#: Seconds that the cluster may take to start; less than a benchmark may take, so that it fails by this reason.
START_TIMEOUT_S = 90

#: Seconds that the cluster may take to answer a knock.
KNOCK_TIMEOUT_S = 5

#: How asv starts a process for benchmarks: by this file of its own.
_ASV_PROGRAM = ("asv", "benchmark.py")

# Made at import, so that all processes of one commit have them, and none of another commit.
_IMPORTER = os.getpid()
_END_OF_RUN, _RUN = os.pipe()  # reads nothing until all that hold the other end are gone
_BOARD = Board("openhands-ray-benchmarks")  # what the keeper says, and the lock of those who look


def join(runtime_class: Any) -> None:
    """Have the sessions of this process run on the commit's shared cluster; start it where it does not answer.

    Sets ``RAY_ADDRESS``, and the variables of Ray's token where the cluster asks for one. Does nothing in a process
    that has nobody to share with, and where the commit cannot start a cluster ahead of a session: then the first
    session starts one.

    Raises:
        RuntimeError: the cluster did not start.
    """
    if os.getpid() == _IMPORTER:
        return
    with _locked():
        address = _read().get("address")
        if not (address and _answers(address)):
            address = _start(runtime_class)
        os.environ.update(_read().get("token", {}))
    if address:
        os.environ["RAY_ADDRESS"] = address


@contextmanager
def _locked() -> Iterator[None]:
    fcntl.lockf(_BOARD.descriptor, fcntl.LOCK_EX)  # a lock of the process, not of the descriptor that all of them share
    try:
        yield
    finally:
        fcntl.lockf(_BOARD.descriptor, fcntl.LOCK_UN)


def _read() -> dict[str, Any]:
    found: dict[str, Any] = _BOARD.read() or {}
    return found


def _answers(address: str) -> bool:
    """Whether the cluster is still there: a keeper that was killed has taken it along."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), KNOCK_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _start(runtime_class: Any) -> str | None:
    """Fork a keeper and wait for what it says."""
    _BOARD.write({})
    started, starting = os.pipe()  # the keeper closes it, be it by its death
    keeper = os.fork()
    if keeper == 0:
        _keep(runtime_class, starting)
    os.close(starting)
    in_time = select.select([started], [], [], START_TIMEOUT_S)[0]
    os.close(started)
    if not in_time:
        os.kill(keeper, signal.SIGKILL)
        raise RuntimeError(f"The benchmarks' cluster did not start within {START_TIMEOUT_S} seconds.")
    said = _read()
    if "address" not in said:
        raise RuntimeError(f"The benchmarks' cluster did not start: {said.get('error', 'its keeper died')}")
    address: str | None = said["address"]
    return address


def _keep(runtime_class: Any, starting: int) -> NoReturn:
    """Be the keeper: start the cluster, say where it is, wait for the end of the run, end the cluster."""
    try:
        _leave_the_benchmark()
        _BOARD.write(_started(runtime_class))
        os.close(starting)
        os.read(_END_OF_RUN, 1)
    finally:
        with suppress(BaseException):  # whatever this commit does, the cluster ends with its keeper
            runtime_class.teardown(_config())
        os._exit(0)


def _leave_the_benchmark() -> None:
    """Outlive the benchmark that forked this process, and keep nothing of it that anyone waits for."""
    os.setsid()  # asv kills the benchmark's group
    _die_with_parent(False)
    os.close(_RUN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def _started(runtime_class: Any) -> dict[str, Any]:
    import ray

    try:
        runtime_class.setup(_config())
        token = {name: value for name, value in os.environ.items() if name.startswith("RAY_AUTH_")}
        return {"address": ray.get_runtime_context().gcs_address if ray.is_initialized() else None, "token": token}
    except Exception as error:  # whatever it is, the benchmark that waits must say it
        return {"error": f"{type(error).__name__}: {error}"}


def _config() -> Any:
    from openhands.core.config import OpenHandsConfig

    return OpenHandsConfig()


def _die_with_parent(yes: bool = True) -> None:
    pr_set_pdeathsig = 1  # linux/prctl.h
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL if yes else 0, 0, 0, 0)


def _end_with_asv() -> None:
    """Have asv's process that imports this, and each that it forks, end with its parent.

    asv leaves its forkserver behind when it is killed, and a killed forkserver its benchmark.
    """
    _die_with_parent()
    os.register_at_fork(after_in_child=_die_with_parent)


if Path(sys.argv[0]).parts[-2:] == _ASV_PROGRAM:
    _end_with_asv()
