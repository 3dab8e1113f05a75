"""A gigabyte in each direction: the memory of all three processes stays small, or follows the size of one message."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from conftest import MakeRuntime

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

MB = 1024 * 1024

#: Megabytes of the file that is copied.
SIZE_MB = 1024

#: Megabytes of Ray's shared memory, through which the parts of a file pass, and which count for client and actor.
SHARED_MB = 256


class Peaks(dict[str, float]):
    """Megabytes by which each process was larger at its largest than before."""


@contextmanager
def peaks(runtime: Any) -> Iterator[Peaks]:
    """Measure the client, the session's actor and its executor while the body runs."""
    info = runtime._live().info
    [executor] = [each for each in _below(info["executor_pid"]) if "openhands_ray.worker.executor" in _command(each)]
    processes = {"client": psutil.Process(), "actor": psutil.Process(info["pid"]), "executor": executor}
    for process in processes.values():
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # the largest size so far is the present one
    before = {name: _size(process.pid, "VmRSS") for name, process in processes.items()}
    found = Peaks()
    yield found
    found |= {name: (_size(each.pid, "VmHWM") - before[name]) / MB for name, each in processes.items()}
    print(found)


def _below(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)][::-1]


def _command(process: psutil.Process) -> str:
    arguments = process.cmdline()
    return "" if "bwrap" in arguments[0] else " ".join(arguments)


def _size(pid: int, name: str) -> int:
    [line] = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def runtime(make_runtime: MakeRuntime) -> Any:
    return make_runtime()


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "large.bin"
    block = os.urandom(MB)
    with path.open("wb") as file:
        for number in range(SIZE_MB):
            file.write(number.to_bytes(8, "little") + block[8:])
    yield path
    path.unlink()


def output(runtime: Any, command: str) -> str:
    from openhands.events.action import CmdRunAction

    action = CmdRunAction(command)
    action.set_hard_timeout(300, blocking=False)
    return str(runtime.run_action(action).content)


def test_copies_of_a_gigabyte(runtime: Any, large: Path) -> None:
    with peaks(runtime) as found:
        runtime.copy_to(str(large), "/workspace")
    assert max(found.values()) < SHARED_MB + 100, found
    with peaks(runtime) as found:
        packed = runtime.copy_from("/workspace")
    assert max(found.values()) < SHARED_MB + 100, found
    large.unlink()
    with zipfile.ZipFile(packed) as archive:
        archive.extract("large.bin", large.parent)
        assert archive.testzip() is None
        assert archive.getinfo("large.bin").file_size == SIZE_MB * MB
    packed.unlink()
    output(runtime, "rm /workspace/large.bin")


def test_lines_of_a_gigabyte(runtime: Any) -> None:
    from openhands.events.action import FileReadAction, FileWriteAction

    output(runtime, "seq -f %063.0f 0 16777215 > /workspace/lines")
    with peaks(runtime) as found:
        content = runtime.run_action(FileReadAction("/workspace/lines", start=10_000_000, end=10_000_002)).content
    assert content == f"{10_000_000:063}\n{10_000_001:063}\n"
    assert max(found.values()) < 100, found
    with peaks(runtime) as found:
        runtime.run_action(FileWriteAction("/workspace/lines", "new", start=10_000_000, end=10_000_001))
    assert output(runtime, "sed -n '10000000,10000002p;10000002q' /workspace/lines | sed 's/^0*//'") == (
        "9999999\nnew\n10000001"
    )
    assert max(found.values()) < 1.2 * SIZE_MB, found
    output(runtime, "rm /workspace/lines")


def test_a_large_text_in_one_message(runtime: Any) -> None:
    from openhands.events.action import FileReadAction, FileWriteAction

    text = "a line of text that is 40 characters..\n" * (256 * MB // 39)
    with peaks(runtime) as found:
        runtime.run_action(FileWriteAction("/workspace/text", text))
    assert max(found.values()) < 3.2 * 256, found
    with peaks(runtime) as found:
        observation = runtime.run_action(FileReadAction("/workspace/text"))
    assert max(found.values()) < 3.2 * 256, found
    assert observation.content == text + "\n"
