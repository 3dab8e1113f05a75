"""The same actions on OpenHands' own runtimes, in one graph with ours.

Measured on request: a session of ``LocalRuntime`` takes half a minute to start, what it leaves behind must be ended
here, and what ours takes alone is in ``actions``.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from statistics import median
from typing import Any

import psutil
from openhands.core.config import OpenHandsConfig
from openhands.events import EventStream
from openhands.events.action import CmdRunAction, FileEditAction, FileReadAction, FileWriteAction, IPythonRunCellAction
from openhands.llm.llm_registry import LLMRegistry
from openhands.runtime.base import Runtime
from openhands.runtime.plugins import JupyterRequirement
from openhands.storage import get_file_store

from benchmarks.common import MEGABYTE, TEXT, act, leave, only_on_request, quick, runtime_class, shared_cluster
from benchmarks.once import MeasuredOnce

#: Seconds for which an operation is measured, and how often at least and at most.
MEASURE_S, LEAST, MOST = 0.1 if quick() else 2.0, 3, 100

#: Of each runtime and operation the seconds, NaN where it has no such operation, or why there are none.
Found = dict[tuple[str, str], float | str]


def _command(runtime: Runtime, folder: str, number: int) -> None:
    act(runtime, CmdRunAction(f"echo word {number}"), f"word {number}")


def _python(runtime: Runtime, folder: str, number: int) -> None:
    act(runtime, CmdRunAction(f"python3 -S -c 'print({number} * 2)'"), str(number * 2))


def _write(runtime: Runtime, folder: str, number: int) -> None:
    act(runtime, FileWriteAction(f"{folder}/small.txt", TEXT), "")


def _read(runtime: Runtime, folder: str, number: int) -> None:
    act(runtime, FileReadAction(f"{folder}/small.txt"), "line 39")


def _edit(runtime: Runtime, folder: str, number: int) -> None:
    old, new = f"line {number % 30} of", f"line {number % 30} of"[::-1]
    path = f"{folder}/small.txt"
    act(runtime, FileWriteAction(path, TEXT), "")
    start = time.perf_counter()
    act(runtime, FileEditAction(path, command="str_replace", old_str=f"{old} the file\n", new_str=f"{new}\n"), new)
    raise _Took(time.perf_counter() - start)


def _write_megabyte(runtime: Runtime, folder: str, number: int) -> None:
    act(runtime, FileWriteAction(f"{folder}/large.txt", MEGABYTE), "")


def _read_megabyte(runtime: Runtime, folder: str, number: int) -> None:
    found = len(runtime.run_action(FileReadAction(f"{folder}/large.txt")).content)
    if found < len(MEGABYTE):
        raise AssertionError(f"{found} characters came back of {len(MEGABYTE)}")


def _cell(runtime: Runtime, folder: str, number: int) -> None:
    act(runtime, IPythonRunCellAction(f"print({number} * 3)"), str(number * 3))


class _Took(Exception):
    """The seconds of an operation that needs something before it, which does not count."""


OPERATIONS: dict[str, Callable[[Runtime, str, int], None]] = {
    "simple command": _command,
    "command that starts Python": _python,
    "file write": _write,
    "file read": _read,
    "file edit": _edit,
    "1 MB write": _write_megabyte,
    "1 MB read": _read_megabyte,
    "IPython cell": _cell,
}

RUNTIMES = ("RayRuntime", "LocalRuntime", "CLIRuntime")


class Peer(MeasuredOnce[Found]):
    """Each operation on each runtime: the median, in seconds."""

    timeout = 600.0
    version = "1"
    params = [list(RUNTIMES), ["initialization", *OPERATIONS]]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["runtime", "operation"]  # noqa: RUF012

    def setup(self, runtime: str, operation: str) -> None:
        """Skip it, unless it is asked for."""
        only_on_request()

    def measure(self) -> Found:
        """Measure the runtimes one after the other, each in one session."""
        return {(name, operation): value for name in RUNTIMES for operation, value in _measured(name).items()}

    def track_seconds(self, runtime: str, operation: str) -> float:
        """Return the seconds of the operation."""
        value = self.measured()[runtime, operation]
        if isinstance(value, str):
            raise AssertionError(value)
        return value

    track_seconds.pretty_name = "Operation by runtime"  # type: ignore[attr-defined]
    track_seconds.unit = "seconds"  # type: ignore[attr-defined]


def _measured(name: str) -> dict[str, float | str]:
    try:
        with _session(name) as (runtime, folder, connect_s):
            return {"initialization": connect_s} | {
                operation: _median(call, runtime, folder) for operation, call in OPERATIONS.items()
            }
    except Exception as error:  # of this runtime alone
        return dict.fromkeys(["initialization", *OPERATIONS], f"{type(error).__name__}: {error}")


def _median(call: Callable[[Runtime, str, int], None], runtime: Runtime, folder: str) -> float | str:
    """Return the median of the right answers; OpenHands' runtimes lose some output now and then."""
    times: list[float] = []
    wrong: list[str] = []
    end = time.perf_counter() + MEASURE_S
    while len(times) < MOST and (len(times) + len(wrong) <= LEAST or time.perf_counter() < end):
        start = time.perf_counter()
        try:
            call(runtime, folder, len(times))
            times.append(time.perf_counter() - start)
        except _Took as took:
            times.append(took.args[0])
        except Exception as error:  # of this call alone
            wrong.append(f"{type(error).__name__}: {error}")
    if wrong and "is not implemented in" in wrong[0]:  # CLIRuntime has no kernel
        return float("nan")
    if len(wrong) >= len(times) or (wrong and isinstance(runtime, runtime_class())):
        return wrong[0]
    return median(times[1:])  # the first call warms up


@contextmanager
def _session(name: str) -> Iterator[tuple[Runtime, str, float]]:
    """Connect a runtime; yield it, its workspace, and the seconds that it took to construct and connect it."""
    if name == "RayRuntime":
        with _own_session() as session:
            yield session
        return
    # CLIRuntime makes its workspace the current folder, which must not be gone when asv goes on.
    with tempfile.TemporaryDirectory(prefix="peer-") as folder, chdir("."), _reaped(folder):
        yield from _peer_session(name, folder)


@contextmanager
def _own_session() -> Iterator[tuple[Runtime, str, float]]:
    shared_cluster()
    runtime, seconds = _connected(runtime_class(), OpenHandsConfig())
    try:
        yield runtime, "/workspace", seconds
    finally:
        leave(runtime)


def _peer_session(name: str, folder: str) -> Iterator[tuple[Runtime, str, float]]:
    # What LocalRuntime needs beside OpenHands: its user's name, no other user, and no look for what is not used here.
    user = getpass.getuser()
    os.environ.update({"SKIP_DEPENDENCY_CHECK": "1", "USER": user, "SU_TO_USER": "false"})
    if name == "LocalRuntime":
        from openhands.runtime.impl.local.local_runtime import LocalRuntime as Peer_
    else:
        from openhands.runtime.impl.cli.cli_runtime import CLIRuntime as Peer_
    config = OpenHandsConfig(runtime=name.removesuffix("Runtime").lower(), workspace_base=folder, enable_browser=False)
    runtime, seconds = _connected(Peer_, config)
    try:
        yield runtime, folder, seconds
    finally:
        runtime.close()


def _connected(chosen: Any, config: OpenHandsConfig) -> tuple[Runtime, float]:
    stream = EventStream("peer", get_file_store("memory", "/"))
    start = time.perf_counter()
    runtime = chosen(config, stream, LLMRegistry(config), sid="peer", plugins=[JupyterRequirement()])
    asyncio.run(runtime.connect())
    return runtime, time.perf_counter() - start


@contextmanager
def _reaped(folder: str) -> Iterator[None]:
    """End what the body leaves behind: of a LocalRuntime the kernel, the gateway and, at times, tmux."""
    before = set(psutil.pids())
    marker = f"peer-{os.getpid()}"
    home = os.environ.get("HOME", "/")
    # They write git's configuration and .bashrc of the home of whoever runs them.
    os.environ.update({"BENCHMARK_PEER": marker, "TMUX_TMPDIR": folder, "HOME": folder})
    try:
        yield
    finally:
        subprocess.run(["tmux", "kill-server"], check=False, capture_output=True)
        left = [each for each in psutil.process_iter() if each.pid not in before and _carries(each, marker)]
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=10)
        del os.environ["BENCHMARK_PEER"], os.environ["TMUX_TMPDIR"]
        os.environ["HOME"] = home


def _carries(process: psutil.Process, marker: str) -> bool:
    try:
        return process.environ().get("BENCHMARK_PEER") == marker
    except psutil.Error:
        return False
