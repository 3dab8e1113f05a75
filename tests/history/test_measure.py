"""How what asv answers becomes a run; that it really measures is tested with the whole hunt."""

from __future__ import annotations

import logging
import math
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asv import util
from asv.benchmarks import Benchmarks
from asv.results import Results
from asv.runner import BenchmarkResult
from project import benchmark

from openhands_ray.history.errors import ConfigurationMissing, HuntRunning
from openhands_ray.history.measure import AsvMeasurer, alone, in_folder_of, interruptible, logged_to
from openhands_ray.history.project import Project
from openhands_ray.history.runs import Failure, Journal, Run

NAME = "actions.File.time_write"
PARAMETERS = [["1", "2", "3"]]


def measurer(tmp_path: Path, project: Any = None, params: Any = (), only: str = "") -> AsvMeasurer:
    conf = SimpleNamespace(benchmark_dir="")
    selected = Benchmarks(conf, [benchmark(NAME, params=params)], regex=NAME + only)
    return AsvMeasurer(project, selected, Journal(tmp_path, {"benchmark": NAME}))


def read(tmp_path: Path, value: Any, status: int = 0, output: str = "", params: Any = (), only: str = "") -> Run:
    values = value if isinstance(value, list) else [value]
    results = Results.unnamed()
    samples = [None if each is None or math.isnan(each) else [each, each + 1, each + 2] for each in values]
    numbers = [each and 10 for each in samples]
    results.add_result(
        benchmark(NAME, params=params),
        BenchmarkResult(values, samples, numbers, status, output, None),
        record_samples=True,
    )
    return measurer(tmp_path, params=params, only=only)._read("c", results)


def test_a_value_is_the_median_of_its_samples(tmp_path: Path) -> None:
    assert read(tmp_path, 5.0) == Run("c", 6.0, (5.0, 6.0, 7.0))


def test_of_several_parameters_the_chosen_ones_are_read(tmp_path: Path) -> None:
    values = [math.nan, 8.0, math.nan]

    assert read(tmp_path, values, params=PARAMETERS, only=r"\(2\)") == Run("c", 9.0, (8.0, 9.0, 10.0))


def test_a_failure_has_the_last_line_of_the_output(tmp_path: Path) -> None:
    run = read(tmp_path, None, 1, "Traceback\nValueError: wrong\n\n")

    assert (run.failure, run.message) == (Failure.RUN, "ValueError: wrong")


def test_a_time_out_and_a_skip_are_told_apart(tmp_path: Path) -> None:
    assert read(tmp_path, None, util.TIMEOUT_RETCODE).failure is Failure.TIMEOUT
    assert read(tmp_path, math.nan).failure is Failure.SKIPPED


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (util.ProcessError(["uv"], 1, "built\n", "error: no lock\n"), "error: no lock"),
        (util.UserError("Found multiple wheels"), "Found multiple wheels"),
        (OSError("could not find 'uv' in PATH"), "could not find 'uv' in PATH"),
    ],
)
def test_a_commit_that_cannot_be_installed_has_the_reason(tmp_path: Path, error: Exception, message: str) -> None:
    def install(*_: Any) -> None:
        raise error

    environment = SimpleNamespace(create=lambda: None, install_project=install)
    project: Any = SimpleNamespace(environment=environment, conf=None, repo=None)

    run = measurer(tmp_path, project).run("c")

    assert (run.failure, run.message) == (Failure.BUILD, message)
    assert run.duration_s > 0


def test_an_interruption_that_asv_has_made_an_error_of_is_one(tmp_path: Path) -> None:
    def interrupted() -> None:
        raise util.UserError("Interrupted.")

    project: Any = SimpleNamespace(environment=SimpleNamespace(create=interrupted), conf=None, repo=None)

    with pytest.raises(KeyboardInterrupt):
        measurer(tmp_path, project).run("c")
    assert Journal(tmp_path, {"benchmark": NAME}).kept == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # that it is dropped is the point
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_that_python_drops_is_raised_before_the_next_run(
    tmp_path: Path, number: signal.Signals
) -> None:
    class Dropping:
        def __del__(self) -> None:
            signal.raise_signal(number)

    before = signal.getsignal(number)
    with interruptible() as check:
        check()
        Dropping()
        with pytest.raises(KeyboardInterrupt):
            AsvMeasurer(None, None, Journal(tmp_path, {}), check=check).run("c")  # type: ignore[arg-type]
    assert signal.getsignal(number) is before


def test_what_asv_says_goes_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logged_to(tmp_path / "new/asv.log"):
        logging.getLogger().info("built %s", "it")
        print("a dot", file=sys.stdout)
    logging.getLogger().warning("after")

    text = (tmp_path / "new/asv.log").read_text()
    assert "INFO built it" in text
    assert "a dot" in text
    assert "after" not in text
    assert capsys.readouterr().out == ""


def test_only_one_may_hunt_at_a_time(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(HuntRunning, match="Another hunt"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_work_is_done_where_the_configuration_lies(tmp_path: Path) -> None:
    (tmp_path / "asv.conf.json").touch()
    before = Path.cwd()

    with in_folder_of(tmp_path / "asv.conf.json"):
        assert Path.cwd() == tmp_path
    assert Path.cwd() == before
    with (
        pytest.raises(ConfigurationMissing, match=r"no nowhere/asv\.conf\.json"),
        in_folder_of(Path("nowhere/asv.conf.json")),
    ):
        pass


def test_the_project_is_not_loaded_without_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationMissing, match=r"asv\.conf\.json"):
        Project(Path("asv.conf.json"), None, None)
