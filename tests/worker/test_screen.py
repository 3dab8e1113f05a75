"""What a terminal of OpenHands' size and history shows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import wcwidth

from openhands_ray.worker import screen as module
from openhands_ray.worker.screen import Shown, render, rows_of, show

CHARACTERS = st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]).filter(lambda each: wcwidth(each) > 0)
LINES = st.lists(st.text(CHARACTERS, max_size=30), max_size=8)


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
        (b"gone\x1b[2J\x1b[Hhere", "gone\nhere"),
        (b"bell\x07", "bell"),
        ("héé\r\n".encode(), "héé\n"),
        (b"\xff", ""),
        (b"a\xe2\x82x", "ax"),
        ("漢字\tb".encode(), "漢字    b"),
        (b"a\x1b[?1049h\x1b[Halt", "alt"),
        (b"a\r\n\x1b[?1049halt\x1b[?1049lb", "a\nb"),
        (b"gone\x1b[H\x1b[Jhere", "gone\nhere"),
        (b"gone\x1b[H\x1b[2J\x1b[3Jhere", "here"),
        (b"out\x1bcnew", "out\nnew"),
        (b"\x1b[5Aup\r\n", "up"),
        (b"a\nb", "a\n b"),
        (b"a\r\r\nb", "a\nb"),
        (b"x" * 1500 + b"\rY", "x" * 1000 + "Y" + "x" * 499),
        (b"", ""),
        (b"\x1b[2J", ""),
    ],
)
def test_render(data: bytes, shown: str) -> None:
    assert render(data).rstrip("\n") == shown.rstrip("\n")


@settings(deadline=None)
@given(LINES)
def test_the_quick_way_and_the_emulator_agree(lines: list[str]) -> None:
    text = "\r\n".join(lines)
    assert module._emulated(text, 12, 11, 0) == show(text.encode())


@pytest.mark.parametrize(
    ("count", "first"), [(10_976, 1), (10_977, 989), (11_976, 989), (11_977, 1_989), (50_000, 39_989)]
)
@pytest.mark.parametrize("moves", [False, True])
def test_a_full_history_drops_a_tenth(count: int, first: int, moves: bool) -> None:
    data = b"".join(b"%d\r\n" % number for number in range(1, count + 1))
    shown = show(data + b"\x1b[A\x1b[B" * moves)
    assert shown.text.split("\n")[0] == str(first)
    assert shown.complete is (first == 1)


def test_lines_that_went_before_count() -> None:
    lines = [b"%d\r\n" % number for number in range(1, 30_001)]
    whole = show(b"".join(lines))
    assert show(b"".join(lines[15_000:]), dropped_lines=15_000) == whole


def test_a_line_over_the_edge_takes_rows_and_is_one_line() -> None:
    assert rows_of("x" * 2500 + "\n漢\n" + "漢" * 600) == 3 + 1 + 2
    assert show(b"x" * 2500 + b"\r\ny") == Shown("x" * 2500 + "\ny", True)
    flood = show(b"x" * 20_000_000)
    assert not flood.complete
    assert set(flood.text) == {"x"}
    assert 10_000_000 < len(flood.text) < 11_000_000
