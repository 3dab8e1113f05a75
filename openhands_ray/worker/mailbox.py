"""What a session sends without being asked, sorted by who is to get it."""

from __future__ import annotations

import socket
import threading
from collections import deque

from openhands_ray import wire
from openhands_ray.errors import SessionLostError

#: Bytes that may wait for one reader. One that lets more wait has gone; if not, it gets the end in their place.
MAX_WAITING_BYTES = 64 * 1024 * 1024


class Mailbox:
    """Frames from one socket for several readers. Whoever waits first reads the socket, for the others too."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[bytes]] = {}
        self._reading = False
        self._ended = False

    def receive(self, reader: str) -> bytes:
        """Wait for the next frame that names this reader.

        Raises:
            SessionLostError: the session has ended.
        """
        while True:
            with self._changed:
                while not self._waiting.get(reader) and self._reading and not self._ended:
                    self._changed.wait()
                if self._waiting.get(reader):
                    return self._waiting[reader].popleft()
                if self._ended:
                    raise SessionLostError("The session has ended.")
                self._reading = True
            self._sort(self._next())

    def _next(self) -> bytes | None:
        try:
            return wire.receive_frame(self._channel)
        except (EOFError, OSError):
            return None

    def _sort(self, frame: bytes | None) -> None:
        reader = None if frame is None else _reader(frame)
        with self._changed:
            self._reading = False
            if frame is None:
                self._ended = True
            elif reader is not None:
                letters = self._waiting.setdefault(reader, deque())
                letters.append(frame)
                if sum(map(len, letters)) > MAX_WAITING_BYTES:
                    self._waiting[reader] = deque([wire.pack({"reader": reader, "server": None})])
            self._changed.notify_all()


def _reader(frame: bytes) -> str | None:
    try:
        return str(wire.unpack(frame)["reader"])
    except (ValueError, KeyError):  # a sandbox may send what it likes
        return None
