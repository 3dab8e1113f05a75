"""The executor as a program: a socket in, a socket out."""

from __future__ import annotations

import logging
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import LocalSession

from openhands_ray import wire
from openhands_ray.worker.actor import CODE
from openhands_ray.worker.logs import channel as log_channel
from openhands_ray.worker.sandbox import executor_argv, executor_environment, sandbox_problem


class Program:
    def __init__(self, folder: Path, /, **start: Any) -> None:
        pairs = [*(socket.socketpair() for _ in range(3)), log_channel()]
        (self.actions, self.controls, self.letters, self.logs), ends = zip(*pairs, strict=True)
        fds = tuple(each.fileno() for each in ends)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder)}
        env = executor_environment(environment)
        self.process = subprocess.Popen(executor_argv(fds, CODE), pass_fds=fds, env=env, cwd="/")
        for channel in ends:
            channel.close()
        default = {"workspace": "/workspace", "folder": str(folder), "no_change_timeout_s": 10, "kernel": False}
        self.answer = self.ask({**default, "environment": environment, **start})

    def ask(self, message: wire.Message, control: bool = False) -> wire.Message:
        channel = self.controls if control else self.actions
        wire.send_frame(channel, wire.pack(message))
        return wire.unpack(wire.receive_frame(channel))

    def close(self) -> int:
        for channel in (self.actions, self.controls, self.letters, self.logs):
            channel.close()
        return self.process.wait(10)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_it_serves_and_ends_with_its_sockets(folder: Path) -> None:
    program = Program(folder)
    assert program.answer == {"ready": program.process.pid}
    answer = program.ask({"action": "run", "args": {"command": "echo 1"}, "timeout": 10})
    assert answer["observation"]["content"] == "1"
    listed = program.ask({"operation": "list", "args": {"path": None}}, control=True)
    # This program's workspace is its home and its folder for temporary files, too.
    assert listed == {"result": [".python/", "oh-server-url"]}
    assert program.close() == 0


def test_a_start_that_fails_is_answered(folder: Path) -> None:
    program = Program(folder, folder=str(folder / "missing"))
    assert "could not be started" in program.answer["error"]
    assert program.close() == 0


def test_the_sockets_are_not_inherited_by_the_shell(folder: Path) -> None:
    program = Program(folder)
    answer = program.ask({"action": "run", "args": {"command": "ls -l /proc/$$/fd | grep -c socket"}, "timeout": 10})
    assert answer["observation"]["content"] == "0"
    program.close()


@pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))
def test_what_the_session_runs_cannot_hold_its_descriptors() -> None:
    """Such as the pipe whose end tells it that a program has started: a kernel would never be ready."""
    session = LocalSession("sandbox", kernel=True)
    for place in ("/proc/1/fd/0", "/proc/1/environ", "/proc/1/mem"):
        assert session.output(f"cat {place}") == f"cat: {place}: Permission denied"
    assert session.act("run_ipython", code="print('ready')")["content"].startswith("ready")
    assert session.output("cat /proc/self/oom_score_adj") == "1000"
    session.close()


def test_what_it_logs_goes_out(folder: Path) -> None:
    program = Program(folder, log_level=logging.DEBUG)
    program.ask({"action": "run", "args": {}, "timeout": 10})
    record = wire.unpack(program.logs.recv(1 << 16))
    while record["name"] != "openhands_ray.worker.executor":  # libraries have something to say, too
        record = wire.unpack(program.logs.recv(1 << 16))
    assert record["level"] == logging.DEBUG
    assert record["text"].startswith("The action run failed: Traceback")
    program.close()
