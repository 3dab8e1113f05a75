"""Where the time of a run goes, from durations that asv has stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from asv.results import Results
from asv.runner import BenchmarkResult
from asv.util import write_json
from project import ENVIRONMENT, MakeProject, Project, benchmark

from openhands_ray.history import cost

WRITE, READ, AGE = "actions.File.time_write", "actions.File.time_read", "growth.Age.track_command"


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    return make_project([benchmark(WRITE), benchmark(READ), benchmark(AGE)])


def store(project: Project, run: int, durations: dict[str, float], shared: float) -> Path:
    folder = project.folder / ".asv/runs"
    machine = f"run-{run}"
    write_json(str(folder / machine / "machine.json"), {"machine": machine, "version": 1}, 1)
    stored = Results({"machine": machine, "python": "3.12"}, {}, "a" * 40, 0, "3.12", ENVIRONMENT, {})
    for name, duration in durations.items():
        result = BenchmarkResult([1.0], [None], [None], 0, "", None)
        stored.add_result(project.benchmarks[name], result, duration=duration)
    stored.set_setup_cache_duration("ratios:127", shared)
    stored.set_build_duration(1.0)
    stored.save(str(folder))
    return folder


def test_benchmarks_of_a_class_are_added_and_runs_give_a_median(project: Project) -> None:
    for run, write in enumerate((1.0, 2.0, 9.0)):
        folder = store(project, run, {WRITE: write, READ: 1.0, AGE: 2.5}, shared=20.0)

    assert list(cost.seconds(folder).items()) == [
        ("ratios, measured for several", 20.0),
        ("actions.File", 3.0),
        ("growth.Age", 2.5),
        ("build and installation", 1.0),
    ]
    assert "26 in all.\n" in cost.section(folder)


def test_it_is_told_how_fast_the_machine_was(make_project: MakeProject) -> None:
    project = make_project([benchmark(cost.YARDSTICK)])
    folder = store(project, 1, {cost.YARDSTICK: 9.0}, shared=1.0)

    assert "where the runtime's initialization takes 1 s" in cost.section(folder)
