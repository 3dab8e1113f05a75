"""What is measured once for several benchmarks, each in a process that is forked as asv's forkserver does it."""

from __future__ import annotations

from support import ROOT, run_python

#: Asks in children for what a program defines as ``benchmarks``, one after the other; prints what each is told.
ASKED = """
import os, signal, sys
from benchmarks.once import MeasuredOnce

{benchmarks}

for benchmark in benchmarks:
    sys.stdout.flush()
    if os.fork() == 0:
        try:
            print(benchmark.measured())
        except AssertionError as error:
            print("AssertionError:", error)
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def told(benchmarks: str) -> list[str]:
    return run_python(ASKED.format(benchmarks=benchmarks), PYTHONPATH=str(ROOT)).stdout.splitlines()


def test_it_is_measured_once_for_a_class_and_its_subclasses() -> None:
    assert told("""
class Load(MeasuredOnce):
    def measure(self):
        print("measured")
        return {("a", 1): float("nan")}

class First(Load): pass
class Second(Load): pass

class Other(MeasuredOnce):
    def measure(self):
        return "other"

benchmarks = [First(), Second(), First(), Other()]
""") == ["measured", "{('a', 1): nan}", "{('a', 1): nan}", "{('a', 1): nan}", "other"]


def test_what_fails_is_told_to_all_and_not_tried_again() -> None:
    assert told("""
class Load(MeasuredOnce):
    def measure(self):
        print("measured")
        raise ValueError("no session")

benchmarks = [Load(), Load()]
""") == ["measured", "AssertionError: ValueError: no session", "AssertionError: ValueError: no session"]


def test_what_is_broken_off_is_not_tried_again() -> None:
    assert told("""
class Load(MeasuredOnce):
    def measure(self):
        os.kill(os.getpid(), signal.SIGKILL)

benchmarks = [Load(), Load()]
""") == ["AssertionError: The measurement for several benchmarks was broken off."]
