"""What the screen of OpenHands' terminal, a tmux window, holds after a program has written to it.

Output that only prints is read as it is. Output that moves the cursor, or clears or changes the screen, goes through an
emulator; that is slow (about 1 MB/s), so it sees no more than such a terminal keeps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Rows and columns of OpenHands' window.
ROWS = 1000
COLUMNS = 1000

#: Rows of its history. When that is full, a tenth of it goes at once.
HISTORY = 10_000
_COLLECTED = HISTORY // 10

#: Lines that a terminal keeps.
KEPT_LINES = HISTORY + ROWS

#: Rows of the prompt that stands above a command there, and below its output.
PROMPT_ROWS = 11

#: Characters that are emulated at most: the last ones.
_EMULATED = 2 * 1024 * 1024


@dataclass(frozen=True)
class Shown:
    """What the terminal keeps of a command's output.

    Attributes:
        text: its lines, without trailing spaces; one that was wrapped is one line again.
        complete: whether the command still stands above it, so that nothing of the output has gone.
    """

    text: str
    complete: bool


# Colours, titles and strings for other devices change nothing in the text; all else that starts with ESC may.
_STYLES = re.compile(r"\x1b\[[0-9;:]*m|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[Pk_^][^\x1b]*\x1b\\|\x1b\[\?2004[hl]")
_SILENT = re.compile(r"[\x00-\x07\x10-\x1a\x1c-\x1f\x7f]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MOVES = re.compile(r"[\x1b\x08\x0b\x0c\x0e\x0f]")


def show(data: bytes, command_rows: int = 1, *, dropped_lines: int = 0, prompt: bool = True) -> Shown:
    """Return what is kept after ``data`` was written below a command.

    Args:
        data: the output, or the end of it.
        command_rows: how many rows the command takes.
        dropped_lines: how many rows of the output went before ``data``.
        prompt: whether the next prompt stands below the output.
    """
    text = _decode(data)
    if _CONTROLS.search(text):
        text = _SILENT.sub("", _STYLES.sub("", text))
    above = PROMPT_ROWS + command_rows
    below = PROMPT_ROWS if prompt else 0
    plain = None if _MOVES.search(text) else _with_newlines(text)
    if plain is None:
        return _emulated(text, above, below, dropped_lines)
    lines = plain.split("\n")
    longest = max(map(len, lines))
    if "\t" in text:
        if longest > COLUMNS // 8 or not text.isascii():
            return _emulated(text, above, below, dropped_lines)
        lines = [line.expandtabs(8) for line in lines]
    rows = len(lines) if longest <= COLUMNS // 2 else sum(map(_rows, lines))
    gone = _collected(above + dropped_lines + rows + below)
    if gone > above + dropped_lines:
        lines = _without_rows(lines, gone - above - dropped_lines)
    return Shown("\n".join([line.rstrip() for line in lines]), gone == 0)


def _with_newlines(text: str) -> str | None:
    """Return ``text`` with newlines as the ends of its lines; None if the cursor goes back or down otherwise."""
    ends = text.count("\r\n")
    if text.count("\n") != ends:
        return None
    if text.count("\r") != ends:
        text = _RETURNS.sub("\r\n", text)
        if text.count("\r") != ends:
            return None
    return text.replace("\r\n", "\n")


_RETURNS = re.compile(r"\r+\n")


def render(data: bytes) -> str:
    """Return the text that a terminal would show after ``data``, each line without trailing spaces."""
    return show(data, prompt=False).text


def rows_of(text: str) -> int:
    """Return how many rows ``text`` takes."""
    return sum(map(_rows, text.split("\n")))


def rows_written(data: bytes) -> int:
    """Return how many rows were taken by ``data``: whole lines that only print."""
    text = _STYLES.sub("", data.decode("utf-8", "ignore"))
    return rows_of(text.replace("\r", "").removesuffix("\n"))


def _rows(line: str) -> int:
    if len(line) <= COLUMNS // 2:
        return 1
    width = len(line) if line.isascii() else _width(line)
    return max(1, -(-width // COLUMNS))


def _width(line: str) -> int:
    from wcwidth import wcwidth

    return sum(max(0, wcwidth(character)) for character in line)


def _collected(rows: int) -> int:
    """Return how many of so many rows the history has dropped."""
    return max(0, -(-(rows - KEPT_LINES) // _COLLECTED)) * _COLLECTED


def _without_rows(lines: list[str], count: int) -> list[str]:
    """Drop the first ``count`` rows: lines, and the beginning of one that takes several rows."""
    for index, line in enumerate(lines):
        rows = _rows(line)
        if rows > count:
            return [line[count * COLUMNS :], *lines[index + 1 :]]
        count -= rows
    return []


def _emulated(text: str, above: int, below: int, dropped_lines: int) -> Shown:
    """Write ``text`` below rows that hold a mark, so that it is seen whether they are still there."""
    from openhands_ray.worker.tmux import Screen

    kept = _last(text)
    cut = dropped_lines + text.count("\n", 0, len(text) - len(kept))
    screen = Screen(COLUMNS, ROWS)
    screen.write((_MARK + "\r\n") * above + kept)
    lines, rows = screen.lines_shown()
    gone = _collected(rows + cut + below)
    if gone > cut:
        lines = _without_rows(lines, gone - cut)
    complete = bool(lines) and lines[0] == _MARK and not cut
    overwritten = [line for line in lines[:above] if line != _MARK]
    return Shown("\n".join([*overwritten, *lines[above:]]).replace(_MARK, ""), complete)


#: A character that no output holds: it cannot be encoded.
_MARK = "\ud800"


def _last(text: str) -> str:
    """Return the end of ``text`` that a terminal can still hold."""
    end = len(text)
    for _ in range(KEPT_LINES):
        end = text.rfind("\n", 0, end)
        if end < 0:
            break
    return text[max(end + 1, len(text) - _EMULATED) :]


def _decode(data: bytes) -> str:
    """Decode UTF-8 as tmux does: what is not valid is not shown, with as many bytes as its first one announced."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _INVALID.sub(rb"\1", data).decode("utf-8", "ignore")


_INVALID = re.compile(
    rb"((?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+)"
    rb"|[\xc2-\xdf][\x80-\xff]?|[\xe0-\xef][\x80-\xff]{0,2}|[\xf0-\xf4][\x80-\xff]{0,3}|[\x80-\xc1\xf5-\xff]"
)
