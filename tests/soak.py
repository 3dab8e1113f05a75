"""Many actions and many sessions, one after the other: whether all succeed, and what grows meanwhile.

Run as ``python tests/soak.py docs/soak.json --actions 10000 --sessions 1000``; without numbers it prints what that file
says as Markdown. ``make soak`` does both.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from soak_document import document
from support import QUIET, shared_memory

os.environ.update(QUIET)  # before OpenHands is imported
os.environ.pop("RAY_ADDRESS", None)

#: Sessions that the actions are dealt to in turn.
SESSIONS = 4

#: Looks at memory and descriptors, in each of the two parts.
LOOKS = 50

#: Share of each part that is warm-up: caches fill, and threads and connections that stay are made.
WARM_UP = 0.2

Figures = dict[str, Any]


@contextmanager
def runtimes() -> Iterator[Callable[..., Any]]:
    """Yield what makes a runtime and connects it, as OpenHands' server does, with an event stream of its own."""
    from openhands.core.config import OpenHandsConfig
    from openhands.events import EventStream
    from openhands.llm.llm_registry import LLMRegistry
    from openhands.storage import get_file_store

    from openhands_ray import RayRuntime
    from openhands_ray.cluster import disconnect

    numbers = itertools.count()

    def make(**options: Any) -> Any:
        config, sid = OpenHandsConfig(), f"soak-{next(numbers)}"
        stream = EventStream(sid, get_file_store("memory", "/tmp"))
        runtime = RayRuntime(config, stream, LLMRegistry(config), sid=sid, **options)
        asyncio.run(runtime.connect())
        return runtime

    try:
        yield make
    finally:
        disconnect()


def closed(runtime: Any) -> None:
    """Close a runtime, and what was made with it."""
    import atexit

    runtime.close()
    with suppress(RuntimeError):  # its threads have their own event loops
        runtime.event_stream.close()
    atexit.unregister(runtime.close)  # OpenHands keeps each runtime for this until the program ends


def kinds(number: int) -> list[tuple[str, dict[str, Any], str]]:
    """Return the mixed actions of one round: the action, its arguments, and what its observation must contain."""
    path, text = f"/workspace/file-{number % 50}.txt", f"text {number}"
    edited = f"edited {number}"
    return [
        ("CmdRunAction", {"command": f"x={number}; echo $((x + 1)); cd /workspace"}, str(number + 1)),
        ("FileWriteAction", {"path": path, "content": text}, ""),
        ("FileReadAction", {"path": path}, text),
        ("FileEditAction", {"path": path, "command": "str_replace", "old_str": text, "new_str": edited}, edited),
        ("IPythonRunCellAction", {"code": f"y = {number}; print(y * 2)"}, str(number * 2)),
    ]


def acted(runtime: Any, kind: str, args: dict[str, Any], expected: str) -> bool:
    """Run one action; return whether its observation is right."""
    import openhands.events.action as actions

    observation = runtime.run_action(getattr(actions, kind)(**args))
    return observation.observation != "error" and expected in observation.content


class Looks:
    """What the program, Ray's own processes and a session take, again and again."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self.series: dict[str, list[float]] = {}

    def look(self, number: int, runtime: Any) -> None:
        from openhands_ray import launch
        from openhands_ray.cluster import current

        cluster, program = current(), psutil.Process()
        assert cluster is not None
        assert cluster._head is not None
        head = psutil.Process(cluster._head.pid)
        own = [head, *launch._own_processes(head)]
        services = [each for each in own if each.name() in ("gcs_server", "raylet")]
        session = [psutil.Process(runtime._live().info["pid"])]
        session += session[0].children(recursive=True)
        self.at.append(number)
        found = {
            "program_bytes": _own_bytes([program]),
            "ray_bytes": _own_bytes(own),
            "gcs_bytes": _own_bytes([each for each in services if each.name() == "gcs_server"]),
            "session_bytes": _own_bytes(session),
            "program_fds": program.num_fds(),
            "program_threads": program.num_threads(),
            "ray_fds": sum(each.num_fds() for each in services),
            "session_fds": sum(each.num_fds() for each in session),
        }
        for name, value in found.items():
            self.series.setdefault(name, []).append(value)

    def figures(self) -> Figures:
        """Return of each series its size after warm-up, its size at the end, and all of it."""
        return {name: _flat(values) | {"all": values} for name, values in self.series.items()} | {"at": self.at}


def _own_bytes(processes: list[psutil.Process]) -> int:
    """Return the memory that is mapped from no file.

    The unique set (USS) also has the pages of libraries that no other process uses just now: it grows by 40 MB when
    another program in the same environment ends.
    """
    found = [each.memory_info() for each in processes]
    return sum(each.rss - each.shared for each in found)


def _flat(values: list[float]) -> Figures:
    """Return the medians of the first and of the last fifth of what comes after warm-up."""
    rest = values[int(WARM_UP * len(values)) :]
    fifth = max(1, len(rest) // 5)
    return {"after_warm_up": statistics.median(rest[:fifth]), "at_end": statistics.median(rest[-fifth:])}


def many_actions(make: Callable[..., Any], count: int) -> Figures:
    """Deal ``count`` mixed actions to a few sessions in turn."""
    from openhands.runtime.plugins import JupyterRequirement

    sessions = [make(plugins=[JupyterRequirement()]) for _ in range(SESSIONS)]
    looks, succeeded, began = Looks(), 0, time.perf_counter()
    for number in range(count):
        kind, args, expected = kinds(number // 5)[number % 5]
        succeeded += acted(sessions[(number // 5) % SESSIONS], kind, args, expected)
        if number % max(1, count // LOOKS) == 0:
            looks.look(number, sessions[0])
    seconds = time.perf_counter() - began
    for runtime in sessions:
        closed(runtime)
    return {"count": count, "succeeded": succeeded, "seconds": seconds, **looks.figures()}


def many_sessions(make: Callable[..., Any], count: int) -> Figures:
    """Open, use and close ``count`` sessions, one after the other."""
    looks, succeeded, began = Looks(), 0, time.perf_counter()
    for number in range(count):
        runtime = make()
        succeeded += acted(runtime, "CmdRunAction", {"command": f"echo {number}"}, str(number))
        if number % max(1, count // LOOKS) == 0:
            looks.look(number, runtime)
        closed(runtime)
    return {
        "count": count,
        "succeeded": succeeded,
        "seconds": time.perf_counter() - began,
        **looks.figures(),
    }


def measured(actions: int, sessions: int) -> Figures:
    """Do both on one private cluster; return what came of it, in seconds and bytes, and what is left."""
    with tempfile.TemporaryDirectory(prefix="ohr-") as temporary:  # short, since Ray makes sockets in it
        tempfile.tempdir = temporary
        with runtimes() as make:
            figures: Figures = {"cpus": os.cpu_count(), "sessions_at_once": SESSIONS, "warm_up": WARM_UP}
            figures |= {"actions": many_actions(make, actions), "sessions": many_sessions(make, sessions)}
            processes = psutil.Process().children(recursive=True)
            folders = len(list(Path(temporary).glob("openhands-ray-*/openhands-ray-*/sessions/*")))
        _, alive = psutil.wait_procs(processes, timeout=30)
        figures["left"] = {
            "folders": folders - 1,  # the warm session's, which goes with the cluster
            "processes": len(alive),
            "files": len(list(Path(temporary).glob("openhands-ray-*"))),
            "shared memory": len(shared_memory({each.pid for each in processes})),
        }
        return figures


def main() -> None:
    """Measure, and write the figures; or print those of a file as a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="of the figures, as JSON")  # Ray has warnings for standard output
    parser.add_argument("--actions", type=int, help="how many, e.g. 10000")
    parser.add_argument("--sessions", type=int, help="how many, e.g. 1000")
    options = parser.parse_args()
    if options.actions and options.sessions:
        figures = measured(options.actions, options.sessions)
        options.file.write_text(json.dumps(figures) + "\n", encoding="utf-8")
    else:
        print(document(json.loads(options.file.read_text(encoding="utf-8"))), end="")


if __name__ == "__main__":
    main()
