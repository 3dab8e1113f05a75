"""A twentieth of the actions fails from one commit on: the site names the commit, and the gate refuses it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from clone import Clone, clone_repository

# Four commits of half a minute each, a clone that is installed, and other work beside.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

#: asv sees no step of fewer than two commits.
COMMITS, FAILING_COMMIT = 4, 3

#: Every twentieth action.
FAILURES = 5.0

RATE = "reliability.Reliability.track_failure_rate"
REFUSED = "reliability.Failures.track_rate('refused')"

EXECUTOR_FILE = "openhands_ray/worker/executor.py"
EXECUTOR_CODE = """

def _failing(act):
    count = 0

    def counted(self, action):
        nonlocal count
        count += 1
        return observations.error("planted") if count % {every} == 0 else act(self, action)

    return counted


Executor.act = _failing(Executor.act)
"""


@dataclass(frozen=True)
class Failing(Clone):
    commits: list[str]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Failing:
    clone = clone_repository(tmp_path_factory.mktemp("failures") / "clone")
    file = clone.folder / EXECUTOR_FILE
    code = file.read_text("utf-8")
    commits = []
    for number in range(1, COMMITS + 1):
        planted = EXECUTOR_CODE.format(every=20) if number >= FAILING_COMMIT else ""
        file.write_text(f"{code}{planted}\n# Change {number}\n", "utf-8")
        commits.append(clone.commit(f"Change {number}"))
    answer = clone.asv("run", f"{commits[0]}^..main", "--bench", r"^reliability\.", "--show-stderr")
    assert answer.returncode == 0
    assert clone.asv("publish", "--no-pull").returncode == 0
    return Failing(clone.folder, clone.environment, commits)


def test_a_failure_is_counted_as_one(measured: Failing) -> None:
    for number, commit in enumerate(measured.commits, 1):
        found = measured.results(commit)
        expected = FAILURES if number >= FAILING_COMMIT else 0.0
        assert found[RATE] == pytest.approx(expected, abs=0.5), found
        assert found[REFUSED] == pytest.approx(expected, abs=0.5), found


def test_the_site_names_the_failures_and_their_commit(measured: Failing) -> None:
    revisions = measured.published("index.json")["revision_to_hash"]
    regressions: dict[str, Any] = {each[0]: each[-1] for each in measured.published("regressions.json")["regressions"]}

    assert set(regressions) == {RATE, REFUSED}
    for jumps in regressions.values():
        assert [revisions[str(jump[1])] for jump in jumps] == [measured.commits[FAILING_COMMIT - 1]]


@pytest.mark.parametrize(("number", "status"), [(FAILING_COMMIT - 1, 3), (FAILING_COMMIT, 1)])
def test_the_gate_refuses_the_commit(measured: Failing, number: int, status: int) -> None:
    pair = measured.commits[number - 2 : number]
    command = [sys.executable, "-m", "openhands_ray.cli", "check", *pair, "--json"]
    answer = subprocess.run(
        command, cwd=measured.folder, env=measured.environment, capture_output=True, text=True, check=False
    )

    assert answer.returncode == status, answer.stderr  # 3: the other criteria were not measured
    (series,) = json.loads(answer.stdout)["series"]
    worse = [each["name"] for each in series["benchmarks"] if each["change"] == "worse"]
    assert sorted(worse, reverse=True) == ([RATE, REFUSED] if status == 1 else [])
