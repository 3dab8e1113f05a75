from __future__ import annotations

import math
from pathlib import Path

import pytest
from project import ENVIRONMENT, MACHINE, MakeProject, Project, benchmark

from openhands_ray.history.errors import ConfigurationMissing, NoResults, UnknownCommit
from openhands_ray.history.results import History, Series

WRITE = "actions.File.time_write"
SIZES = "actions.File.time_read"


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    return make_project([benchmark(WRITE, title="file write"), benchmark(SIZES, params=[["1", "2"]])])


def test_a_snapshot_holds_the_values_of_a_commit_under_the_names_of_asv(project: Project) -> None:
    commit = project.commit({WRITE: 0.5, SIZES: [0.1, None]})

    (snapshot,) = History(project.configuration).snapshots("HEAD")

    assert snapshot.commit == commit
    assert snapshot.series == Series(MACHINE, ENVIRONMENT)
    assert snapshot.date.isoformat() == "2024-01-01T00:00:00+00:00"
    assert {name: m.value for name, m in snapshot.measurements.items()} == {
        WRITE: 0.5,
        f"{SIZES}(1)": 0.1,
        f"{SIZES}(2)": None,
    }
    assert snapshot.measurements[WRITE].title == "file write"
    assert snapshot.measurements[f"{SIZES}(2)"].failed


def test_a_skipped_benchmark_is_not_a_failed_one(project: Project) -> None:
    project.commit({WRITE: math.nan})

    measurement = History(project.configuration).snapshots("HEAD")[0].measurements[WRITE]

    assert measurement.skipped
    assert not measurement.failed


def test_results_of_another_version_of_a_benchmark_are_left_out(project: Project) -> None:
    project.benchmarks[WRITE]["version"] = "0"
    project.commit({WRITE: 0.5})

    assert History(project.configuration).snapshots("HEAD")[0].measurements == {}


def test_all_known_benchmarks_are_expected(project: Project) -> None:
    assert History(project.configuration).expected == {WRITE, f"{SIZES}(1)", f"{SIZES}(2)"}


def test_the_previous_snapshot_is_the_last_measured_one_before(project: Project) -> None:
    project.commit({WRITE: 0.1})
    project.commit({WRITE: 0.2})
    project.commit()
    project.commit({WRITE: 0.4})
    history = History(project.configuration)

    (snapshot,) = history.snapshots("HEAD")
    previous = history.previous(snapshot)

    assert previous is not None
    assert previous.commit == project.commits[1]
    assert history.previous(history.snapshots(project.commits[0])[0]) is None


def test_the_newest_measured_commit_is_not_always_the_newest(project: Project) -> None:
    measured = project.commit({WRITE: 0.1})
    project.commit()

    assert History(project.configuration).newest_measured() == measured


def test_a_commit_may_have_any_name_that_git_knows(project: Project) -> None:
    commit = project.commit({WRITE: 0.1})
    history = History(project.configuration)

    assert history.resolve("main") == history.resolve(commit[:7]) == commit


def test_the_current_folder_does_not_matter(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    project.commit({WRITE: 0.1})
    monkeypatch.chdir(tmp_path)

    assert History(Path("project/asv.conf.json")).commits == set(project.commits)


def test_each_thing_that_is_missing_has_its_own_error(project: Project, tmp_path: Path) -> None:
    project.commit()
    history = History(project.configuration)

    with pytest.raises(UnknownCommit, match="nonsense"):
        history.resolve("nonsense")
    with pytest.raises(NoResults, match="asv run"):
        history.newest_measured()
    with pytest.raises(NoResults, match="asv run"):
        history.snapshots("HEAD")
    with pytest.raises(ConfigurationMissing, match=r"asv\.conf\.json"):
        History(tmp_path / "asv.conf.json")
    (project.folder / ".asv/results/benchmarks.json").unlink()
    with pytest.raises(NoResults, match="asv run"):
        History(project.configuration)
