"""What a cell printed, showed and raised, and how much of it is passed on.

In OpenHands a kernel's output goes through Jupyter's server, which stops passing it on when there is too much at a
time, and says so. An agent sees what that lets through, so the same is let through here; it bounds the memory, too.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import Any

#: Seconds over which the rates are taken. This and the rates: the defaults of Jupyter's server.
WINDOW_S = 3.0

#: Messages a second: each is what was printed in a fifth of a second, or one thing that was displayed.
MESSAGES_PER_S = 1_000.0

#: Bytes a second of what is printed.
BYTES_PER_S = 1_000_000.0

#: Characters, of text and images, that are kept of a cell that goes on for minutes: its last ones.
KEPT_CHARACTERS = 64 * 1024 * 1024

#: The messages that hold output.
KINDS = frozenset({"stream", "error", "execute_result", "display_data"})

#: The messages that Jupyter's server does not count.
UNCOUNTED = frozenset({"status", "comm_open", "execute_input"})

# OpenHands strips colours of at most three parts, and nothing else.
_COLOUR = re.compile(r"\x1b\[\d+(;\d+){0,2}m")

_EXCEEDED = """\
IOPub {what} rate exceeded.
The Jupyter server will temporarily stop sending output
to the client in order to avoid crashing it.
To change this limit, set the config variable
`--ServerApp.{setting}`.

Current values:
ServerApp.{setting}={rate} ({unit}/sec)
ServerApp.rate_limit_window={window} (secs)
"""


class Output:
    """The output of a cell, in the order in which it came."""

    def __init__(self, kept_characters: int = KEPT_CHARACTERS) -> None:
        self._kept_characters = kept_characters
        self._parts: deque[tuple[str, bool]] = deque()  # a text or an image's URL, and whether it is an image
        self._characters = 0
        self._cut = False
        self._raised = False

    def add(self, kind: str, content: Mapping[str, Any]) -> None:
        """Add a message of the kernel. What comes after an error is not output of the cell to OpenHands."""
        if self._raised:
            return
        if kind == "stream":
            self._keep(content["text"])
        elif kind == "error":
            self._keep("\n".join(content["traceback"]))
            self._raised = True
        elif kind in ("execute_result", "display_data"):
            data = content["data"]
            self._keep(data.get("text/plain", ""))
            if "image/png" in data:
                self._keep(f"data:image/png;base64,{data['image/png']}", image=True)

    def _keep(self, part: str, *, image: bool = False) -> None:
        self._parts.append((part, image))
        self._characters += len(part)
        while self._characters > self._kept_characters and len(self._parts) > 1:
            self._characters -= len(self._parts.popleft()[0])
            self._cut = True

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def images(self) -> list[str]:
        return [part for part, image in self._parts if image]

    @property
    def text(self) -> str:
        text = _COLOUR.sub("", "".join(part for part, image in self._parts if not image))
        return f"[Only the end of the output was kept.]\n{text}" if self._cut else text


class _Limit:
    def __init__(self, what: str, setting: str, unit: str, rate: float) -> None:
        self._text = _EXCEEDED.format(what=what, setting=setting, rate=rate, unit=unit, window=WINDOW_S)
        self._rate = rate
        self.exceeded = False

    def check(self, amount: int) -> str:
        """Take the amount within the window; return what is to be said when it has become too much."""
        rate = amount / WINDOW_S
        if rate > self._rate:
            said, self.exceeded = self.exceeded, True
            return "" if said else self._text
        if rate < 0.8 * self._rate:
            self.exceeded = False
        return ""


class RateLimit:
    """Decides of each message whether it is passed on, as Jupyter's server does."""

    def __init__(self) -> None:
        self._messages = _Limit("message", "iopub_msg_rate_limit", "msgs", MESSAGES_PER_S)
        self._data = _Limit("data", "iopub_data_rate_limit", "bytes", BYTES_PER_S)
        self._window: deque[tuple[float, int]] = deque()
        self._bytes = 0

    def reset(self) -> None:
        """Forget what came: the kernel has become idle."""
        self._window.clear()
        self._bytes = 0
        self._messages.exceeded = self._data.exceeded = False

    def admit(self, size_bytes: int, now: float) -> tuple[bool, str]:
        """Return whether a message that came at ``now`` (seconds) goes on, and what is to be said first."""
        while self._window and now >= self._window[0][0]:
            self._bytes -= self._window.popleft()[1]
        self._window.append((now + WINDOW_S, size_bytes))
        self._bytes += size_bytes
        warning = self._messages.check(len(self._window)) + self._data.check(self._bytes)
        if not self._messages.exceeded and not self._data.exceeded:
            return True, warning
        self._bytes -= self._window.pop()[1]
        return False, warning
