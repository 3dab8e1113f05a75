"""The lines of a shell, while it prints them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openhands_ray.worker.bash import BashSession
from openhands_ray.worker.stream import KEPT_BYTES, OutputStream


@pytest.fixture
def stream() -> OutputStream:
    return OutputStream()


@pytest.fixture
def shell(tmp_path: Path, stream: OutputStream) -> Iterator[BashSession]:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "USER": "me", "LANG": "C.UTF-8"}
    shell = BashSession(str(tmp_path), env, stream=stream)
    yield shell
    shell.close()


def test_nothing_is_collected_unless_it_is_wanted(shell: BashSession, stream: OutputStream) -> None:
    shell.execute({"command": "echo a"}, 20)
    assert stream.take(True) == []
    shell.execute({"command": "echo b"}, 20)
    assert stream.take(False) == ["b\n"]
    shell.execute({"command": "echo c"}, 20)
    assert stream.take(False) == []


def test_neither_the_command_nor_the_prompt_is_output(shell: BashSession, stream: OutputStream) -> None:
    stream.take(True)
    shell.execute({"command": "for i in 1 2; do\necho $i\ndone"}, 20)
    shell.execute({"command": "cd /; printf '50%%\\r99%%\\n\\e[31mred\\e[0m'"}, 20)
    assert stream.take(False) == ["1\n", "2\n", "99%\n", "red\n"]


def test_lines_come_while_the_command_runs(shell: BashSession, stream: OutputStream, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "seen")
    stream.take(True)
    running = threading.Thread(target=shell.execute, args=({"command": "echo first; read x <seen; echo $x"}, 20))
    running.start()
    lines: list[str] = []
    with (tmp_path / "seen").open("w") as seen:  # opens when the command reads, after it has printed
        while not lines:
            lines = stream.take(True)
        seen.write("second\n")
    running.join()
    assert lines + stream.take(False) == ["first\n", "second\n"]


def test_it_is_bounded(stream: OutputStream) -> None:
    stream.take(True)
    for _ in range(200):
        stream.feed(b"x" * 65535 + b"\n")
    lines = stream.take(False)
    assert KEPT_BYTES // 4 < sum(map(len, lines)) <= KEPT_BYTES
