from __future__ import annotations

import json
import math
import re
from io import StringIO
from typing import Any

import pytest
from asv.util import load_json
from project import MakeProject, Project, Samples, benchmark, git
from rich.console import Console

from openhands_ray.cli import main
from openhands_ray.history.check import Report, Status, conclusion, format_measurement, format_value, overall, reports
from openhands_ray.history.check_report import as_json, as_markdown, print_reports, workflow_commands
from openhands_ray.history.errors import NoResults, UnknownCommit
from openhands_ray.history.gate import Change
from openhands_ray.history.results import History, Measurement
from openhands_ray.history.triage import FILENAME, Acknowledgement, Triage

WRITE = "actions.File.time_write"
MEMORY = "resources.Memory.track_cluster"
FAILURES = "reliability.Reliability.track_failure_rate"
START = "initialization.Initialization.time_runtime_initialization"
TITLES = {WRITE: "file write", MEMORY: "cluster", FAILURES: "failure rate", START: "initialization"}
UNITS = {WRITE: "seconds", MEMORY: "MB", FAILURES: "%", START: "seconds"}

QUIET = Samples([0.00200, 0.00201, 0.00199, 0.00200, 0.00202, 0.00198, 0.00200, 0.00201, 0.00199, 0.00200])
SLOW = Samples([3 * value for value in QUIET.values])
NOISY = Samples([0.002, 0.009, 0.002, 0.009, 0.002, 0.009, 0.002, 0.009, 0.002, 0.009])
GOOD: dict[str, Any] = {WRITE: QUIET, MEMORY: 150.0, FAILURES: 0.0, START: 3.0}


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    return make_project([benchmark(name, UNITS[name], title) for name, title in TITLES.items()])


def checked(project: Project, *results: dict[str, Any], **options: Any) -> Report:
    """Adds commits with results, and compares the last with the one before."""
    for each in results:
        project.commit(each)
    (report,) = reports(History(project.configuration), "HEAD", base="HEAD~1", **options)
    return report


def printed(report: Report) -> str:
    out = StringIO()
    print_reports([report], Console(file=out, width=160))
    return out.getvalue()


def change_of(report: Report, name: str) -> Change:
    (found,) = (c.change for c in report.comparisons if c.measurement.name == name)
    return found


def test_a_report_compares_with_the_previous_measured_commit(project: Project) -> None:
    project.commit({WRITE: 0.002})
    project.commit()
    project.commit({WRITE: 0.003, MEMORY: 150.0})

    (report,) = reports(History(project.configuration))

    assert report.previous is not None
    assert report.previous.commit == project.commits[0]
    ratios = [(c.measurement.name, c.ratio) for c in report.comparisons]
    assert ratios == [(WRITE, pytest.approx(1.5)), (MEMORY, None)]


def test_a_report_compares_with_the_base_that_is_named(project: Project) -> None:
    for value in (0.001, 0.002, 0.003):
        project.commit({WRITE: value})

    (report,) = reports(History(project.configuration), "HEAD", base="HEAD~2")

    assert report.previous is not None
    assert report.previous.commit == project.commits[0]


def test_another_machine_has_no_results(project: Project) -> None:
    project.commit({WRITE: 0.002})

    with pytest.raises(NoResults, match="machine 'other'"):
        reports(History(project.configuration), machine="other")


def test_commits_that_no_machine_measured_both_cannot_be_compared(project: Project) -> None:
    project.commit({WRITE: 0.002})
    (path,) = (project.folder / ".asv/results/bench").glob("*-virtualenv*.json")
    path.write_text(path.read_text().replace('"env_name": "virtualenv-py3.12"', '"env_name": "other"'))
    project.commit({WRITE: 0.002})

    with pytest.raises(NoResults, match="No machine and environment measured both"):
        reports(History(project.configuration), "HEAD", base="HEAD~1")
    with pytest.raises(UnknownCommit):
        reports(History(project.configuration), "HEAD", base="nonsense")


def test_a_lenient_verdict_tells_what_rose_and_counts_what_failed(project: Project) -> None:
    slower = checked(project, GOOD, GOOD | {WRITE: SLOW}, lenient=True)
    assert (change_of(slower, WRITE), slower.status) == (Change.WORSE, Status.FINE)
    assert conclusion(slower).startswith("Perhaps worse beside ")
    assert checked(project, GOOD, GOOD | {WRITE: None}, lenient=True).status is Status.WORSE
    assert checked(project, GOOD, GOOD | {MEMORY: 201.0}, lenient=True).status is Status.WORSE


# -- the status --------------------------------------------------------------------------------------------------------


def test_nothing_changed_is_fine(project: Project) -> None:
    report = checked(project, GOOD, GOOD)

    assert report.status is Status.FINE
    assert conclusion(report).startswith("Fine beside ")


def test_a_planted_slowdown_is_worse(project: Project) -> None:
    report = checked(project, GOOD, GOOD | {WRITE: SLOW})

    assert report.status is Status.WORSE
    assert "1 worse" in conclusion(report)


@pytest.mark.parametrize(("single", "status"), [(1.0, Status.WORSE), (2.5, Status.FINE)])
def test_single_runs_may_differ_by_more_than_the_levels_of_the_site(
    project: Project, single: float, status: Status
) -> None:
    configuration = load_json(str(project.configuration), js_comments=True)
    configuration["single_run_thresholds"] = {r"actions\.File\.time_write\b": single}
    project.configuration.write_text(json.dumps(configuration))

    assert checked(project, GOOD, GOOD | {WRITE: SLOW}).status is status


def test_noise_is_fine_and_is_called_noise(project: Project) -> None:
    report = checked(project, GOOD, GOOD | {WRITE: NOISY})

    assert report.status is Status.FINE
    assert change_of(report, WRITE) is Change.NOISE
    assert "1 noise" in conclusion(report)


@pytest.mark.parametrize("samples", [SLOW, Samples(SLOW.values, recorded=False)])
def test_without_recorded_samples_the_intervals_decide(project: Project, samples: Samples) -> None:
    report = checked(project, GOOD | {WRITE: Samples(QUIET.values, recorded=False)}, GOOD | {WRITE: samples})

    assert report.status is Status.WORSE


def test_a_benchmark_that_fails_or_is_gone_is_broken(project: Project) -> None:
    failed = checked(project, GOOD, GOOD | {START: None})
    gone = checked(project, GOOD, {name: value for name, value in GOOD.items() if name != WRITE})

    assert failed.status is Status.WORSE
    assert change_of(failed, START) is Change.BROKEN
    assert gone.status is Status.WORSE
    assert change_of(gone, WRITE) is Change.BROKEN


def test_after_a_partial_run_nothing_is_broken_unless_a_base_is_named(project: Project) -> None:
    project.commit(GOOD)
    project.commit({WRITE: QUIET})

    (report,) = reports(History(project.configuration))

    assert change_of(report, MEMORY) is Change.NOT_RUN
    assert report.status is Status.UNMEASURED


def test_a_criterion_that_failed_before_too_is_told_but_does_not_count(project: Project) -> None:
    bad = GOOD | {MEMORY: 250.0}
    report = checked(project, bad, bad)

    assert report.status is Status.FINE
    assert "Cluster memory (failed, as before)" in conclusion(report)
    assert reports(History(project.configuration))[0].status is Status.WORSE
    assert checked(project, GOOD | {MEMORY: 199.0}, GOOD | {MEMORY: 201.0}).status is Status.WORSE


def test_what_cannot_be_compared_is_unmeasured(project: Project) -> None:
    nothing = dict.fromkeys(GOOD, None)

    assert checked(project, nothing, GOOD).status is Status.UNMEASURED
    assert checked(project, GOOD, nothing).status is Status.WORSE


def test_worse_is_worse_than_unmeasured() -> None:
    class Judged:
        def __init__(self, status: Status) -> None:
            self.status = status

    def of(*statuses: Status) -> Status:
        return overall([Judged(status) for status in statuses])  # type: ignore[misc]

    assert of(Status.FINE, Status.UNMEASURED, Status.WORSE) is Status.WORSE
    assert of(Status.FINE, Status.UNMEASURED) is Status.UNMEASURED
    assert of(Status.FINE) is Status.FINE


def test_an_acknowledged_regression_is_fine_where_its_commit_is_among_those_compared(project: Project) -> None:
    slow = GOOD | {WRITE: SLOW}
    report = checked(project, GOOD, slow)
    culprit = report.snapshot.commit
    history = History(project.configuration)

    def status(benchmark: str, commit: str) -> Status:
        triage = Triage((Acknowledgement(benchmark, commit[:8], "It is safe now.", 1),))
        return overall(reports(history, "HEAD", base="HEAD~1", triage=triage))

    assert status(WRITE, culprit) is Status.FINE
    assert status(WRITE, project.commits[0]) is Status.WORSE
    assert status(START, culprit) is Status.WORSE


def test_the_command_reads_what_is_acknowledged(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    culprit = checked(project, GOOD, GOOD | {WRITE: SLOW}).snapshot.commit
    command = ["check", "HEAD~1", "HEAD", "--config", str(project.configuration)]
    entry = f'[[acknowledged]]\nbenchmark = "{WRITE}"\ncommit = "{culprit[:8]}"\nreason = "It is safe now."\n'

    assert main(command) == Status.WORSE
    (project.folder / FILENAME).write_text(entry)
    assert main(command) == Status.FINE
    assert "acknowledged" in capsys.readouterr().out
    (project.folder / FILENAME).write_text(entry.replace("reason", "because"))
    assert main(command) == Status.USAGE
    assert FILENAME in capsys.readouterr().err


# -- the forms ---------------------------------------------------------------------------------------------------------


def test_the_table_shows_values_noise_thresholds_and_verdicts(project: Project) -> None:
    project.commit({WRITE: QUIET, MEMORY: 100.0})
    project.commit({WRITE: Samples([3000 * value for value in QUIET.values]), MEMORY: 250.0})
    (report,) = reports(History(project.configuration))

    lines = printed(report).splitlines()

    (write,) = (line for line in lines if "file write" in line and "ms" in line)
    assert re.findall(r"2\.00±0\.01ms|6\.00±0\.02s|\+299900 %|\+40 %|worse", write)[-1] == "worse"
    assert all(text in write for text in ("2.00±", "6.00±", "+299900 %", "+40 %"))
    assert any("cluster" in line and "worse (threshold alone)" in line for line in lines)
    assert any("Cluster memory" in line and "< 200 MB" in line and "failed" in line for line in lines)
    assert any("Runtime initialization" in line and "not measured" in line for line in lines)
    assert "not held" in " ".join(lines)
    assert "Cluster memory (failed)" in " ".join(" ".join(lines).split())


def test_brackets_in_parameters_are_printed_as_they_are(make_project: MakeProject) -> None:
    project = make_project([benchmark(WRITE, title="file write", params=[["[red]"]])])
    project.commit({WRITE: [6.0]})

    assert printed(reports(History(project.configuration))[0]).count("file write([red])") == 2


def test_the_markdown_has_the_verdict_first_and_folds_what_did_not_change(project: Project) -> None:
    text = as_markdown([checked(project, GOOD, GOOD | {WRITE: SLOW})])

    assert text.startswith("### Worse beside ")
    shown, folded = text.split("<details>", 1)
    assert "| file write | 2.00±" in shown
    assert "**worse**" in shown
    assert "| cluster |" not in shown
    assert "| cluster | 150 MB | 150 MB | +0 % | +25 % | same |" in folded
    assert text.count("<details>") == text.count("</details>") == 2


def test_names_do_not_break_the_markdown(make_project: MakeProject) -> None:
    project = make_project([benchmark(WRITE, title="file write", params=[["a | b <i>*x*"]])])
    text = as_markdown([checked(project, {WRITE: [1.0]}, {WRITE: [9.0]})])

    assert r"file write(a \| b \<i\>\*x\*)" in text


def test_a_comment_is_never_longer_than_github_takes(make_project: MakeProject) -> None:
    many = [f"parameter {number:04}" for number in range(2000)]
    project = make_project([benchmark(WRITE, title="file write", params=[many])])
    values = [1.0] * len(many)
    text = as_markdown([checked(project, {WRITE: values}, {WRITE: [9.0, *values[1:]]})])

    assert len(text) < 65_536
    assert "file write(parameter 0000)" in text
    assert "1999 benchmarks that did not change are left out" in text


def test_the_json_has_everything_in_it(project: Project) -> None:
    found = json.loads(as_json([checked(project, GOOD, GOOD | {WRITE: SLOW, MEMORY: math.nan})]))

    assert (found["status"], found["verdict"]) == (1, "worse")
    (series,) = found["series"]
    assert (series["before"], series["commit"]) == tuple(project.commits)
    benchmarks = {each["name"]: each for each in series["benchmarks"]}
    assert benchmarks[WRITE]["change"] == "worse"
    assert benchmarks[WRITE]["evidence"] == "rank test"
    assert benchmarks[WRITE]["ratio"] == pytest.approx(3)
    assert benchmarks[WRITE]["threshold"] == 0.4
    assert benchmarks[WRITE]["after"]["statistics"]["repeat"] == 10
    assert benchmarks[MEMORY]["change"] == "broken"
    assert benchmarks[MEMORY]["after"] == {"value": None, "failed": False, "skipped": True, "statistics": {}}
    assert {each["name"]: each["verdict"] for each in series["criteria"]}["Cluster memory"] == "not measured"


def test_the_annotations_are_commands_of_github(project: Project) -> None:
    found = list(workflow_commands([checked(project, GOOD, GOOD | {WRITE: SLOW, MEMORY: 250.0})]))

    assert found[0].startswith("::error title=file write%3A worse::2.00±")
    assert found[1] == (
        "::error title=cluster%3A worse (threshold alone)::150 MB → 250 MB (+67 %25, threshold +25 %25)"
    )
    assert found[2].startswith("::error title=Cluster memory%3A failed::250 MB, budget < 200 MB")
    assert len(found) == 3


@pytest.mark.parametrize(("value", "unit", "text"), [(None, "seconds", "-"), (math.nan, "MB", "skipped")])
def test_a_value_that_is_not_there_is_said_so(value: float | None, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


def test_a_result_is_printed_with_its_noise() -> None:
    statistics = {"q_25": 0.0019, "q_75": 0.0021}

    assert format_measurement(Measurement(WRITE, "", "", "seconds", 0.002, statistics)) == "2.00±0.1ms"
    assert format_measurement(Measurement(WRITE, "", "", "MB", 100.0, {"q_25": 99.0, "q_75": 103.0})) == "100±2 MB"
    assert format_measurement(Measurement(WRITE, "", "", "MB", None)) == "failed"
    assert format_measurement(None) == "-"


def test_a_rise_from_zero_has_no_ratio_and_is_told(project: Project) -> None:
    (line,) = (
        line for line in printed(checked(project, GOOD, GOOD | {FAILURES: 5.0})).splitlines() if "from 0" in line
    )

    assert "failure rate" in line
    assert "worse (threshold alone)" in line


def test_a_merge_is_between_its_parents_and_itself(project: Project) -> None:
    project.commit(GOOD)
    git(project.folder, "checkout", "--quiet", "-b", "topic")
    topic = project.commit(GOOD)

    assert History(project.configuration).between("main", "topic") == {topic}
    assert History(project.configuration).between("topic", "topic") == frozenset()
