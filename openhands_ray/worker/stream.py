"""The lines that a session's shells print, for who wants to see them while a command runs."""

from __future__ import annotations

import re
import threading
from collections import deque

from openhands_ray.worker.screen import KEPT_LINES, render

#: Bytes kept for who has not come for them yet; beyond that the oldest go.
KEPT_BYTES = 4 * 1024 * 1024

_PROMPT = re.compile(rb"\x1b\]7777;[0-9a-f]{32};(?:S\x07|P;[^\x07]*\x07\r*\n)")


class OutputStream:
    """Collects output while it is wanted. One thread feeds, another takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = False
        self._output = bytearray()
        self._echo: deque[bytes] = deque(maxlen=KEPT_LINES)

    def feed(self, data: bytes) -> None:
        """Take output as it comes from a terminal."""
        if not self._wanted:
            return
        with self._lock:
            self._output += data
            if len(self._output) > KEPT_BYTES:
                del self._output[: len(self._output) - KEPT_BYTES // 2]

    def expect(self, echo: bytes) -> None:
        """Tell what the terminal will show of what is typed now; that is no output."""
        if self._wanted:
            with self._lock:
                self._echo.extend(echo.split(b"\r\n")[:-1])

    def take(self, wanted: bool) -> list[str]:
        """Return the lines that were not taken yet, each with its newline, as a terminal shows them.

        Args:
            wanted: whether to go on collecting. If not, what is left of a line is returned too.
        """
        with self._lock:
            output = _PROMPT.sub(b"", bytes(self._output))
            end = output.rfind(b"\n") + 1 if wanted else len(output)
            self._output[:] = output[end:]
            self._wanted = wanted
            lines = output[:end].removesuffix(b"\n").split(b"\n") if end else []
            return [f"{render(line)}\n" for line in lines if not self._is_echo(line.rstrip(b"\r"))]

    def _is_echo(self, line: bytes) -> bool:
        if line not in self._echo:
            return False
        while self._echo.popleft() != line:  # what the terminal did not show: it may not echo
            pass
        return True
