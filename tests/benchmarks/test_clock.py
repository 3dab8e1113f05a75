"""The steady clock: its seconds are those of a machine on which fixed work always takes as long."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import psutil
import pytest
from support import ROOT, run_python

from openhands_ray.history.steady import STEADY

# By its file: to import the benchmarks' package changes the process.
found = runpy.run_path(str(ROOT / "benchmarks/clock.py"))
Clock, speed, NOMINAL_S = found["Clock"], found["speed"], found["NOMINAL_S"]


class Machine:
    """A machine whose watch goes when something is done, and on which all takes ``slowness`` times as long."""

    def __init__(self) -> None:
        self.now_s, self.slowness, self.worked = 0.0, 1.0, 0

    def perf_counter(self) -> float:
        return self.now_s

    def work(self) -> None:
        self.do(NOMINAL_S)
        self.worked += 1

    def do(self, seconds: float) -> None:
        self.now_s += seconds * self.slowness


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    module = speed.__globals__
    monkeypatch.setitem(module, "time", SimpleNamespace(perf_counter=machine.perf_counter))
    monkeypatch.setitem(module, "_work", machine.work)
    return machine


@pytest.mark.parametrize("slowness", [0.5, 1.0, 3.0])
def test_what_is_done_takes_as_long_on_a_slow_machine_as_on_a_fast_one(machine: Machine, slowness: float) -> None:
    machine.slowness = slowness
    clock = Clock()
    machine.do(1.0)
    clock()

    assert clock.seconds(machine.do, 0.2) == pytest.approx(0.2)
    assert clock.seconds(machine.do, 7.0) == pytest.approx(7.0)


def test_of_a_machine_that_becomes_slower_meanwhile_the_mean_of_before_and_after_counts(machine: Machine) -> None:
    clock = Clock()
    machine.do(1.0)
    start = clock()
    machine.do(0.2)
    machine.slowness = 2.0

    assert clock() - start == pytest.approx(0.2 * (1 + 0.5) / 2)


def test_its_own_work_is_not_counted_and_is_a_twentieth_of_what_is_timed_and_little(machine: Machine) -> None:
    clock = Clock()
    machine.do(1.0)
    clock()
    for timed, most in ((0.01, NOMINAL_S), (1.0, 0.05), (60.0, 0.1)):
        start = machine.now_s
        clock.seconds(machine.do, timed)
        assert 0 < machine.now_s - start - timed < most + 2 * NOMINAL_S


def test_right_after_a_reading_the_next_needs_no_work_and_loses_nothing(machine: Machine) -> None:
    clock = Clock()
    machine.do(1.0)
    readings = [clock() for _ in range(3)]
    worked = machine.worked
    machine.do(NOMINAL_S / 4)

    assert readings[0] == readings[1] == readings[2]
    assert clock() - readings[0] == pytest.approx(NOMINAL_S / 4)
    assert machine.worked == worked


def test_the_work_is_done_and_leaves_no_process() -> None:
    before = psutil.Process().children()
    assert speed() > 0
    assert psutil.Process().children() == before


#: The benchmarks that asv times by the clock, and the others that it times.
TIMED = """
import sys
from asv_runner.discovery import disc_benchmarks
from benchmarks.clock import clock
timed = [each for each in disc_benchmarks(sys.argv[1], ignore_import_errors=False) if each.type == "time"]
print(*[each.name for each in timed if each.timer is clock])
print(*[each.name for each in timed if each.timer is not clock])
"""


def test_the_history_knows_which_times_are_of_the_clock() -> None:
    steady, by_watch = (line.split() for line in run_python(TIMED, str(ROOT / "benchmarks")).stdout.splitlines()[-2:])

    assert set(by_watch) == {"initialization.FirstAction.time_close", "replay.Replay.time_replay"}
    assert "actions.File.time_read" in steady
    assert [name for name in steady if not STEADY.fullmatch(name)] == []
    assert [name for name in by_watch if STEADY.fullmatch(name)] == []
