"""A published project whose site has something on every page. Its numbers are made up."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from project import Project, benchmark

INITIALIZATION = "initialization.Initialization.time_runtime_initialization"
WRITE, READ, EDIT = "actions.File.time_write", "actions.File.time_read", "actions.File.time_edit"
COMMAND = "actions.Command.time_simple_command"
MULTI_STEP = "workflows.Workflow.time_multi_step"
CLUSTER = "resources.Memory.track_cluster"
FAILURES = "reliability.Reliability.track_failure_rate"
RATIO = "ratios.Ratio.track_ratio"
PAYLOAD = "growth.Payload.track_message"
PEER = "peers.Peer.track_seconds"

RUNTIMES = ("'RayRuntime'", "'LocalRuntime'", "'CLIRuntime'")
OPERATIONS = ("'initialization'", "'simple command'", "'file write'")

COMMITS = 24
#: The commits, by number, that make a benchmark slower: one that lasts, one that is acknowledged, one that recovers.
SLOWER, ACCEPTED, PASSING, RECOVERY = 15, 9, 5, 12
#: The commit at which the memory of the cluster leaves its budget.
TOO_LARGE = 18
REASON = "A file is on disk before the write is answered."


def benchmarks() -> list[dict[str, Any]]:
    """Returns what asv has discovered."""
    known = [
        benchmark(INITIALIZATION, title="Runtime initialization"),
        benchmark(WRITE, title="File write"),
        benchmark(READ, title="File read"),
        benchmark(EDIT, title="File edit"),
        benchmark(COMMAND, title="Simple command"),
        benchmark(MULTI_STEP, title="Multi-step workflow"),
        benchmark(CLUSTER, "MB", "Cluster memory"),
        benchmark(FAILURES, "%", "Failure rate"),
        benchmark(RATIO, "ratio", "Ratio to the reference", [["'simple command / bare actor call'"]]),
        benchmark(PAYLOAD, "bytes", "Message of an action"),
        benchmark(PEER, "seconds", "Operation by runtime", [RUNTIMES, OPERATIONS]),
    ]
    known[-1]["param_names"] = ["runtime", "operation"]
    known[-3]["param_names"] = ["pair"]
    return known


def results(number: int, noise: random.Random) -> dict[str, Any]:
    """Returns what was measured of a commit."""

    def about(level: float) -> float:
        return level * noise.gauss(1, 0.02)

    peer = [about(each) for each in (1.4, 0.0019, 0.0021)]
    if number % 6 == 5:
        peer += [about(each) for each in (30.8, 0.632, 0.0035, 4.2, 0.0013, 0.0009)]
    else:
        peer += [float("nan")] * 6
    return {
        INITIALIZATION: about(3.1 - 0.05 * number),
        WRITE: about(0.0021 if number < ACCEPTED else 0.0034),
        READ: about(0.0019 if not PASSING <= number < RECOVERY else 0.0035),
        EDIT: about(0.0026),
        COMMAND: about(0.0019 if number < SLOWER else 0.0041),
        MULTI_STEP: about(0.0327),
        CLUSTER: about(163.0 if number < TOO_LARGE else 214.0),
        FAILURES: 0.0,
        RATIO: [about(1.9 - 0.02 * number)],
        PAYLOAD: about(48_200),
        PEER: peer,
    }


def example(folder: Path) -> Project:
    """Makes the project and publishes its site."""
    project = Project(folder, benchmarks())
    noise = random.Random(1)
    for number in range(COMMITS):
        project.commit(results(number, noise))
    (folder / "regressions.toml").write_text(
        f'[[acknowledged]]\nbenchmark = "{WRITE}"\ncommit = "{project.commits[ACCEPTED][:8]}"\nreason = "{REASON}"\n'
    )
    publish(project)
    return project


def publish(project: Project) -> None:
    command = [sys.executable, "-m", "asv", "publish", "--no-pull"]
    published = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert published.returncode == 0, published.stdout + published.stderr
