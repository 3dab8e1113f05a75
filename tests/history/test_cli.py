from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from project import Project, benchmark

from openhands_ray.cli import main

# One benchmark for each criterion, so that all of them can hold.
GOOD = {
    "initialization.Initialization.time_runtime_initialization": ("seconds", 3.0),
    "actions.File.time_write": ("seconds", 0.002),
    "resources.Memory.track_cluster": ("MB", 163.0),
    "reliability.Reliability.track_failure_rate": ("%", 0.0),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path / "project", [benchmark(name, unit) for name, (unit, _) in GOOD.items()])
    project.commit({name: value for name, (_, value) in GOOD.items()})
    monkeypatch.chdir(project.folder)
    return project


def test_the_status_is_0_when_all_criteria_held(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert "All success criteria held" in capsys.readouterr().out


def test_the_status_is_1_when_a_criterion_failed(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.commit({name: value for name, (_, value) in GOOD.items()} | {"resources.Memory.track_cluster": 201.0})

    assert main(["check"]) == 1
    assert "Cluster memory (failed)" in " ".join(capsys.readouterr().out.split())
    assert main(["check", "HEAD~1"]) == 0


def test_the_status_is_1_when_nothing_was_measured(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.commit()

    assert main(["check", "HEAD"]) == 1
    assert "has no results: run `asv run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "nonsense"], "has no commit 'nonsense'"),
        (["check", "--config", "other.json"], "asv.conf.json"),
        (["check", "--machine", "other"], "no results of machine 'other'"),
    ],
)
def test_an_error_is_one_clear_line(
    project: Project, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["check", "--help"])

    assert "openhands-ray check HEAD~1" in capsys.readouterr().out


def test_the_help_of_find_has_examples_and_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["find", "--help"])

    text = capsys.readouterr().out
    assert "openhands-ray find v0.1.0..main actions.File.time_write" in text
    assert "3 no regression" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["main"],
        ["main", "x", "--above", "1", "--failing"],
        ["main", "x", "--above", "nan"],
        ["main", "x", "--smallest", "2"],
        ["main", "x", "--rounds", "4"],
    ],
)
def test_wrong_usage_of_find_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["find", *arguments])


def test_the_command_imports_neither_openhands_nor_ray(project: Project) -> None:
    code = (
        "import sys; from openhands_ray.cli import main; main(['check']); print({'ray', 'openhands'} & {*sys.modules})"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.splitlines()[-1] == "set()"
