"""A node of a lean cluster: starts Ray's processes, tells their address, and becomes their watchdog.

Run as ``python head.py '{"temp_dir": ..., "num_cpus": ..., "object_store_bytes": ...}'`` with a pipe as standard input.
When that pipe closes, because the program that started it closed it or died, everything that it started ends, and the
temporary folder goes; so it does when one of Ray's processes has died without which there is no node. With
``"lasting": true`` it is SIGTERM that ends it, and the program may go.

The node is the head of a new cluster, or joins the one at ``"join"``. What else may be said of it: ``"host"`` (where it
listens), ``"memory_bytes"``, ``"resources"`` and ``"labels"``.

Of what ``ray.init()`` starts, this leaves out the API server, the autoscaler's monitor, the log monitor and all workers
but one.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ray._private import services, utils
from ray._private.node import Node
from ray._private.parameter import RayParams

#: Everything listens here alone: a loopback address that Ray, unlike 127.0.0.1, does not replace by a public one.
HOST = "127.0.0.2"

#: Workers that are started with the cluster, so that the first session finds one: Ray's own count is one per CPU.
PRESTARTED_WORKERS = 1

#: Ray's names of the processes without which a node is none.
_VITAL = ("gcs_server", "raylet")

#: Sessions that have ended, and their workers, that the control service remembers: Ray's own counts are 100,000 and
#: 1,000, and each takes tens of kilobytes.
REMEMBERED = 100

_SYSTEM_CONFIG = {
    "prestart_worker_first_driver": True,
    "enable_worker_prestart": False,
    "maximum_gcs_destroyed_actor_cached_count": REMEMBERED,
    "maximum_gcs_dead_worker_cached_count": REMEMBERED,
}


class _LeanNode(Node):  # type: ignore[misc]
    """A node without the API server."""

    def start_api_server(self, **_: Any) -> None:
        self._webui_url = ""


def start(
    temp_dir: str,
    num_cpus: int,
    object_store_bytes: int,
    host: str = HOST,
    join: str | None = None,
    memory_bytes: int | None = None,
    resources: dict[str, float] | None = None,
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Start the node; return its cluster's ``address`` and the ids of its ``vital`` processes."""
    # Ray asks this whether to start the agents without their web servers.
    utils.get_dashboard_dependency_error = lambda: ImportError("not needed")
    services.get_node = _patient(services.get_node)
    services.start_ray_process = _sparing(services.start_ray_process)
    parameters = RayParams(
        gcs_address=join,
        num_cpus=num_cpus,
        num_gpus=0,
        memory=memory_bytes,
        resources=resources,
        labels=labels,
        object_store_memory=object_store_bytes,
        node_ip_address=host,
        temp_dir=temp_dir,
        include_log_monitor=False,
        no_monitor=True,
        include_dashboard=False,
        _system_config=_SYSTEM_CONFIG if join is None else None,
    )
    # spawn_reaper: the children die with this process, even if it is killed.
    node = _LeanNode(parameters, head=join is None, shutdown_at_exit=False, spawn_reaper=True)
    vital = [each.process.pid for name in _VITAL for each in node.all_processes.get(name, [])]
    return {"address": node.gcs_address, "vital": vital}


def _patient(get_node: Any) -> Any:
    """Ask for the node only when it is there: Ray's own call looks once a second."""

    def wait(gcs_address: str, node_id: str) -> Any:
        from ray._raylet import GcsClient  # type: ignore[attr-defined]

        client = GcsClient(address=gcs_address)
        deadline = time.monotonic() + 60
        while node_id not in {each.hex() for each in client.get_all_node_info()} and time.monotonic() < deadline:
            time.sleep(0.005)
        return get_node(gcs_address, node_id)

    return wait


def _sparing(start_process: Any) -> Any:
    """Have the raylet start few workers ahead: their number is an argument of its program alone."""
    option = "--num_prestart_python_workers="

    def spare(command: list[str], *args: Any, **options: Any) -> Any:
        command = [f"{option}{PRESTARTED_WORKERS}" if each.startswith(option) else each for each in command]
        return start_process(command, *args, **options)

    return spare


def main() -> None:
    """Start the cluster, print where it is as JSON, and become the watchdog."""
    options = json.loads(sys.argv[1])
    lasting = options.pop("lasting", False)
    _adopt_orphans()
    try:
        started = start(**options)
    except Exception as error:  # whatever Ray raises goes to the program that waits for the address
        started = {"error": f"{type(error).__name__}: {error}"}
    if lasting:  # not before, for Ray's processes would inherit it
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until the watchdog waits for it
    print(json.dumps(started), flush=True)
    with open(os.devnull, "w", encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    watchdog = [sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py"))]
    said = [options["temp_dir"], *["lasting"] * lasting, *map(str, started.get("vital", []))]
    os.execv(sys.executable, [*watchdog, *said])


def _adopt_orphans() -> None:
    pr_set_child_subreaper = 36  # linux/prctl.h
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


if __name__ == "__main__":
    main()
