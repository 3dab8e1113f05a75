"""How OpenHands' MCP library reaches a server that runs in the session: as it reaches a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
from fastmcp.client.transports import ClientTransport
from mcp import ClientSession
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage
from openhands.core.config.mcp_config import MCPStdioServerConfig

from openhands_ray.errors import OpenHandsRayError
from openhands_ray.session import Session

#: Seconds for starting a server's process and for giving it a message.
REQUEST_TIMEOUT_S = 30

#: Bytes of the longest message; a server that writes more without a newline is ended.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024

log = logging.getLogger(__name__)


class Output:
    """What one run of a server's process writes, message by message; fed by the bridge's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._begun = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what the process wrote; nothing: it has ended."""
        lines = (self._begun + data).split(b"\n") if data else [bytearray()]
        self._begun = lines.pop()
        ended = not data or len(self._begun) > MAX_MESSAGE_BYTES
        for message in [*map(bytes, lines), *([None] if ended else [])]:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._messages.put_nowait, message)

    async def messages(self) -> AsyncIterator[bytes]:
        while (message := await self._messages.get()) is not None:
            yield message


class Post:
    """The thread that receives what the servers of one session write, and hands it to each one's output."""

    def __init__(self, session: Session) -> None:
        self.session, self.reader = session, secrets.token_hex(8)
        self._outputs: dict[str, Output] = {}
        self._thread = threading.Thread(target=self._receive, name="mcp-post", daemon=True)
        self._thread.start()

    def open(self, server: str, output: Output) -> None:
        self._outputs[server] = output

    def forget(self, server: str) -> None:
        self._outputs.pop(server, None)

    def close(self) -> None:
        """Receive nothing any more; waits for the thread."""
        with contextlib.suppress(OpenHandsRayError):  # the session has ended, and with it the thread
            self.session.request("mcp_leave", REQUEST_TIMEOUT_S, reader=self.reader)
        self._thread.join(REQUEST_TIMEOUT_S)

    def _receive(self) -> None:
        try:
            while (letter := self.session.receive(self.reader))["server"] is not None:
                output = self._outputs.get(letter["server"])
                if output is not None:
                    output.feed(letter["data"])
                if letter.get("last_words"):
                    last_words = letter["last_words"].strip()
                    log.warning("An MCP server ended; its last words: %s", last_words, extra=self.session.log_context)
        except OpenHandsRayError as error:
            log.debug("No MCP server is heard any more: %s", error, extra=self.session.log_context)
        for output in list(self._outputs.values()):
            output.feed(b"")


class SessionTransport(ClientTransport):
    """A server's process in the session, which stays from one connection to the next; started anew when it died."""

    def __init__(self, post: Post, server: MCPStdioServerConfig) -> None:
        self._post, self._server = post, server
        self._starting = asyncio.Lock()
        self._run: _Run | None = None

    @contextlib.asynccontextmanager
    async def connect_session(self, **session_kwargs: Any) -> AsyncIterator[ClientSession]:
        async with self._starting:
            if self._run is None or self._run.ended:
                self._run = _Run(self._post, self._server)
                await self._run.start(session_kwargs)
        yield self._run.client

    async def close(self) -> None:
        """Nothing: a composite of several servers closes them after each request, and their state would be lost."""

    async def end(self) -> None:
        """End the process."""
        if self._run is not None:
            await self._run.stop()


class _Run:
    """One run of a server's process, and the session of the MCP library that talks to it."""

    client: ClientSession

    def __init__(self, post: Post, server: MCPStdioServerConfig) -> None:
        self._post, self._server = post, server
        self._name = secrets.token_hex(8)
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.ended = False

    async def start(self, session_kwargs: dict[str, Any]) -> None:
        """Start the process.

        Raises:
            OSError: the command is not there, or cannot be run.
        """
        started: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
        # A task of its own, since the library's session has to be left in the task that entered it.
        self._task = asyncio.create_task(self._live(session_kwargs, started))
        self.client = await started

    async def stop(self) -> None:
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _live(self, session_kwargs: dict[str, Any], started: asyncio.Future[ClientSession]) -> None:
        output = Output(asyncio.get_running_loop())
        self._post.open(self._name, output)
        heard, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write_stream, to_say = anyio.create_memory_object_stream[SessionMessage](0)
        server = self._server
        try:
            await self._request(
                "mcp_start", reader=self._post.reader, command=server.command, args=server.args, env=server.env
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._hear, output, heard)
                tasks.start_soon(self._say, to_say)
                async with ClientSession(read_stream, write_stream, **session_kwargs) as client:
                    started.set_result(client)
                    await self._stopping.wait()
                tasks.cancel_scope.cancel()
        except Exception as error:
            if started.done():
                context = self._post.session.log_context
                log.warning("The MCP server %r failed: %s", server.name, error, extra=context)
            else:
                started.set_exception(error)
        finally:
            self.ended = True
            self._post.forget(self._name)
            for stream in (heard, read_stream, write_stream, to_say):
                stream.close()
            with contextlib.suppress(OpenHandsRayError):  # the session has ended, and the server with it
                await self._request("mcp_stop")

    async def _hear(self, output: Output, heard: Any) -> None:
        async with heard:  # closing it fails what waits for an answer
            async for line in output.messages():
                try:
                    message: SessionMessage | Exception = SessionMessage(JSONRPCMessage.model_validate_json(line))
                except ValueError as error:
                    message = error
                await heard.send(message)
            self.ended = True

    async def _say(self, to_say: Any) -> None:
        async for message in to_say:
            text = message.message.model_dump_json(by_alias=True, exclude_none=True)
            await self._request("mcp_write", data=(text + "\n").encode("utf-8"))

    async def _request(self, operation: str, **args: Any) -> None:
        await asyncio.to_thread(self._post.session.request, operation, REQUEST_TIMEOUT_S, server=self._name, **args)
