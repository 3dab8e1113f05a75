from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from openhands_ray.history.criteria import CRITERIA, Verdict, judge
from openhands_ray.history.results import Measurement, Series, Snapshot

# A value for each benchmark of the suite that a criterion selects, and its unit.
GOOD = {
    "initialization.Initialization.time_runtime_initialization": (3.0, "seconds"),
    "actions.Command.time_simple_command": (0.5, "seconds"),
    "actions.Command.time_complex_command": (0.5, "seconds"),
    "actions.File.time_write": (0.1, "seconds"),
    "actions.File.time_read": (0.1, "seconds"),
    "actions.File.time_edit": (0.1, "seconds"),
    "actions.LargeFile.time_large_file_operations": (4.9, "seconds"),
    "actions.IPython.time_simple": (0.1, "seconds"),
    "actions.IPython.time_complex": (0.1, "seconds"),
    "workflows.Workflow.time_multi_step": (1.0, "seconds"),
    "workflows.Workflow.time_rapid_commands": (1.0, "seconds"),
    "resources.Memory.track_cluster": (163.0, "MB"),
    "resources.Memory.track_session": (900.0, "MB"),
    "reliability.Reliability.track_failure_rate": (0.0, "%"),
}


def verdicts(**changes: Any) -> tuple[dict[str, tuple[Verdict, float | None]], dict[str, str]]:
    """Judges good values but for some, given by the last part of their name; ``...`` takes the benchmark away."""
    measurements = {}
    for name, (value, unit) in GOOD.items():
        changed = changes.pop(name.rpartition(".")[2], value)
        if changed is not ...:
            measurements[name] = Measurement(name, "", name, unit, changed)
    assert not changes
    snapshot = Snapshot("0" * 40, datetime.now(UTC), Series("bench", "virtualenv"), measurements)
    judgements = judge(snapshot, frozenset(GOOD))
    return {j.criterion.name: (j.verdict, j.value) for j in judgements}, {
        j.criterion.name: j.reason for j in judgements
    }


def broken(**changes: Any) -> set[str]:
    found, _ = verdicts(**changes)
    return {name for name, (verdict, _) in found.items() if verdict is not Verdict.HELD}


def test_all_criteria_hold_for_good_values() -> None:
    assert broken() == set()


def test_the_budgets_are_those_of_the_project() -> None:
    assert {c.name: (c.budget, c.unit) for c in CRITERIA} == {
        "Runtime initialization": (10.0, "seconds"),
        "Average action": (1.0, "seconds"),
        "Maximum operation": (5.0, "seconds"),
        "Cluster memory": (200.0, "MB"),
        "Failure rate": (0.0, "%"),
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"time_runtime_initialization": 5.0}, {"Maximum operation"}),
        ({"time_runtime_initialization": 10.0}, {"Maximum operation", "Runtime initialization"}),
        ({"time_large_file_operations": 5.0}, {"Maximum operation"}),
        ({"time_rapid_commands": 5.1}, {"Maximum operation"}),
        ({"time_write": 7.0}, {"Maximum operation", "Average action"}),
        ({"track_cluster": 200.0}, {"Cluster memory"}),
        ({"track_failure_rate": 0.1}, {"Failure rate"}),
        ({"track_session": 5000.0}, set()),
    ],
)
def test_a_value_over_its_budget_breaks_the_criteria_that_select_it(
    changes: dict[str, Any], expected: set[str]
) -> None:
    assert broken(**changes) == expected


def test_the_average_is_over_the_single_actions_alone() -> None:
    found, reasons = verdicts(time_large_file_operations=0.0, time_multi_step=0.0)

    assert found["Average action"][1] == pytest.approx((0.5 * 2 + 0.1 * 5) / 7)
    assert reasons["Average action"] == "mean of 7"


def test_the_maximum_names_what_decided_it() -> None:
    assert verdicts()[1]["Maximum operation"] == "actions.LargeFile.time_large_file_operations"


def test_a_failed_benchmark_breaks_its_criteria() -> None:
    found, reasons = verdicts(time_simple=None)

    assert found["Average action"] == found["Maximum operation"] == (Verdict.FAILED, None)
    assert reasons["Average action"] == "failed: actions.IPython.time_simple"


def test_a_benchmark_that_was_not_run_leaves_its_criteria_unmeasured() -> None:
    found, reasons = verdicts(track_cluster=...)

    assert found["Cluster memory"] == (Verdict.UNMEASURED, None)
    assert reasons["Cluster memory"] == "no result of: resources.Memory.track_cluster"


def test_a_skipped_benchmark_does_not_count() -> None:
    found, _ = verdicts(time_complex=math.nan, track_cluster=math.nan)

    assert found["Average action"][0] is Verdict.HELD
    assert found["Cluster memory"] == (Verdict.UNMEASURED, None)


def test_a_value_in_another_unit_is_not_judged() -> None:
    name = "resources.Memory.track_cluster"
    measurement = Measurement(name, "", name, "bytes", 163e6)
    snapshot = Snapshot("0" * 40, datetime.now(UTC), Series("bench", "virtualenv"), {name: measurement})

    judgement = next(j for j in judge(snapshot, frozenset({name})) if j.criterion.name == "Cluster memory")

    assert judgement.verdict is Verdict.UNMEASURED
    assert "'bytes' is not 'MB'" in judgement.reason


@pytest.mark.parametrize("name", ["peers.File.time_write", "actions.File.track_size", "xactions.File.time_write"])
def test_benchmarks_of_other_modules_are_not_selected(name: str) -> None:
    assert not any(criterion.selects(name) for criterion in CRITERIA)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"time_rapid_commands": 2.6}, {"Maximum operation"}),
        ({"time_close": 2.6}, set()),
        ({"time_write": 4.0, "time_large_file_operations": 1.0}, {"Maximum operation", "Average action"}),
        ({}, set()),
    ],
)
def test_the_seconds_of_a_slow_machine_are_those_that_a_user_waits(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], expected: set[str]
) -> None:
    monkeypatch.setitem(GOOD, "machine.Machine.track_slowness", (2.0, "ratio"))
    monkeypatch.setitem(GOOD, "initialization.FirstAction.time_close", (0.1, "seconds"))

    good = {"time_large_file_operations": 2.4, "time_runtime_initialization": 2.4}
    assert broken(**good | changes) == expected


def test_parameters_of_a_benchmark_do_not_hide_it() -> None:
    selecting = {criterion.name for criterion in CRITERIA if criterion.selects("actions.File.time_write(10, 'a')")}

    assert selecting == {"Average action", "Maximum operation"}
