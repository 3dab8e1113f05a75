from __future__ import annotations

import json
import re
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


def test_the_status_is_3_when_a_criterion_was_not_measured(project: Project) -> None:
    project.commit({"actions.File.time_write": 0.002})

    assert main(["check"]) == 3


def test_the_status_is_4_when_nothing_was_measured(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.commit()

    assert main(["check", "HEAD"]) == main(["check", "HEAD~1", "HEAD"]) == main(["check", "HEAD", "HEAD~1"]) == 4
    assert "has no results: run `asv run" in capsys.readouterr().err


def test_of_two_commits_the_second_is_judged(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.commit({name: value for name, (_, value) in GOOD.items()} | {"actions.File.time_write": 0.004})

    assert main(["check", "HEAD~1", "HEAD"]) == 1
    assert "worse (threshold alone)" in capsys.readouterr().out
    assert main(["check", "HEAD", "HEAD~1"]) == 0
    assert "better (threshold alone)" in capsys.readouterr().out


def test_the_forms_are_of_the_same_verdict(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.commit({name: value for name, (_, value) in GOOD.items()} | {"actions.File.time_write": 0.004})
    outputs = {}
    for form in ("json", "markdown", "github"):
        assert main(["check", "HEAD~1", "HEAD", f"--{form}"]) == 1
        outputs[form] = capsys.readouterr().out

    assert json.loads(outputs["json"])["verdict"] == "worse"
    assert outputs["markdown"].startswith("### Worse beside")
    assert "::error title=actions.File.time_write%3A worse" in outputs["github"]


def test_a_form_that_is_read_by_others_says_too_that_nothing_was_measured(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.commit()

    assert main(["check", "HEAD", "--markdown"]) == 4
    assert capsys.readouterr().out.startswith("### Nothing was measured\n\nCommit ")
    assert main(["check", "HEAD", "--github"]) == 4
    assert capsys.readouterr().out.startswith("::error title=Nothing was measured::Commit ")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["check", "nonsense"], 2, "has no commit 'nonsense'"),
        (["check", "--config", "other.json"], 2, "asv.conf.json"),
        (["check", "--machine", "other"], 4, "no results of machine 'other'"),
    ],
)
def test_an_error_is_one_clear_line(
    project: Project, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    assert main(arguments) == status
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["check", "--help"])

    text = capsys.readouterr().out
    assert "openhands-ray check HEAD~1" in text
    assert "openhands-ray check main HEAD" in text
    assert re.findall(r"^  (\d) ", text, re.MULTILINE) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("arguments", [["--json", "--markdown"], ["a", "b", "c"], ["--other"]])
def test_wrong_usage_of_check_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["check", *arguments])


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
