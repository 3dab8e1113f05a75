"""The steps of the workflows, by hand: asv measures a small project, and the gate, the report and the alerts decide."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scratch import Scratch
from support import ROOT

# A benchmark for each success criterion, which all hold, and one whose samples differ as much as they can.
_BENCHMARKS = {
    "actions.py": """
import random
import time

import toy


class File:
    warmup_time = 0.02
    sample_time = 0.005
    rounds = 2
    repeat = (5, 10, 0.5)
    timer = time.process_time
    unit = "seconds"

    def time_write(self):
        toy.work()

    def time_noise(self):
        for _ in range(random.randint(1, 5)):
            toy.work()

    # A sample is one call, whose amount of work is by chance.
    time_noise.number = 1
""",
    "initialization.py": """
import time

import toy


class Initialization:
    rounds = 2
    number = 5
    repeat = 3
    timer = time.process_time

    def time_runtime_initialization(self):
        toy.work()
""",
    "resources.py": """
class Memory:
    unit = "MB"

    def track_cluster(self):
        return 150
""",
    "reliability.py": """
import toy


class Reliability:
    unit = "%"

    def track_failure_rate(self):
        return toy.FAILURES
""",
}


class Gated(Scratch):
    """A scratch project with thresholds, which runs the steps of the workflows."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for name, text in _BENCHMARKS.items():
            (folder / "benchmarks" / name).write_text(text)
        configuration = json.loads((folder / "asv.conf.json").read_text())
        # What is noise must be beyond a threshold, to be seen.
        thresholds = {"(?!actions\\.File\\.time_noise)": 0.4, "actions\\.File\\.time_noise": 0.01}
        configuration |= {"regressions_thresholds": thresholds, "single_run_thresholds": {}}
        (folder / "asv.conf.json").write_text(json.dumps(configuration))

    def step(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a step, in an environment as that of a workflow."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        answer = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.variables, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        print(f"{' '.join(command)}: {answer.returncode}\n{answer.stdout}{answer.stderr}")
        return answer

    def compare(self, base: str, head: str) -> None:
        names = r"^(actions|initialization|resources|reliability)\."
        assert self.step(str(ROOT / "scripts/compare"), base, head, "ci", names).returncode == 0

    def check(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.step(*self.command("check", *arguments))

    def changes(self, base: str, head: str) -> tuple[int, dict[str, Any]]:
        answer = self.check(base, head, "--json")
        (series,) = json.loads(answer.stdout)["series"]
        return answer.returncode, {each["name"].rpartition(".")[2]: each["change"] for each in series["benchmarks"]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Gated:
    return Gated(tmp_path_factory.mktemp("gates") / "project")


@pytest.fixture(scope="module")
def base(project: Gated) -> str:
    return project.commit()


def test_the_same_code_passes_and_noise_is_called_so(project: Gated, base: str) -> None:
    same = project.commit()
    project.compare(base, same)

    status, changes = project.changes(base, same)

    assert status == 0
    # On a busy machine any time may be noise; what is measured once is what it is.
    assert changes["time_noise"] in ("noise", "same")
    assert {changes["track_cluster"], changes["track_failure_rate"]} == {"same"}
    assert not {"worse", "broken", "failing"} & set(changes.values())


def test_a_planted_slowdown_and_an_action_that_fails_now_fail_the_gate(project: Gated, base: str) -> None:
    slow = project.commit(2.5, failures=5)
    project.compare(base, slow)

    status, changes = project.changes(base, slow)
    annotated = project.check(base, slow, "--github")

    assert status == 1
    assert changes["time_write"] == changes["track_failure_rate"] == "worse"
    assert annotated.returncode == 1
    assert "::error title=actions.File.time_write%3A worse::" in annotated.stdout
    assert project.check(base, slow, "--markdown").stdout.startswith("### Worse beside ")


def test_a_broken_benchmark_fails_and_the_report_says_why(project: Gated, base: str) -> None:
    broken = project.commit(failing=True)
    project.compare(base, broken)

    status, changes = project.changes(base, broken)
    report = project.step(*project.command("report", broken))

    assert status == 1
    assert changes["time_write"] == "broken"
    assert r"| actions.File.time\_write | RuntimeError: planted |" in report.stdout


def test_a_commit_that_cannot_be_built_fails_and_the_report_says_why(project: Gated, base: str) -> None:
    unbuilt = project.commit(broken=True)
    project.compare(base, unbuilt)

    status, changes = project.changes(base, unbuilt)
    report = project.step(*project.command("report", unbuilt))

    assert status == 1
    assert set(changes.values()) == {"broken"}
    assert "The commit could not be built: error: toy cannot be built" in report.stdout


def test_what_nobody_measured_is_neither_good_nor_bad(project: Gated, base: str) -> None:
    unmeasured = project.commit()

    assert project.check(base, unmeasured).returncode == 4
    assert project.check(base, "nonsense").returncode == 2
