"""MCP servers that live in the session, as processes: what goes into and comes out of their standard streams.

Nothing of it is read here: OpenHands' own MCP client, on the other side, speaks the protocol.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

from openhands_ray import wire
from openhands_ray.worker.limits import go_first

#: Seconds that a server has to end after its input closed, and again after SIGTERM. From OpenHands' MCP library.
END_TIMEOUT_S = 2

#: Bytes of the last that a server wrote on its error stream which are kept, to say why it ended.
LAST_WORDS_BYTES = 4096

_READ_BYTES = 1 << 20


class Servers:
    """The servers of a session. What they write goes over one socket, in frames that name their reader."""

    def __init__(self, channel: socket.socket, environment: Mapping[str, str], folder: str) -> None:
        self._channel, self._environment, self._folder = channel, environment, folder
        self._sending = threading.Lock()
        self._running: dict[str, _Server] = {}

    def operations(self) -> dict[str, Callable[..., Any]]:
        """Return the requests that this answers, by name."""
        return {"mcp_start": self.start, "mcp_write": self.write, "mcp_stop": self.stop, "mcp_leave": self.leave}

    def start(self, reader: str, server: str, command: str, args: list[str], env: dict[str, str]) -> None:
        """Start a server whose environment is the session's and ``env``.

        Args:
            reader: who is to get what it writes.
            server: a name that no other server of this session has.
            command, args, env: as in OpenHands' ``MCPStdioServerConfig``.

        Raises:
            OSError: the command is not there, or cannot be run.
        """
        process = subprocess.Popen(
            [command, *args],
            env={**self._environment, **env},
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=go_first,  # noqa: PLW1509 (a few system calls: takes no lock)
        )
        self._running[server] = _Server(process, lambda said: self._tell({"reader": reader, "server": server, **said}))

    def write(self, server: str, data: bytes) -> None:
        """Give ``data`` to the server's input, behind what it was given before."""
        self._running[server].input.put(data)

    def stop(self, server: str) -> None:
        """End the server: close its input; what does not end then is terminated, and at last killed."""
        stopped = self._running.pop(server, None)
        if stopped is not None:
            stopped.stop()

    def leave(self, reader: str) -> None:
        """Tell the reader that nothing will come any more."""
        self._tell({"reader": reader, "server": None})

    def _tell(self, message: wire.Message) -> None:
        with self._sending, contextlib.suppress(OSError):  # else the session is ending
            wire.send_frame(self._channel, wire.pack(message))


class _Server:
    """One process, and the two threads that keep its streams going."""

    def __init__(self, process: subprocess.Popen[bytes], tell: Callable[[wire.Message], None]) -> None:
        self._process, self._tell = process, tell
        self.input: SimpleQueue[bytes | None] = SimpleQueue()
        for target in (self._write, self._read):
            _in_background(target)

    def stop(self) -> None:
        self.input.put(None)
        _in_background(self._end)  # and not where the input is written: a server that reads nothing blocks that

    def _write(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(OSError):  # it has closed its input
            while (data := self.input.get()) is not None:
                pipe.write(data)
                pipe.flush()
        with contextlib.suppress(OSError):
            pipe.close()

    def _end(self) -> None:
        for signum in (signal.SIGTERM, signal.SIGKILL):
            try:
                self._process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signum)
        self._process.wait()

    def _read(self) -> None:
        """Pass on what the server writes, keep the end of what it says of errors, and tell when it has ended."""
        last_words = bytearray()
        with selectors.DefaultSelector() as streams:
            for pipe in (self._process.stdout, self._process.stderr):
                assert pipe is not None
                streams.register(pipe, selectors.EVENT_READ)
            while any(key.fileobj is self._process.stdout for key in streams.get_map().values()):
                for key, _ in streams.select():
                    data = os.read(key.fd, _READ_BYTES)
                    if not data:
                        streams.unregister(key.fileobj)
                    elif key.fileobj is self._process.stdout:
                        self._tell({"data": data})
                    else:
                        last_words[:] = (last_words + data)[-LAST_WORDS_BYTES:]
        self._tell({"data": b"", "last_words": bytes(last_words).decode("utf-8", "replace")})
        self.input.put(None)
        self._end()


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="mcp", daemon=True).start()
