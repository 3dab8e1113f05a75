"""The pty."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from openhands_ray.worker import terminal as module
from openhands_ray.worker.screen import KEPT_LINES, render
from openhands_ray.worker.terminal import Terminal

MakeTerminal = Callable[..., Terminal]


@pytest.fixture
def make_terminal() -> Iterator[MakeTerminal]:
    made = []

    def make(*argv: str) -> Terminal:
        made.append(Terminal(argv, env={"PATH": os.environ["PATH"], "TERM": "screen"}, cwd="/"))
        return made[-1]

    yield make
    for terminal in made:
        terminal.close()


def until(terminal: Terminal, condition: Callable[[], bool]) -> None:
    with terminal.changed:
        assert terminal.changed.wait_for(condition, 20)


def everything(terminal: Terminal) -> str:
    until(terminal, lambda: terminal.eof)
    return render(bytes(terminal.buffer)).rstrip()


def test_it_is_a_terminal_of_the_size_of_openhands(make_terminal: MakeTerminal) -> None:
    assert everything(make_terminal("sh", "-c", "tty >/dev/null && stty size")) == "1000 1000"


def test_the_process_leads_its_own_session(make_terminal: MakeTerminal) -> None:
    terminal = make_terminal("cat")
    assert os.getsid(terminal.process.pid) == terminal.process.pid


def test_what_is_written_is_read_by_the_process(make_terminal: MakeTerminal) -> None:
    terminal = make_terminal("sh", "-c", "read x; echo got $x")
    terminal.write(b"word\n")
    assert everything(terminal).splitlines()[-1] == "got word"


def test_a_raw_terminal_is_repaired(make_terminal: MakeTerminal) -> None:
    terminal = make_terminal("sh", "-c", "stty raw -echo; echo ready; read x; stty -a; cat")
    until(terminal, lambda: b"ready" in terminal.buffer)
    terminal.repair()
    terminal.write(b"\n")
    until(terminal, lambda: b"extproc" in terminal.buffer)
    assert {b"icanon", b"isig", b"echo", b"opost"} <= set(bytes(terminal.buffer).replace(b";", b"").split())


def test_what_nobody_reads_does_not_block(make_terminal: MakeTerminal) -> None:
    terminal = make_terminal("sh", "-c", "stty -icanon -echo; echo ready; read x <&3; wc -c")
    for _ in range(50):
        terminal.write(b"x" * 10_000)


def test_all_is_typed_in_its_order(make_terminal: MakeTerminal) -> None:
    terminal = make_terminal("sh", "-c", "stty -echo; echo ready; md5sum")
    until(terminal, lambda: b"ready" in terminal.buffer)
    lines = [b"%d\n" % number for number in range(30_000)]
    terminal.write(b"".join(lines[:29_000]))
    for line in lines[29_000:]:
        terminal.write(line)
    terminal.write(b"\x04")
    digest = hashlib.md5(b"".join(lines)).hexdigest()
    until(terminal, lambda: digest.encode() in terminal.buffer)


def test_either_the_caller_or_the_thread_reads(make_terminal: MakeTerminal) -> None:
    terminal = make_terminal("cat")
    terminal.attend()
    terminal.write(b"one\n")
    while terminal.buffer.count(b"one") < 2:
        assert terminal.read(20)
    terminal.leave()
    terminal.write(b"two\n")
    until(terminal, lambda: terminal.buffer.count(b"two") == 2)
    assert terminal.foreground() == terminal.process.pid


def test_the_end_comes_while_somebody_begins_to_attend(
    make_terminal: MakeTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = make_terminal("cat")
    read, seen, go_on = terminal._read, threading.Event(), threading.Event()

    def slow() -> None:
        seen.set()
        assert go_on.wait(60)
        read()

    monkeypatch.setattr(terminal, "_read", slow)
    terminal.process.kill()
    assert seen.wait(60)  # its thread is about to read the end
    terminal._drained.unregister(terminal._master)  # as `attend` begins, which then waits for the thread
    go_on.set()
    terminal.attend()
    assert terminal.eof
    assert terminal._drainer.is_alive()
    terminal.leave()


def test_a_program_or_folder_that_is_not_there(make_terminal: MakeTerminal) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        make_terminal("/no/such/program")
    with pytest.raises(FileNotFoundError):
        Terminal(["true"], env={}, cwd="/no/such/folder")
    assert len(os.listdir("/proc/self/fd")) == before


def test_close_ends_the_process_and_is_idempotent(make_terminal: MakeTerminal) -> None:
    terminal = make_terminal("cat")
    terminal.close()
    terminal.close()
    assert terminal.process.returncode is not None


def test_the_buffer_is_bounded_by_lines(make_terminal: MakeTerminal) -> None:
    terminal = make_terminal("sh", "-c", "seq 1 900000")
    until(terminal, lambda: terminal.eof)
    assert terminal.dropped_lines > 0
    assert len(terminal.buffer) < module.TRIM_BYTES + 65536
    assert terminal.buffer.count(b"\n") >= KEPT_LINES
    assert terminal.buffer.endswith(b"900000\r\n")


def test_the_rows_of_what_went_are_counted(make_terminal: MakeTerminal) -> None:
    script = "printf '\\033[31m%03000d\\033[0m\\n' 1; printf '%02000d\\n' 2; seq 20000"
    terminal = make_terminal("sh", "-c", script)
    until(terminal, lambda: terminal.eof)
    terminal.trim()
    assert terminal.dropped_lines == 3 + 2 + 20_000 - KEPT_LINES


def test_the_buffer_is_bounded_without_lines(make_terminal: MakeTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIM_BYTES", 100_000)
    monkeypatch.setattr(module, "MAX_BYTES", 200_000)
    terminal = make_terminal("sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x; printf end")
    until(terminal, lambda: terminal.eof)
    assert len(terminal.buffer) <= 200_000
    assert terminal.buffer.endswith(b"xend")


def test_clear_and_cut_forget(make_terminal: MakeTerminal) -> None:
    terminal = make_terminal("printf", "abcdef")
    until(terminal, lambda: terminal.eof)
    terminal.cut(1, 3)
    assert terminal.buffer == b"adef"
    terminal.clear()
    assert terminal.buffer == b""
