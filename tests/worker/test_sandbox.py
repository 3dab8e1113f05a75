"""The walls: what a program inside sees."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support import gone, mentioning

from openhands_ray.worker.actor import CODE
from openhands_ray.worker.sandbox import Isolation, Sandbox, executor_environment, sandbox_problem
from openhands_ray.worker.volumes import Volume

pytestmark = pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))
MakeSandbox = Callable[..., Sandbox]


@pytest.fixture
def make_sandbox(tmp_path: Path) -> Iterator[MakeSandbox]:
    made: list[Sandbox] = []

    def make(isolation: Isolation = "sandbox", volumes: tuple[Volume, ...] = ()) -> Sandbox:
        made.append(Sandbox(tmp_path / "sessions" / str(len(made)), "/workspace", isolation, volumes))
        made[-1].create()
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.remove()


def run(sandbox: Sandbox, script: str) -> subprocess.CompletedProcess[str]:
    argv = sandbox.wrap(["bash", "-c", script], CODE)
    env = executor_environment(sandbox.environment())
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=30, check=False)


def test_the_host_is_hidden(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    (tmp_path / "host").write_text("secret")
    done = run(make_sandbox(), f"cat {tmp_path}/host; cat /etc/shadow; ls /home /var /proc | grep -c '^[0-9]'; pwd")
    assert "secret" not in done.stdout
    assert done.stdout.splitlines()[-1] == "/workspace"
    assert ":" not in done.stdout


@pytest.mark.parametrize("path", ["/usr", "/etc", str(CODE)])
def test_the_system_is_read_only(make_sandbox: MakeSandbox, path: str) -> None:
    done = run(make_sandbox(), f"touch {path}/made-by-test && echo yes")
    assert done.stdout == ""
    assert not Path(path, "made-by-test").exists()


def test_the_own_folders_are_writable_and_are_removed_whatever_is_in_them(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    done = run(sandbox, "touch /workspace/a /tmp/b ~/c /var/tmp/d && mkdir -m 0 /tmp/locked && ls /tmp")
    assert {"b", "d", "locked"} <= set(done.stdout.split())  # and, where the checkout is below /tmp, its mount
    sandbox.remove()
    assert not sandbox.root.exists()


def test_no_capability_is_left(make_sandbox: MakeSandbox) -> None:
    assert "CapEff:\t0000000000000000" in run(make_sandbox(), "cat /proc/self/status").stdout


@pytest.mark.parametrize("writable", [True, False])
def test_a_volume(make_sandbox: MakeSandbox, tmp_path: Path, writable: bool) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/in").write_text("given")
    sandbox = make_sandbox(volumes=(Volume(str(tmp_path / "data"), "/data", writable),))
    assert run(sandbox, "cat /data/in; echo > /data/out").stdout == "given"
    assert (tmp_path / "data/out").exists() is writable
    assert (tmp_path / "data/in").exists()


@pytest.mark.parametrize("isolation", ["sandbox", "process"])
def test_nothing_of_the_nodes_environment(
    make_sandbox: MakeSandbox, monkeypatch: pytest.MonkeyPatch, isolation: Isolation
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    environment = make_sandbox(isolation).environment()
    assert set(environment) <= {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR"}


def test_the_folders_go_with_the_last_holder_of_the_lifeline(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    ending, lifeline = os.pipe()
    sandbox.remove_at_the_end_of(ending)
    os.close(ending)
    (janitor,) = mentioning(str(sandbox.root))
    processes = [psutil.Process(janitor)]
    assert sandbox.root.exists()
    os.close(lifeline)
    assert gone(processes)
    assert not sandbox.root.exists()
