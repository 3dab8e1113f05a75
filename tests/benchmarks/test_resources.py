"""Whose memory is whose, in a real cluster with a session."""

from __future__ import annotations

import json
import subprocess
import sys

from support import ROOT, clean_environment

#: Prints the processes that are counted as Ray's and as the session's, and what is tracked of them.
PROGRAM = """
import json
from benchmarks.common import connected_runtime, leave
from benchmarks.resources import Memory, _split_tree

runtime = connected_runtime()
ray, sessions = ([" ".join(process.cmdline()) for process in part] for part in _split_tree())
leave(runtime)
memory = Memory()
print(json.dumps([ray, sessions, memory.track_cluster(), memory.track_session()]))
"""


def test_the_memory_of_the_cluster_and_of_a_session() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )
    ray, sessions, cluster_mb, session_mb = json.loads(run.stdout.splitlines()[-1])
    for name in ("gcs_server", "raylet/raylet"):
        assert any(name in title for title in ray), f"{name} is not among {ray}"
    assert not any("ray::SessionActor" in title or "ray::IDLE" in title for title in ray)
    for name in ("ray::SessionActor", "worker.executor", "bash"):
        assert any(name in title for title in sessions), f"{name} is not among {sessions}"
    assert cluster_mb > 50
    assert session_mb > 20
