"""A process on a pseudo-terminal, and what its screen would show."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence

#: Rows and columns of the window: those of OpenHands' tmux window, so that programs format the same.
WINDOW_ROWS = 1000
WINDOW_COLUMNS = 1000

#: Lines that a terminal keeps: OpenHands' tmux history (10,000) and its window.
KEPT_LINES = 10_000 + WINDOW_ROWS

#: Bytes at which the buffer is cut back to the lines that are kept.
TRIM_BYTES = 4 * 1024 * 1024

#: Bytes kept at most, whatever the length of the lines.
MAX_BYTES = 32 * 1024 * 1024

_READ_BYTES = 65536


class Terminal:
    """A process that leads a session of its own on a pty, drained by a thread so that it never blocks on output.

    Output is collected in ``take()``'s buffer, which is bounded: beyond ``KEPT_LINES`` lines the oldest go.
    """

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str) -> None:
        """Start ``argv``.

        Raises:
            OSError: the program or the folder is not there.
        """
        self._master, slave = os.openpty()
        try:
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", WINDOW_ROWS, WINDOW_COLUMNS, 0, 0))
            self._sane = termios.tcgetattr(slave)
            self.process = subprocess.Popen(
                argv,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_take_controlling_terminal,  # noqa: PLW1509 (one ioctl: takes no lock)
            )
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)
        self._buffer = bytearray()
        self._dropped_lines = 0
        self._eof = False
        self.last_output = time.monotonic()
        self.changed = threading.Condition()
        self._reader = threading.Thread(target=self._drain, name="terminal", daemon=True)
        self._reader.start()

    # The methods down to `closed` are called with `changed` held.

    @property
    def buffer(self) -> bytearray:
        """What was written and not yet taken. Hold ``changed`` while looking at it."""
        return self._buffer

    @property
    def dropped_lines(self) -> int:
        """How many lines went from the front of the buffer since it was last cleared."""
        return self._dropped_lines

    @property
    def eof(self) -> bool:
        """Whether every holder of the terminal has closed it: nothing will come any more."""
        return self._eof

    def clear(self, upto: int | None = None) -> None:
        """Forget the first ``upto`` bytes of the buffer, or all of it."""
        del self._buffer[: len(self._buffer) if upto is None else upto]
        self._dropped_lines = 0

    def write(self, data: bytes) -> None:
        """Type ``data``.

        Raises:
            OSError: the process has closed its terminal.
        """
        view = memoryview(data)
        while view:
            view = view[os.write(self._master, view) :]

    def set_echo(self, on: bool) -> None:
        """Echo what is typed, or not; every other setting of the terminal goes back to what it was at the start."""
        attributes = list(self._sane)
        if not on:
            attributes[3] &= ~termios.ECHO
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._master, termios.TCSANOW, attributes)

    def enable_echo(self) -> None:
        """Echo what is typed from now on, and change nothing else."""
        with contextlib.suppress(termios.error):
            attributes = termios.tcgetattr(self._master)
            attributes[3] |= termios.ECHO
            termios.tcsetattr(self._master, termios.TCSANOW, attributes)

    def close(self) -> None:
        """Hang up: end the process and what still runs in its session. Idempotent."""
        if self._master < 0:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGHUP)
        self.process.kill()
        self.process.wait()
        master, self._master = self._master, -1
        os.close(master)

    def _drain(self) -> None:
        while True:
            try:
                data = os.read(self._master, _READ_BYTES)
            except OSError as error:
                # EIO: the last process that held the terminal has gone. EBADF: close() was called.
                if error.errno not in (errno.EIO, errno.EBADF):
                    raise
                data = b""
            with self.changed:
                self._append(data)
                self.changed.notify_all()
            if not data:
                return

    def _append(self, data: bytes) -> None:
        if not data:
            self._eof = True
            return
        self.last_output = time.monotonic()
        self._buffer += data
        if len(self._buffer) > TRIM_BYTES:
            self._trim()

    def _trim(self) -> None:
        excess = self._buffer.count(b"\n") - KEPT_LINES
        if excess > 0:
            cut = _end_of_line(self._buffer, excess)
        elif len(self._buffer) > MAX_BYTES:
            cut = len(self._buffer) - MAX_BYTES // 2
        else:
            return
        self._dropped_lines += max(excess, 1)
        del self._buffer[:cut]


def _take_controlling_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _end_of_line(data: bytearray, count: int) -> int:
    """Return the offset just after the ``count``-th newline."""
    position = 0
    for _ in range(count):
        position = data.index(b"\n", position) + 1
    return position


# Colours and titles change nothing in the text; everything else that starts with ESC may move the cursor.
_STYLES = re.compile(r"\x1b\[[0-9;:]*m|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[\?2004[hl]")
_MOVES = re.compile(r"[\x1b\x08\x0b\x0c\x0e\x0f]|\r(?!\n)")
_SILENT = re.compile(r"[\x00\x07\x7f]")


def render(data: bytes) -> str:
    """Return the text that a terminal would show after ``data``, each line without trailing spaces."""
    text = data.decode("utf-8", "replace")
    text = _SILENT.sub("", _STYLES.sub("", text)).replace("\r\n", "\n")
    if _MOVES.search(text):
        return _emulate(text)
    return "\n".join(line.expandtabs(8).rstrip() for line in text.split("\n"))


def _emulate(text: str) -> str:
    """Render through a terminal emulator: slow (about 1 MB/s), so only for output that moves the cursor."""
    import pyte

    lines = text.count("\n") + 1
    screen = pyte.Screen(WINDOW_COLUMNS, max(WINDOW_ROWS, min(lines, KEPT_LINES)))
    screen.set_mode(pyte.modes.LNM)
    pyte.Stream(screen).feed(text)
    if not screen.buffer:
        return ""
    rows = (screen.buffer.get(y) for y in range(max(*screen.buffer, screen.cursor.y) + 1))
    return "\n".join(_row_text(row) for row in rows)


def _row_text(row: Mapping[int, object] | None) -> str:
    if not row:
        return ""
    cells = (row.get(x) for x in range(max(row) + 1))
    return "".join(" " if cell is None else str(getattr(cell, "data", " ")) for cell in cells).rstrip()
