from __future__ import annotations

import math
from collections.abc import Iterable
from io import StringIO

import pytest
from asv.config import Config
from project import CONFIGURATION, MakeProject, benchmark
from rich.console import Console
from support import ROOT, discovered_benchmarks

from openhands_ray.history.noise import Noise, main, matching, noise, print_noise, threshold
from openhands_ray.history.results import Measurement, Series, Snapshot, parameter_labels, single_run_thresholds

READ = "actions.File.time_read"
FAILURES = "reliability.Reliability.track_failure_rate"


def runs(*values: float | None, name: str = READ, unit: str = "seconds") -> list[Snapshot]:
    return [
        Snapshot("0" * 40, None, Series(f"run-{n}", ""), {name: Measurement(name, "", name, unit, value)})  # type: ignore[arg-type]
        for n, value in enumerate(values)
    ]


def only(*values: float | None, threshold: float = 0.4, name: str = READ) -> Noise:
    (found,) = noise(runs(*values, name=name), {"actions": threshold})
    return found


def test_the_spread_is_the_largest_over_the_smallest() -> None:
    assert only(2.0, 3.0, 2.5).spread == pytest.approx(1.5)


def test_the_step_is_between_runs_that_follow_each_other_in_either_direction() -> None:
    assert only(2.0, 3.0, 4.0).step == pytest.approx(1.5)
    assert only(4.0, 3.0, 2.0).step == pytest.approx(1.5)


def test_failed_and_skipped_runs_do_not_count() -> None:
    assert only(2.0, None, math.nan, 4.0).values == (2.0, 4.0)


@pytest.mark.parametrize(("threshold", "covered"), [(0.4, False), (0.5, True)])
def test_a_threshold_covers_what_is_not_above_it(threshold: float, covered: bool) -> None:
    assert only(2.0, 3.0, threshold=threshold).covered is covered


def test_zeros_have_no_spread_and_are_covered() -> None:
    found = only(0.0, 0.0, name=FAILURES)

    assert math.isnan(found.spread)
    assert math.isnan(found.step)
    assert found.covered


def test_the_table_says_which_threshold_is_below_the_noise() -> None:
    text = StringIO()

    print_noise([only(2.0, 3.0)], Console(file=text, width=120))

    assert READ in text.getvalue()
    assert "+40% too low" in text.getvalue()


def test_the_command_reads_the_runs_of_a_commit(make_project: MakeProject, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project([benchmark(READ)])
    commit = project.commit({READ: 0.5})

    assert main([commit, "--config", str(project.configuration)]) == 0
    assert READ in capsys.readouterr().out


def test_the_command_says_that_nothing_was_measured(
    make_project: MakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project([benchmark(READ)])
    commit = project.commit()

    assert main([commit, "--config", str(project.configuration)]) == 1
    assert "no results" in capsys.readouterr().err


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all benchmarks, with their parameters."""
    found = discovered_benchmarks(tmp_path_factory.mktemp("discovered"))
    return {entry["name"] + label for entry in found for label in parameter_labels(entry["params"])}


def of_no_benchmark(thresholds: Iterable[str], names: set[str]) -> set[str]:
    return {key for key in thresholds if not any(list(matching(name, {key: 0})) for name in names)}


def test_every_benchmark_has_one_threshold(names: set[str]) -> None:
    thresholds = Config.load(str(CONFIGURATION)).regressions_thresholds

    assert names
    assert {name for name in names if len(list(matching(name, thresholds))) != 1} == set()
    assert of_no_benchmark(thresholds, names) == set()


def test_every_key_for_single_runs_is_of_a_benchmark_and_not_less_than_the_one_for_the_site(names: set[str]) -> None:
    configuration = Config.load(str(CONFIGURATION))
    single = configuration.single_run_thresholds
    of = {name: list(matching(name, single)) for name in names}

    assert of_no_benchmark(single, names) == set()
    assert {name for name, found in of.items() if len(found) > 1} == set()
    site = {name: next(matching(name, configuration.regressions_thresholds)) for name in names}
    assert {name for name, found in of.items() if found and found[0] < site[name]} == set()


def test_no_threshold_is_below_what_the_study_says(names: set[str]) -> None:
    configuration = Config.load(str(CONFIGURATION))
    rows = [line.strip("| ").split(" | ") for line in (ROOT / "docs/noise.md").read_text("utf-8").splitlines()]
    studied = [(row[0], _share(row[3]), _share(row[4])) for row in rows if row[0] in names]
    single = single_run_thresholds(configuration)

    assert len(studied) > 100
    assert [name for name, least, _ in studied if threshold(name, configuration.regressions_thresholds) < least] == []
    assert [name for name, _, least in studied if threshold(name, single) < least] == []


def _share(percent: str) -> float:
    return float(percent.removesuffix(" %")) / 100
