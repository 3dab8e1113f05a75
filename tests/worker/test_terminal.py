"""The pty and its screen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openhands_ray.worker import terminal as module
from openhands_ray.worker.terminal import KEPT_LINES, Terminal, render

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


def test_echo_can_be_switched(make_terminal: MakeTerminal) -> None:
    terminal = make_terminal("cat")
    terminal.set_echo(False)
    terminal.write(b"quiet\n")
    until(terminal, lambda: b"quiet" in terminal.buffer)
    terminal.enable_echo()
    terminal.write(b"loud\n")
    until(terminal, lambda: terminal.buffer.count(b"loud") == 2)
    assert terminal.buffer.count(b"quiet") == 1


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


def test_the_buffer_is_bounded_without_lines(make_terminal: MakeTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIM_BYTES", 100_000)
    monkeypatch.setattr(module, "MAX_BYTES", 200_000)
    terminal = make_terminal("sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x; printf end")
    until(terminal, lambda: terminal.eof)
    assert len(terminal.buffer) <= 200_000
    assert terminal.buffer.endswith(b"xend")


def test_clear_forgets_all_or_the_beginning(make_terminal: MakeTerminal) -> None:
    terminal = make_terminal("printf", "abcdef")
    until(terminal, lambda: terminal.eof)
    terminal.clear(2)
    assert terminal.buffer == b"cdef"
    terminal.clear()
    assert terminal.buffer == b""


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain\r\n", "plain\n"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07x", "x"),
        (b"a\tb", "a       b"),
        (b"trailing   \r\nnext", "trailing\nnext"),
        (b"10%\r20%\r30%\r\n", "30%\n"),
        (b"abc\x08X", "abX"),
        (b"abc\x1b[2Dx", "axc"),
        (b"one\r\ntwo\x1b[A\rnew", "new\ntwo"),
        (b"gone\x1b[2J\x1b[Hhere", "here"),
        (b"bell\x07", "bell"),
        ("héé\r\n".encode(), "héé\n"),
        (b"\xff", "\ufffd"),
        (b"", ""),
        (b"\x1b[2J", ""),
    ],
)
def test_render(data: bytes, shown: str) -> None:
    assert render(data).rstrip("\n") == shown.rstrip("\n")


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=30), max_size=8))
def test_the_quick_way_and_the_emulator_agree(lines: list[str]) -> None:
    data = "\r\n".join(lines)
    quick = render(data.encode())
    assert module._emulate(data.replace("\r\n", "\n")).rstrip("\n") == quick.rstrip("\n")
