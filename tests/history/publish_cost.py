"""What our part of the site costs: `asv publish` with and without it, on a long history that nobody measured.

python tests/history/publish_cost.py              # 1,000 commits, 100 benchmarks, 2 machines: some minutes
python tests/history/publish_cost.py --commits 100 --rounds 1
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from asv.results import Results
from asv.runner import BenchmarkResult
from asv.util import load_json, write_json
from project import CONFIGURATION, ENVIRONMENT, benchmark, git

#: The suite's own names, so that the criteria find what they judge; the rest are fillers.
JUDGED = {
    "initialization.Initialization.time_runtime_initialization": ("seconds", 3.0),
    "actions.Command.time_simple_command": ("seconds", 0.002),
    "actions.Command.time_complex_command": ("seconds", 0.02),
    "actions.File.time_write": ("seconds", 0.002),
    "actions.File.time_read": ("seconds", 0.002),
    "actions.File.time_edit": ("seconds", 0.003),
    "actions.IPython.time_simple": ("seconds", 0.008),
    "workflows.Workflow.time_multi_step": ("seconds", 0.05),
    "resources.Memory.track_cluster": ("MB", 165.0),
    "reliability.Reliability.track_failure_rate": ("%", 0.0),
}


@dataclass(frozen=True)
class Cost:
    """Of one `asv publish`.

    Attributes:
        seconds: of wall-clock time.
        cpu_seconds: of the process and those it started; what other work on the machine changes less.
        memory_mb: the largest resident set of the process and those it started.
    """

    seconds: float
    cpu_seconds: float
    memory_mb: float


def make_history(folder: Path, commits: int, benchmarks: int, machines: int) -> None:
    """Writes a repository, and results of every commit on every machine: 3 % of noise, now and then a step."""
    hashes = _make_commits(folder, commits)
    fillers = (f"fillers.Filler.time_{number:03}" for number in itertools.count())
    units = JUDGED | dict.fromkeys(itertools.islice(fillers, benchmarks - len(JUDGED)), ("seconds", 0.01))
    known = {name: benchmark(name, unit) for name, (unit, _) in units.items()}
    write_json(str(folder / ".asv/results/benchmarks.json"), dict(known), 2)
    for number in range(machines):
        _measure(folder, f"machine-{number}", hashes, known, {name: value for name, (_, value) in units.items()})


def _make_commits(folder: Path, count: int) -> list[str]:
    git(folder, "init", "--quiet", "--initial-branch=main")
    stream = "".join(
        f"commit refs/heads/main\ncommitter tester <tester@example.invalid> {1_700_000_000 + 3600 * number} +0000\n"
        f"data {len(f'Change {number}')}\nChange {number}\n"
        for number in range(count)
    )
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=stream, text=True, check=True)
    return git(folder, "rev-list", "--reverse", "main").split()


def _measure(folder: Path, machine: str, hashes: list[str], known: dict[str, Any], levels: dict[str, float]) -> None:
    noise = random.Random(machine)
    levels = dict(levels)
    description = {"machine": machine, "arch": "", "cpu": "", "num_cpu": "2", "os": "", "ram": "1"}
    write_json(str(folder / f".asv/results/{machine}/machine.json"), description, 1)
    for number, commit in enumerate(hashes):
        date = (1_700_000_000 + 3600 * number) * 1000
        stored = Results({"machine": machine, "python": "3.12"}, {}, commit, date, "3.12", ENVIRONMENT, {})
        for name, entry in known.items():
            if noise.random() < 0.002:
                levels[name] *= noise.choice((0.6, 1.6))
            samples = [levels[name] * noise.gauss(1, 0.03) for _ in range(5)]
            stored.add_result(entry, BenchmarkResult([median(samples)], [samples], [1], 0, "", None))
        stored.save(str(folder / ".asv/results"))


def publish(folder: Path, *, ours: bool) -> Cost:
    """Runs `asv publish` in a process of its own."""
    conf = {**_configuration(), **({} if ours else {"plugins": []})}
    (folder / "asv.conf.json").write_text(json.dumps(conf), "utf-8")
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "asv", "publish", "--no-pull"], cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "asv publish")
    return Cost(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def _configuration() -> dict[str, Any]:
    conf: dict[str, Any] = load_json(str(CONFIGURATION), js_comments=True)
    return conf


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=1000)
    parser.add_argument("--benchmarks", type=int, default=100)
    parser.add_argument("--machines", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="of both, in turn; the medians count")
    parser.add_argument("--keep", type=Path, help="a folder in which the history is kept, and found again")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="publish-cost-") as scratch:
        folder = options.keep or Path(scratch)
        if not (folder / ".asv").exists():
            folder.mkdir(parents=True, exist_ok=True)
            make_history(folder, options.commits, options.benchmarks, options.machines)
        pairs = [(publish(folder, ours=False), publish(folder, ours=True)) for _ in range(options.rounds)]
    print(f"{options.commits} commits x {options.benchmarks} benchmarks x {options.machines} machines")
    without, beside = zip(*pairs, strict=True)
    for name, unit in (("seconds", "s"), ("cpu_seconds", "s of CPU"), ("memory_mb", "MB")):
        own, ours = (median(getattr(cost, name) for cost in side) for side in (without, beside))
        print(f"asv alone {own:.1f} {unit}, with ours {ours:.1f} {unit}: {ours / own - 1:+.1%}")


if __name__ == "__main__":
    main()
