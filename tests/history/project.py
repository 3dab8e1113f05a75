"""A repository with a history that asv could have measured: real commits, and results written by asv's own classes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asv.results import Results
from asv.runner import BenchmarkResult
from asv.util import write_json

CONFIGURATION = Path(__file__).resolve().parents[2] / "asv.conf.json"
MACHINE = "bench"
ENVIRONMENT = "virtualenv-py3.12"

_IDENTITY = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "tester"), ("EMAIL", "tester@example.invalid"))
}


def git(folder: Path, *arguments: str, date: str | None = None) -> str:
    """Runs git with an identity of its own, and returns what it prints."""
    environment = {**os.environ, **_IDENTITY}
    if date:
        environment |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    answer = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return answer.stdout.strip()


@dataclass(frozen=True)
class Samples:
    """What asv took of a benchmark, in place of one value.

    Attributes:
        values: asv's result is their median.
        recorded: whether asv was to keep them; it always keeps what it computes of them.
    """

    values: Sequence[float]
    recorded: bool = True


def benchmark(name: str, unit: str = "seconds", title: str | None = None, params: Any = ()) -> dict[str, Any]:
    """Returns what asv writes of a benchmark that it discovered."""
    return {
        "code": f"def {name.rpartition('.')[2]}(self): ...",
        "name": name,
        "param_names": [f"p{number}" for number in range(len(params))],
        "params": [list(values) for values in params],
        "pretty_name": title,
        "timeout": 60.0,
        "type": "time" if unit == "seconds" else "track",
        "unit": unit,
        "version": "1",
    }


#: What the tests reckon with, whatever the benchmarks of this repository need.
THRESHOLDS = {
    r"(initialization|actions\.(?!Browser))": 0.4,
    r"actions\.Browser": 0.75,
    r"(resources|ratios|peers|growth)\.": 0.25,
    r"reliability\.": 0.0,
}


def _with_plain_thresholds(configuration: str) -> str:
    before, key, _ = configuration.partition('"regressions_thresholds": ')
    assert key
    return f"{before}{key}{json.dumps(THRESHOLDS)}\n}}\n"


class Project:
    """A repository with this project's configuration of asv, and no code."""

    def __init__(self, folder: Path, benchmarks: list[dict[str, Any]]) -> None:
        self.folder = folder
        self.configuration = folder / "asv.conf.json"
        self.benchmarks = {entry["name"]: entry for entry in benchmarks}
        self.commits: list[str] = []
        folder.mkdir(exist_ok=True)
        git(folder, "init", "--quiet", "--initial-branch=main")
        self.configuration.write_text(_with_plain_thresholds(CONFIGURATION.read_text("utf-8")), "utf-8")
        write_json(str(folder / ".asv/results/benchmarks.json"), dict(self.benchmarks), 2)
        machine = {"machine": MACHINE, "arch": "", "cpu": "", "num_cpu": "2", "os": "", "ram": "1"}
        write_json(str(folder / f".asv/results/{MACHINE}/machine.json"), machine, 1)

    def commit(self, results: dict[str, Any] | None = None) -> str:
        """Adds a commit and, where results are given, what was measured of it.

        Args:
            results: for each benchmark's name a value or ``Samples``; a list of them where it has parameters.
        """
        date = f"2024-01-{len(self.commits) + 1:02}T00:00:00+00:00"
        git(self.folder, "commit", "--quiet", "--allow-empty", "-m", f"Change {len(self.commits)} <&>", date=date)
        commit = git(self.folder, "rev-parse", "HEAD")
        self.commits.append(commit)
        if results is not None:
            self._store(commit, results)
        return commit

    def _store(self, commit: str, results: dict[str, Any]) -> None:
        milliseconds = int(git(self.folder, "show", "-s", "--format=%at", commit)) * 1000
        params = {"machine": MACHINE, "python": "3.12"}
        stored = Results(params, {}, commit, milliseconds, "3.12", ENVIRONMENT, {})
        for name, value in results.items():
            self._add(stored, self.benchmarks[name], value if isinstance(value, list) else [value])
        stored.save(str(self.folder / ".asv/results"))

    @staticmethod
    def _add(stored: Results, entry: dict[str, Any], values: list[Any]) -> None:
        sampled = [list(value.values) if isinstance(value, Samples) else None for value in values]
        # asv computes the result of what has samples.
        results = [0.0 if isinstance(value, Samples) else value for value in values]
        numbers = [1 if samples else None for samples in sampled]
        recorded = any(isinstance(value, Samples) and value.recorded for value in values)
        result = BenchmarkResult(results, sampled, numbers, 0, "", None)
        stored.add_result(entry, result, record_samples=recorded)

    def published(self, name: str) -> Any:
        """Returns the content of a JSON file of the site."""
        return json.loads((self.folder / ".asv/html" / name).read_text("utf-8"))


MakeProject = Callable[[list[dict[str, Any]]], Project]
