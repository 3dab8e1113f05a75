"""The session that the benchmarks of a quick run leave to one another, each in a process forked as asv does it."""

from __future__ import annotations

from support import ROOT, run_python

#: Has benchmarks one after the other in processes of their own, as asv has them; each says in which session it was, and
#: what it found there. One fails, as asv's do: its teardown comes while the error is under way.
PROGRAM = """
import os, sys
from benchmarks.common import SessionBenchmark, act
from openhands.events.action import CmdRunAction

class Probe(SessionBenchmark):
    def run(self, what):
        print(self.runtime.sid, act(self.runtime, CmdRunAction("ls; touch seen"), "").content.split())
        if what == "fails":
            raise AssertionError

class Alone(Probe):
    own_session = True

def run(probe, what):
    probe.setup()
    try:
        probe.run(what)
    finally:
        probe.teardown()

for what in ("works", "works", "alone", "fails", "works"):
    sys.stdout.flush()
    if os.fork() == 0:
        try:
            run(Alone() if what == "alone" else Probe(), what)
        except AssertionError:
            pass
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def test_a_session_is_left_to_the_next_unless_its_benchmark_failed() -> None:
    run = run_python(PROGRAM, PYTHONPATH=str(ROOT), BENCHMARK_QUICK="1")
    sessions, found = zip(*(line.split(" ", 1) for line in run.stdout.splitlines()), strict=True)
    first, second, alone, fails, after = sessions
    assert first == second == fails
    assert len({first, alone, after}) == 3
    assert found == ("[]", "['seen']", "[]", "['seen']", "[]")
