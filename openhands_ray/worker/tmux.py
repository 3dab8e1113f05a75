"""A terminal emulator (pyte's) that keeps what tmux keeps: a history, also of what was cleared, and wrapped lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import pyte
from pyte.screens import Char, Margins, StaticDefaultDict
from wcwidth import wcwidth

#: The private modes that show another screen, and bring the first one back at their end.
_ALTERNATE = frozenset({47, 1047, 1049})

_Row = dict[int, Char]


class _Rows(MutableMapping[int, _Row]):
    """The rows of the screen; to scroll all of it moves none of them."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._top = 0
        self._wrapped: set[int] = set()  # rows that go on in the next one

    def __getitem__(self, y: int) -> _Row:
        row = self._rows.get(self._top + y)
        if row is None:
            row = self._rows[self._top + y] = StaticDefaultDict(Char(" "))
        return row

    def __setitem__(self, y: int, row: _Row) -> None:
        self._rows[self._top + y] = row

    def __delitem__(self, y: int) -> None:
        del self._rows[self._top + y]
        self._wrapped.discard(self._top + y)

    def __contains__(self, y: object) -> bool:
        return isinstance(y, int) and self._top + y in self._rows

    def __iter__(self) -> Iterator[int]:
        return iter([y - self._top for y in self._rows])

    def __len__(self) -> int:
        return len(self._rows)

    def wraps(self, y: int) -> bool:
        return self._top + y in self._wrapped

    def wrap(self, y: int, wrapped: bool) -> None:
        (self._wrapped.add if wrapped else self._wrapped.discard)(self._top + y)

    def scroll(self) -> None:
        self.pop(0, None)
        self._top += 1


class Screen(pyte.Screen):  # type: ignore[misc]
    """A screen of ``columns`` and ``rows``; its history has no bound, so write only what can be shown."""

    def __init__(self, columns: int, rows: int) -> None:
        self._history: list[tuple[Mapping[int, Char], bool]] = []  # a row, and whether it goes on in the next one
        self._saved: tuple[_Rows, tuple[int, int]] | None = None
        super().__init__(columns, rows)
        self.buffer = _Rows()
        self._stream = pyte.Stream(self)

    def write(self, text: str) -> None:
        self._stream.feed(text)

    def lines_shown(self) -> tuple[list[str], int]:
        """Return the lines, those joined again that were wrapped, and how many rows there are down to the cursor."""
        shown = max(self._used(), self.cursor.y + 1)
        rows = [*self._history, *((self.buffer.get(y, {}), self.buffer.wraps(y)) for y in range(shown))]
        lines, line = [], ""
        for row, wrapped in rows:
            text = _text(row)
            if wrapped:
                line += text.ljust(self.columns) if text.isascii() else text
                continue
            lines.append((line + text).rstrip())
            line = ""
        if line:
            lines.append(line.rstrip())
        return lines, len(rows)

    def _used(self) -> int:
        return max((y + 1 for y, row in self.buffer.items() if row), default=0)

    def draw(self, data: str) -> None:
        """Put characters where the cursor is; one without a width joins the one before it."""
        for char in data.translate(self.g1_charset if self.charset else self.g0_charset):
            width = 1 if " " <= char < "\x7f" else wcwidth(char)
            if width <= 0:
                self._join(char)
                continue
            if self.cursor.x + width > self.columns:
                self._wrap(width)
            if pyte.modes.IRM in self.mode:
                self.insert_characters(width)
            row: _Row = self.buffer[self.cursor.y]
            row[self.cursor.x] = Char(char)
            if width == 2:
                row[self.cursor.x + 1] = Char("")
            self.cursor.x += width

    def _wrap(self, width: int) -> None:
        if pyte.modes.DECAWM not in self.mode:
            self.cursor.x = self.columns - width
            return
        self.buffer.wrap(self.cursor.y, True)
        self.index()
        self.carriage_return()

    def _join(self, char: str) -> None:
        row: _Row = self.buffer[self.cursor.y]
        at = self.cursor.x - 1
        if at > 0 and at in row and not row[at].data:
            at -= 1  # the second half of a wide one
        if at in row:
            row[at] = Char(row[at].data + char)

    def linefeed(self) -> None:
        """Go down; the row does not go on there."""
        self.buffer.wrap(self.cursor.y, False)
        super().linefeed()

    def index(self) -> None:
        """Go down; at the bottom, the top row goes to the history."""
        top, bottom = self.margins or Margins(0, self.lines - 1)
        if self.cursor.y == bottom:
            self._keep(top)
            if (top, bottom) == (0, self.lines - 1):
                self.buffer.scroll()
                return
        super().index()

    def _keep(self, y: int) -> None:
        if self._saved is None:
            self._history.append((self.buffer.get(y, {}), self.buffer.wraps(y)))

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        """Erase; all of the screen goes to the history."""
        if how == 3:
            self._history.clear()
            return
        if how == 2 or (how == 0 and self.cursor.x == self.cursor.y == 0):
            for y in range(self._used()):
                self._keep(y)
            self.buffer = _Rows()
            return
        erased = range(self.cursor.y + 1, self.lines) if how == 0 else range(self.cursor.y)
        for y in [y for y in self.buffer if y in erased]:
            del self.buffer[y]
        self.erase_in_line(how)

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        """Erase a part of the row, or all of it."""
        row: _Row = self.buffer[self.cursor.y]
        first, last = {0: (self.cursor.x, self.columns), 1: (0, self.cursor.x + 1)}.get(how, (0, self.columns))
        for x in [x for x in row if first <= x < last]:
            del row[x]

    def reset(self) -> None:
        """Start anew; what was shown goes to the history."""
        if isinstance(self.buffer, _Rows):
            self.erase_in_display(2)
        super().reset()

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        """Set modes, or show the other screen."""
        if kwargs.get("private") and _ALTERNATE & set(modes):
            if self._saved is None:
                self._saved = self.buffer, (self.cursor.x, self.cursor.y)
                self.buffer = _Rows()
            return
        super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        """Reset modes, or show the first screen again."""
        if kwargs.get("private") and _ALTERNATE & set(modes):
            if self._saved is not None:
                self.buffer, (self.cursor.x, self.cursor.y) = self._saved
                self._saved = None
            return
        super().reset_mode(*modes, **kwargs)


def _text(row: Mapping[int, Char]) -> str:
    if not row:
        return ""
    cells = (row.get(x) for x in range(max(row) + 1))
    return "".join(" " if cell is None else cell.data for cell in cells).rstrip(" ")
