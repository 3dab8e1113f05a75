"""A process on a pseudo-terminal."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from openhands_ray.worker.limits import go_first
from openhands_ray.worker.screen import COLUMNS, KEPT_LINES, ROWS, rows_written

#: Bytes at which the buffer is cut back to the lines that are kept.
TRIM_BYTES = 4 * 1024 * 1024

#: Bytes kept at most, whatever the length of the lines; when there are more, half of them go.
MAX_BYTES = 24 * 1024 * 1024

#: Lines whose rows are counted when they go; of more, which are short ones, each is taken for one row.
_COUNTED = 50_000

_READ_BYTES = 65536

_MS = 1000


class Terminal:
    """A process that leads a session of its own on a pty. A thread drains it, so that it never blocks on output.

    Between ``attend()`` and ``leave()`` the caller reads it instead, which saves the way from one thread to another.
    Output is collected in ``buffer``, which is bounded: beyond ``KEPT_LINES`` lines the oldest go.
    """

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str) -> None:
        """Start ``argv``.

        Raises:
            OSError: the program or the folder is not there.
        """
        self._master, slave = os.openpty()
        try:
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            self._sane = _as_tmux(termios.tcgetattr(slave))
            termios.tcsetattr(slave, termios.TCSANOW, self._sane)
            self.process = subprocess.Popen(
                argv,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_prepare,  # noqa: PLW1509 (a few system calls: takes no lock)
            )
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)
        os.set_blocking(self._master, False)
        self.buffer = bytearray()
        self._trim_at = TRIM_BYTES
        self.dropped_lines = 0  # how many rows went from the front of the buffer since it was last cleared
        self.eof = False  # whether every holder of the terminal has closed it: nothing will come any more
        self.last_output = time.monotonic()
        self.on_output: Callable[[bytes], None] = _ignore
        self._untyped: deque[bytes] = deque()
        self._typing = threading.Lock()
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(self._master, select.POLLIN)
        self._writable.register(self._master, select.POLLOUT)
        self._attended = False
        #: Notified when the thread has read something; hold it to look at the buffer while the thread reads.
        self.changed = threading.Condition()
        self._closing, self._close = os.pipe()
        self._drained = select.epoll()
        self._drained.register(self._closing, select.EPOLLIN)
        self._drained.register(self._master, select.EPOLLIN)
        self._drainer = threading.Thread(target=self._drain, name="terminal", daemon=True)
        try:
            self._drainer.start()
        except RuntimeError as error:  # no more threads
            self._abandon()
            raise OSError(errno.EAGAIN, str(error)) from None

    def _abandon(self) -> None:
        self.process.kill()
        self.process.wait()
        self._drained.close()
        for fd in (self._master, self._closing, self._close):
            os.close(fd)
        self._master = -1

    @property
    def closed(self) -> bool:
        """Whether ``close()`` was called."""
        return self._master < 0

    def attend(self) -> None:
        """Have the caller read the terminal from now on, and not the thread."""
        self._leave_alone()
        with self.changed:
            self._attended = True

    def leave(self) -> None:
        """Have the thread read it again."""
        self._attended = False
        if self._master >= 0 and not self.eof:
            self._drained.register(self._master, select.EPOLLIN)

    def read(self, timeout_s: float | None) -> bool:
        """Wait for output and take what there is; return whether there was some, or the end. Only while attended."""
        if not self._readable.poll(None if timeout_s is None else max(0, timeout_s) * _MS):
            return False
        self._read()
        return True

    def clear(self) -> None:
        """Forget what was written."""
        self.buffer.clear()
        self.dropped_lines = 0
        self._trim_at = TRIM_BYTES

    def cut(self, start: int, end: int) -> None:
        """Take a part out of the buffer."""
        del self.buffer[start:end]

    def write(self, data: bytes) -> None:
        """Type ``data``. What the terminal does not take at once is typed on while this goes on."""
        with self._typing:
            if not self._untyped:
                try:
                    data = data[os.write(self._master, data) :]
                except BlockingIOError:
                    pass
                except OSError:  # the process has closed its terminal: ``eof`` will tell
                    return
            if not data:
                return
            self._untyped.append(data)
            if len(self._untyped) == 1:
                threading.Thread(target=self._type, name="typing", daemon=True).start()

    def _type(self) -> None:
        while True:
            view = memoryview(self._untyped[0])
            try:
                while view:
                    self._writable.poll()
                    with contextlib.suppress(BlockingIOError):
                        view = view[os.write(self._master, view) :]
            except OSError:  # closed: nobody will read it
                pass
            with self._typing:
                self._untyped.popleft()
                if not self._untyped:
                    return

    def repair(self) -> None:
        """Undo what a program that has gone left behind when it took each key (``stty raw``).

        A program that the process started, and that has the terminal, may want it so.
        """
        with contextlib.suppress(termios.error):
            modes = termios.tcgetattr(self._master)
            if modes[3] & termios.ICANON and modes[3] & termios.ISIG and modes[1] & termios.OPOST:
                return
            if self.foreground() != self.process.pid:
                return
            termios.tcsetattr(self._master, termios.TCSANOW, self._sane)

    def foreground(self) -> int:
        """Return the process group that the terminal belongs to now, or -1."""
        try:
            return os.tcgetpgrp(self._master)
        except OSError:
            return -1

    def close(self) -> None:
        """Hang up: end the process and what still runs in its session. Idempotent."""
        if self._master < 0:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGHUP)
        self.process.kill()
        self.process.wait()
        with self.changed:
            master, self._master = self._master, -1
        os.close(self._close)
        self._drainer.join()
        self._drained.close()
        os.close(master)
        os.close(self._closing)

    def _drain(self) -> None:
        """Read while nobody attends to the terminal."""
        while self._master >= 0:
            self._drained.poll()
            with self.changed:
                if self._master < 0:
                    break
                if self._attended or not self._readable.poll(0):
                    continue
                self._read()
                if self.eof:
                    self._leave_alone()
                self.changed.notify_all()

    def _leave_alone(self) -> None:
        """Have the thread not be woken by output, before it holds the lock that it would take again and again."""
        with contextlib.suppress(FileNotFoundError):  # the end has come, or who attends was quicker than its thread
            self._drained.unregister(self._master)

    def _read(self) -> None:
        try:
            data = os.read(self._master, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            # EIO: the last process that held the terminal has gone. EBADF: close() was called.
            if error.errno not in (errno.EIO, errno.EBADF):
                raise
            data = b""
        if not data:
            self.eof = True
            return
        self.last_output = time.monotonic()
        self.on_output(data)
        self.buffer += data
        if len(self.buffer) > self._trim_at:
            self.trim()
            self._trim_at = len(self.buffer) + TRIM_BYTES

    def trim(self) -> None:
        """Cut the buffer back to the lines that a terminal keeps."""
        excess = self.buffer.count(b"\n") - KEPT_LINES
        if excess > 0:
            cut = _start_of_last(self.buffer, KEPT_LINES)
            self.dropped_lines += rows_written(bytes(self.buffer[:cut])) if excess <= _COUNTED else excess
        elif len(self.buffer) > MAX_BYTES:
            cut = len(self.buffer) - MAX_BYTES // 2
            self.dropped_lines += max(1, cut // COLUMNS)
        else:
            return
        del self.buffer[:cut]


def _ignore(_: bytes) -> None:
    pass


def _as_tmux(modes: list[Any]) -> list[Any]:
    """Return the modes of a terminal as tmux sets them: it erases whole characters, and rings no bell."""
    iutf8 = 0o40000  # not in the termios module
    modes[0] = (modes[0] | iutf8) & ~termios.IMAXBEL
    return modes


def _prepare() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # its controlling terminal
    go_first()


def _start_of_last(data: bytearray, count: int) -> int:
    """Return the offset after which there are ``count`` newlines."""
    position = len(data)
    for _ in range(count + 1):
        position = data.rindex(b"\n", 0, position)
    return position + 1
