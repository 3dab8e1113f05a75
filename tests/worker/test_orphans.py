"""Orphans that have ended are buried; whoever asks for an exit code gets it."""

from __future__ import annotations

import subprocess

import psutil
import pytest

from openhands_ray.worker.orphans import Gravedigger


@pytest.fixture
def dead() -> subprocess.Popen[bytes]:
    """A child that has ended, and that nobody has waited for."""
    process = subprocess.Popen(["sh", "-c", "exit 7"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as output:
        output.read()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    return process


def test_who_is_dead_at_two_looks_is_buried(dead: subprocess.Popen[bytes]) -> None:
    gravedigger = Gravedigger(lambda: -1)
    gravedigger.look()
    assert psutil.pid_exists(dead.pid)
    gravedigger.look()
    assert not psutil.pid_exists(dead.pid)
    assert dead.wait() == 0  # nobody knows any more


def test_who_is_spared_keeps_its_exit_code(dead: subprocess.Popen[bytes]) -> None:
    gravedigger = Gravedigger(lambda: dead.pid)
    gravedigger.look()
    gravedigger.look()
    gravedigger.bury()
    assert dead.wait() == 7
