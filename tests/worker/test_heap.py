from __future__ import annotations

import platform

import pytest
from support import run_python

PROGRAM = """
import resource, sys
from openhands_ray.worker.heap import keep_freed_memory
if "keep" in sys.argv: keep_freed_memory()
for number in range(101):
    if number == 1: before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(8 * 1024 * 1024)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_a_large_buffer_is_used_again() -> None:
    faults = int(run_python(PROGRAM, "keep").stdout)
    assert faults < 8 * 1024 * 1024 / 4096  # fewer than one such buffer has pages
