from __future__ import annotations

import math
from io import StringIO

import pytest
from project import MakeProject, Project, benchmark
from rich.console import Console

from openhands_ray.history.check import Comparison, format_value, print_reports, reports
from openhands_ray.history.errors import NoResults
from openhands_ray.history.results import History, Measurement

WRITE = "actions.File.time_write"
MEMORY = "resources.Memory.track_cluster"


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    return make_project([benchmark(WRITE, title="file write"), benchmark(MEMORY, unit="MB", title="cluster")])


def measurement(value: float | None) -> Measurement:
    return Measurement(WRITE, "", WRITE, "seconds", value)


def test_a_report_compares_with_the_previous_measured_commit(project: Project) -> None:
    project.commit({WRITE: 0.002})
    project.commit()
    project.commit({WRITE: 0.003, MEMORY: 150.0})

    (report,) = reports(History(project.configuration))

    assert report.previous is not None
    assert report.previous.commit == project.commits[0]
    assert [(c.measurement.name, c.ratio) for c in report.comparisons] == [(WRITE, pytest.approx(1.5)), (MEMORY, None)]


@pytest.mark.parametrize(("new", "old"), [(None, 1.0), (1.0, None), (1.0, 0.0), (math.nan, 1.0), (1.0, math.nan)])
def test_there_is_no_ratio_of_what_is_not_there(new: float | None, old: float | None) -> None:
    assert Comparison(measurement(new), measurement(old)).ratio is None


def test_another_machine_has_no_results(project: Project) -> None:
    project.commit({WRITE: 0.002})

    with pytest.raises(NoResults, match="machine 'other'"):
        reports(History(project.configuration), machine="other")


def test_the_table_shows_values_verdicts_and_what_did_not_hold(project: Project) -> None:
    project.commit({WRITE: 0.002, MEMORY: 100.0})
    project.commit({WRITE: 6.0, MEMORY: 250.0})
    out = StringIO()

    print_reports(reports(History(project.configuration)), Console(file=out, width=160))

    lines = out.getvalue().splitlines()
    assert any("file write" in line and "2.00ms" in line and "6.00s" in line and "3000" in line for line in lines)
    assert any("Cluster memory" in line and "< 200 MB" in line and "failed" in line for line in lines)
    assert any("Runtime initialization" in line and "not measured" in line for line in lines)
    assert any("not held" in line and "Cluster memory (failed)" in line for line in lines)


def test_brackets_in_parameters_are_printed_as_they_are(make_project: MakeProject) -> None:
    project = make_project([benchmark(WRITE, title="file write", params=[["[red]"]])])
    project.commit({WRITE: [6.0]})
    out = StringIO()

    print_reports(reports(History(project.configuration)), Console(file=out, width=160))

    assert out.getvalue().count("file write([red])") == 2


@pytest.mark.parametrize(("value", "unit", "text"), [(None, "seconds", "-"), (math.nan, "MB", "skipped")])
def test_a_value_that_is_not_there_is_said_so(value: float | None, unit: str, text: str) -> None:
    assert format_value(value, unit) == text
