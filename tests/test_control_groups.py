"""Control groups of version 2, on a kernel of their own in a virtual machine, whichever this machine has.

The kernel is Debian's, and is emulated, which is slow: Ray is not started there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

#: Seconds in which the machine starts and passes the tests; four minutes on two cores, and as many again on a slow day.
TIMEOUT_S = 1800

#: The watcher is for machines without control groups, and counts in seconds, which are others when emulated.
TESTS = ["tests/worker/test_limits.py", "tests/attacks/test_without_ray.py", "-k", "not watched"]

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(TIMEOUT_S + 60),
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="the kernel is one of Debian's packages"),
]


def in_vm(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts/in-vm", *argv], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def test_limits_are_held_by_control_groups_of_version_2() -> None:
    python = [sys.executable, "-m", "pytest", "-rs", "--color=no", "-p", "no:cacheprovider", "--timeout", "900"]
    done = in_vm("sh", "-c", 'chmod a+x "$HOME"; exec "$@"', "sh", *python, *TESTS)  # any user may run Python then
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 30
    assert "SKIPPED" not in done.stdout


def test_the_virtual_machine_tells_how_its_command_ended() -> None:
    done = in_vm("sh", "-c", "cat /sys/fs/cgroup/cgroup.controllers; echo gone > /written; exit 7")
    assert done.returncode == 7, done.stdout + done.stderr
    assert {"cpu", "memory", "pids"} <= set(done.stdout.splitlines()[0].split())
    assert not Path("/written").exists()
