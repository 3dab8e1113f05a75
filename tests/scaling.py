"""Many sessions on one machine that plays a cluster: what each costs, as a table, and what that means for a large one.

Run as ``python tests/scaling.py docs/scaling.json 1 4 16 64 200``; without numbers it prints what that file says as
Markdown. ``make scaling`` does both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
from nodes import Nodes
from scaling_document import document

from openhands_ray import inventory
from openhands_ray.cluster import disconnect
from openhands_ray.config import Settings
from openhands_ray.memory import unique_bytes
from openhands_ray.session import Session

#: Logical nodes, each with a raylet, an address and a folder of its own.
NODES = 8

#: Sessions that are asked for at the same time.
AT_ONCE = 8

#: Seconds of the measurement of actions.
ACTING_S = 5.0

SPEC: dict[str, Any] = {
    "workspace": "/workspace",
    "isolation": None,
    "volumes": [],
    "environment": {},
    "no_change_timeout_s": 10,
    "kernel": False,
}
ACTION = {"action": "run", "args": {"command": "echo scaling"}, "timeout": 60}

#: Seconds in which they do nothing, before that.
IDLE_S = 3.0

Figures = dict[str, Any]


def measure(nodes: Nodes, count: int) -> Figures:
    """Open, use and close ``count`` sessions; return what it took, in seconds and bytes, and what is left."""
    settings = Settings(address=nodes.address, warm_sessions=0)
    before = _Usage(nodes)
    sessions, opened = _opened(count, settings)
    opening = _Usage(nodes).since(before, count)
    opened_at = _Usage(nodes)
    time.sleep(IDLE_S)
    idle = _Usage(nodes).since(opened_at, count)
    used = _Usage(nodes)
    rows = inventory.sessions()
    latencies = _acted(sessions)
    acting = _Usage(nodes).since(used, len(latencies))
    per_node = Counter(row.node for row in rows)
    closing = _timed(lambda: _in_parallel(lambda session: session.close(), sessions))
    return {
        "sessions": count,
        "opening_s": {"median": statistics.median(opened), "p95": _p95(opened), "cpu": opening["cpu_s"]},
        "open_per_s": count / opening["wall_s"],
        "idle_cpus": (idle["cpu_s"]["sessions and agents"] + idle["cpu_s"]["raylets"]) / idle["wall_s"],
        "memory_bytes": statistics.mean(row.memory_bytes or 0 for row in rows),
        "processes": (used.processes - before.processes) / count,
        "threads": (used.threads - before.threads) / count,
        "driver_fds": (used.driver_fds - before.driver_fds) / count,
        "fullest_node": max(per_node.values()),
        "ideal_node": -(-count // NODES),
        "actions_per_s": len(latencies) / acting["wall_s"],
        "action_s": {"median": statistics.median(latencies), "p95": _p95(latencies), "cpu": acting["cpu_s"]},
        "closing_s": closing / count,
        "left": {"sessions": len(inventory.sessions()), "folders": _folders(nodes)},
    }


def _opened(count: int, settings: Settings) -> tuple[list[Session], list[float]]:
    times: list[float] = []

    def create(number: int) -> Session:
        began = time.perf_counter()
        session = Session.create(f"scaling-{os.getpid()}-{count}-{number}", SPEC, settings)
        times.append(time.perf_counter() - began)
        return session

    return _in_parallel(create, range(count)), times


def _acted(sessions: list[Session]) -> list[float]:
    """Have all sessions act at once, each after its own last answer; return how long each action took."""
    end = time.perf_counter() + ACTING_S
    ready = threading.Barrier(len(sessions))

    def act(session: Session) -> list[float]:
        ready.wait()
        times: list[float] = []
        while (began := time.perf_counter()) < end or not times:
            assert session.act(ACTION, 120)["content"] == "scaling"
            times.append(time.perf_counter() - began)
        return times

    with ThreadPoolExecutor(len(sessions)) as pool:
        return [each for times in pool.map(act, sessions) for each in times]


def _in_parallel(function: Callable[[Any], Any], items: Any) -> list[Any]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(function, items))


def _timed(function: Callable[[], Any]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


def _folders(nodes: Nodes) -> int:
    """Return how many folders of sessions there are, on all nodes."""
    return sum(len(list(each.iterdir())) for each in nodes.folder.glob("*/openhands-ray-*/sessions"))


class _Usage:
    """What the cluster and this process have used so far."""

    def __init__(self, nodes: Nodes) -> None:
        self.at = time.perf_counter()
        processes = nodes.processes()
        self.processes, self.threads, self.driver_fds = len(processes), 0, psutil.Process().num_fds()
        self.cpu_s = {"driver": _cpu_s(psutil.Process()), "gcs": 0.0, "raylets": 0.0, "sessions and agents": 0.0}
        for process in processes:
            try:
                name = process.name()
                part = {"gcs_server": "gcs", "raylet": "raylets"}.get(name, "sessions and agents")
                self.cpu_s[part] += _cpu_s(process)
                self.threads += process.num_threads()
            except psutil.NoSuchProcess:
                continue

    def since(self, before: _Usage, count: int) -> Figures:
        """Return seconds on the clock, and CPU seconds of each of ``count`` by whose they are."""
        spent = {part: (self.cpu_s[part] - before.cpu_s[part]) / count for part in self.cpu_s}
        return {"wall_s": self.at - before.at, "cpu_s": spent}


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def measured(counts: list[int]) -> Figures:
    """Measure all levels on one cluster; return them, with what the cluster itself takes, and what it leaves."""
    nodes = Nodes()
    for _ in range(NODES):
        nodes.add(num_cpus=1, object_store_bytes=80_000_000)
    own_bytes = unique_bytes(nodes.processes())
    levels = []
    for count in counts:
        levels.append(measure(nodes, count))
        print(json.dumps(levels[-1]), file=sys.stderr, flush=True)
    disconnect()
    processes = nodes.processes()
    nodes.close()
    memory = psutil.virtual_memory()
    return {
        "cpus": os.cpu_count(),
        "memory_bytes": memory.total,
        "nodes": NODES,
        "node_bytes": own_bytes / NODES,
        "at_once": AT_ONCE,
        "levels": levels,
        "left": {"processes": sum(each.is_running() for each in processes), "folder": nodes.folder.exists()},
    }


def main() -> None:
    """Measure, and write the figures; or print those of a file as a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="of the figures, as JSON")  # Ray has warnings for standard output
    parser.add_argument("sessions", type=int, nargs="*", help="numbers of sessions")
    options = parser.parse_args()
    if options.sessions:
        options.file.write_text(json.dumps(measured(options.sessions), indent=1) + "\n", encoding="utf-8")
    else:
        print(document(json.loads(options.file.read_text(encoding="utf-8"))), end="")


if __name__ == "__main__":
    main()
