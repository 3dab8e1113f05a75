"""The A/A study, on samples whose noise is known."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path

import pytest
from asv.results import Results
from asv.runner import BenchmarkResult
from asv.util import write_json
from project import ENVIRONMENT, MakeProject, benchmark

from openhands_ray.history import study
from openhands_ray.history.errors import NoResults
from openhands_ray.history.study import Sample, Studied

NAME = "actions.File.time_read"


@pytest.fixture(autouse=True)
def _shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a long history be one of 200 commits: one of 1,000 takes seconds."""
    monkeypatch.setattr(study, "LONG", 200)


def noisy(share: float, count: int = 16, seed: int = 1) -> list[Sample]:
    chance = random.Random(seed)
    return [(chance.uniform(1, 1 + share), None) for _ in range(count)]


def test_a_quiet_benchmark_needs_no_threshold_to_speak_of_and_shows_small_slowdowns() -> None:
    found = study.study(NAME, noisy(0.01))

    assert found.threshold == study.STEPS[0]
    assert (found.real, found.alarms) == (0, 0)
    assert found.soon is not None
    assert found.later is not None
    assert found.young is not None
    assert found.later <= found.soon <= found.young <= 0.1


def test_noise_hides_what_a_quiet_benchmark_shows() -> None:
    quiet, loud = study.study(NAME, noisy(0.01)), study.study(NAME, noisy(0.6))

    assert quiet.later is not None
    assert loud.later is None or loud.later > quiet.later


def test_the_same_runs_give_the_same_answer() -> None:
    assert study.study(NAME, noisy(0.2)) == study.study(NAME, noisy(0.2))


def test_what_never_fails_has_no_threshold() -> None:
    found = study.study("reliability.Reliability.track_failure_rate", [(0.0, None)] * 12)
    assert (found.threshold, found.young, found.soon, found.later) == (0.0, 0.0, 0.0, 0.0)


def test_a_step_between_the_halves_is_an_alarm_on_the_real_history() -> None:
    samples: list[Sample] = [(1.0 + number % 3 / 1000, None) for number in range(8)]
    samples += [(2.0 + number % 3 / 1000, None) for number in range(8)]
    assert study.study(NAME, samples).real == 1


def test_blocks_keep_runs_together() -> None:
    samples: list[Sample] = [(float(number), None) for number in range(10)]
    history = study.resampled(samples, 100, random.Random(2))

    assert len(history) == 100
    for start in range(0, 99, study.BLOCK):
        block = [value for value, _ in history[start : start + study.BLOCK]]
        assert block == [block[0] + step for step in range(len(block))]


def test_an_alarm_that_a_later_look_withdraws_counts() -> None:
    history: list[Sample] = [*[(1.0, None)] * 40, *[(2.0, None)] * 10, *[(1.0, None)] * 50]
    assert study.alarms(study.looks(history), 0.2) == 1


def test_parameters_with_the_same_threshold_have_one_key_and_others_one_each() -> None:
    shares = {"a.B.c(1)": 0.1, "a.B.c(12)": 0.3, "a.B.c('x - y')": 0.1, "a.B.d(1)": 0.2, "a.B.d(2)": 0.2, "a.B.e": 0.0}
    studied = [Studied(name, 12, 0.1, each, each, 0, 0, 0, 1000, 0.1, 0.1, 0.1) for name, each in shares.items()]
    found = study.thresholds(studied)["regressions_thresholds"]

    assert len(found) == 5
    assert r"a\.B\.c\('x - y'\)" in found
    for name, share in {**shares, "a.B.d(3)": 0.2}.items():
        assert [value for key, value in found.items() if re.match(key, f"{name}@main")] == [share]


def test_single_runs_have_a_threshold_of_their_own_only_where_it_is_another() -> None:
    shares = {"a.B.c(1)": (0.1, 0.1), "a.B.c(2)": (0.1, 0.3), "a.B.d": (0.2, 0.4), "a.B.e": (0.2, 0.2)}
    studied = [Studied(name, 12, 0.1, *each, 0, 0, 0, 1000, 0.1, 0.1, 0.1) for name, each in shares.items()]
    found = study.thresholds(studied)

    assert found["single_run_thresholds"] == {r"a\.B\.c\(1\)": 0.1, r"a\.B\.c\(2\)": 0.3, r"a\.B\.d\b": 0.4}


def test_single_runs_may_differ_by_more_than_levels_do() -> None:
    found = study.study(NAME, noisy(0.3))
    assert found.threshold < 0.25 <= found.single
    assert found.pairs == 0


def test_the_page_counts_by_kind_what_is_found() -> None:
    def studied(name: str, soon: float | None, later: float | None) -> Studied:
        return Studied(name, 12, 0.1, 0.1, 0.1, 0, 0, 0, 1000, None, soon, later)

    ratios = [studied("ratios.Ratio.track_ratio('x')", 0.125, 0.1), studied("ratios.Ratio.track_ratio('y')", 0.1, 0.1)]
    times = [studied("actions.File.time_read", None, 1.0), studied("ratios.Ratio.track_ours('x')", None, None)]
    rows = study.page([*ratios, *times], Path("abc")).splitlines()

    assert "| ratios to a reference | 2 | 2 (1) | 2 (2) | 2 (2) | 2 (2) |" in rows
    assert "| other times | 1 | 0 (0) | 0 (0) | 0 (0) | 1 (0) |" in rows
    assert "| times of a ratio's two sides | 1 | 0 (0) | 0 (0) | 0 (0) | 0 (0) |" in rows
    assert not any(row.startswith("| memory") for row in rows)


def test_too_few_runs_are_refused_by_name(make_project: MakeProject, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project([benchmark(NAME)])
    project.commit({NAME: 1.0})
    folder = project.folder / ".asv/results"

    with pytest.raises(NoResults, match="holds 1 runs, and a study needs 12"):
        study.series(folder)
    assert study.main([str(folder)]) == 1
    assert "error: " in capsys.readouterr().err


def test_the_runs_are_in_the_order_of_their_names(make_project: MakeProject) -> None:
    project = make_project([benchmark(NAME, params=[["1", "2"]])])
    commit = project.commit()
    results = project.folder / ".asv/results"
    for number in reversed(range(study.LEAST_RUNS)):
        machine = f"run-{number:02}"
        write_json(str(results / machine / "machine.json"), {"machine": machine, "version": 1}, 1)
        stored = Results({"machine": machine, "python": "3.12"}, {}, commit, 0, "3.12", ENVIRONMENT, {})
        value = [float(number), None if number else math.nan]
        stored.add_result(project.benchmarks[NAME], BenchmarkResult(value, [None] * 2, [None] * 2, 0, "", None))
        stored.save(str(results))

    assert study.series(results) == {f"{NAME}(1)": [(float(number), None) for number in range(study.LEAST_RUNS)]}
