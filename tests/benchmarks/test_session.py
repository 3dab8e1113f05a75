"""The session that benchmarks leave to one another, each in a process forked as asv does it."""

from __future__ import annotations

from support import ROOT, run_python

#: Has benchmarks one after the other in processes of their own, as asv has them; each says in which session it was,
#: what it found there, and how many there were. Some fail, as asv's do: teardown comes while the error is under way.
PROGRAM = """
import os, signal, sys
from benchmarks.session import SessionBenchmark
from benchmarks.common import act
from openhands.events.action import CmdRunAction
from ray.util import list_named_actors

class Probe(SessionBenchmark):
    def run(self, fate):
        found = act(self.runtime, CmdRunAction("ls; touch seen"), "").content.split()
        print(self.runtime.sid, found, len(list_named_actors(all_namespaces=True)), flush=True)
        assert fate != "fails"
        if fate == "dies":
            os.kill(os.getpid(), signal.SIGKILL)

class Other(Probe):
    pass

class Alone(Probe):
    own_session = True

class Apart(Probe):
    own_class = True

def run(probe, fate):
    probe.setup()
    try:
        probe.run(fate)
    finally:
        probe.teardown()

for kind, fate, quick in (
    (Probe, "works", "0"), (Probe, "fails", "0"), (Probe, "works", "0"), (Probe, "dies", "0"), (Probe, "works", "0"),
    (Other, "works", "0"), (Alone, "works", "0"), (Apart, "works", "0"), (Apart, "works", "0"), (Other, "works", "0"),
    (Apart, "works", "1"),
):
    os.environ["BENCHMARK_QUICK"] = quick
    if os.fork() == 0:
        try:
            run(kind(), fate)
        finally:
            os._exit(0)
    os.wait()
"""


def test_a_session_is_left_to_the_next_benchmark_that_may_have_it_unless_one_failed() -> None:
    said = run_python(PROGRAM, PYTHONPATH=str(ROOT)).stdout.splitlines()
    sids, found = zip(*(line.split(" ", 1) for line in said), strict=True)
    numbers = {sid: number for number, sid in enumerate(dict.fromkeys(sids), 1)}
    assert [numbers[sid] for sid in sids] == [1, 1, 2, 2, 3, 3, 4, 5, 5, 3, 3]
    new, same, beside, same_beside = "[] 1", "['seen'] 1", "[] 2", "['seen'] 2"
    assert list(found) == [new, same, new, same, new, same, beside, beside, same_beside, same, same]
