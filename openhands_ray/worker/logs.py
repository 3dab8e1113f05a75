"""What the executor logs, handed to the actor outside, which logs it where Ray's workers do.

The executor has no error stream, and a session could forge whatever it says. So a line is one line, has an end, and is
logged under a name of its own; and only so many are logged, for the sake of the node's disk.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time

from openhands_ray import wire

#: Characters of a line.
LINE_CHARS = 4000

#: Lines that are logged at once, and seconds after which there is room for one more: some megabytes a day.
BURST = 100
SECONDS_EACH = 10.0

_MESSAGE_BYTES = 64 * 1024

log = logging.getLogger("openhands_ray.session")


class LogSender(logging.Handler):
    """Hands records on, and waits for nobody: what there is no room for is lost."""

    def __init__(self, channel: socket.socket, level: int) -> None:
        super().__init__(level)
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)[:LINE_CHARS]
        packed = wire.pack({"level": record.levelno, "name": record.name, "text": text})
        with contextlib.suppress(OSError):
            self._channel.send(packed, socket.MSG_DONTWAIT)


class LogReceiver:
    """Logs what comes over a socket, in a thread, until the other side closes it."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._room, self._since, self._dropped = float(BURST), time.monotonic(), 0
        self.thread = threading.Thread(target=self._receive, name="logs", daemon=True)
        self.thread.start()

    def _receive(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._channel.recv(_MESSAGE_BYTES):
                self._log(data)

    def _log(self, data: bytes) -> None:
        try:
            message = wire.unpack(data)
            level, name, text = int(message["level"]), str(message["name"]), str(message["text"])
        except (ValueError, KeyError, TypeError):  # a sandbox may send what it likes
            return
        if not self._has_room():
            self._dropped += 1
            return
        if self._dropped:
            log.warning("%d lines were too many, and were not logged", self._dropped)
            self._dropped = 0
        log.log(min(max(level, logging.DEBUG), logging.CRITICAL), "%s", _one_line(f"{name}: {text}"))

    def _has_room(self) -> bool:
        now = time.monotonic()
        self._room = min(BURST, self._room + (now - self._since) / SECONDS_EACH)
        self._since = now
        if self._room < 1:
            return False
        self._room -= 1
        return True


def channel() -> tuple[socket.socket, socket.socket]:
    """Return the two ends, which keep records apart, and one of which sees when the other has gone."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _one_line(text: str) -> str:
    shown = (each if each.isprintable() else each.encode("unicode_escape").decode() for each in text[:LINE_CHARS])
    return "".join(shown)
