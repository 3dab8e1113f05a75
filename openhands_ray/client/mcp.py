"""The MCP servers of a session, under one address for OpenHands' own MCP client.

OpenHands' sandboxes hold a proxy which makes all of their servers one, over HTTP. Here the same proxy is in the process
of the client, and only the servers are in the session: a node needs no library for MCP, and has no port open for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastmcp.mcp_config import StdioMCPServer
from openhands.core.config.mcp_config import MCPSSEServerConfig, MCPStdioServerConfig
from openhands.runtime.mcp.proxy import MCPProxyManager
from pydantic import PrivateAttr

from openhands_ray.client.mcp_transport import Post, SessionTransport
from openhands_ray.session import Session

#: Seconds that the servers have to end when the bridge closes.
CLOSE_TIMEOUT_S = 10


class McpBridge:
    """OpenHands' proxy, on a port of the loopback that asks for a secret, for the servers in one session."""

    def __init__(self, session: Session) -> None:
        """Open the port; no server is started before a client asks for something."""
        self._key = secrets.token_urlsafe(32)
        self._transports: list[tuple[MCPStdioServerConfig, SessionTransport]] = []
        self._app: Callable[..., Coroutine[Any, Any, None]] = FastAPI()
        self._post = Post(session)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._http = uvicorn.Server(
            uvicorn.Config(self._answer, interface="asgi3", lifespan="off", log_config=None, access_log=False)
        )
        self._thread = threading.Thread(target=self._serve, name="mcp-bridge", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with self._runner:
            self._runner.run(self._http.serve(sockets=[self._socket]))

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)

    @property
    def address(self) -> MCPSSEServerConfig:
        """Where OpenHands' client finds the servers."""
        port = self._socket.getsockname()[1]
        return MCPSSEServerConfig(url=f"http://127.0.0.1:{port}/mcp/sse", api_key=self._key)

    def offer(self, servers: Sequence[MCPStdioServerConfig]) -> None:
        """Offer these servers from now on. Those that run already go on, with their state."""
        self._run(self._offer(servers))

    async def _offer(self, servers: Sequence[MCPStdioServerConfig]) -> None:
        for server in servers:
            if all(server != known for known, _ in self._transports):
                self._transports.append((server, SessionTransport(self._post, server)))
        manager = MCPProxyManager(auth_enabled=True, api_key=self._key)
        # Of two with one name the later is meant, as in OpenHands.
        manager.config["mcpServers"] = {server.name: _offered(server, each) for server, each in self._transports}
        manager.initialize()
        app = FastAPI()
        await manager.mount_to_app(app)
        self._app = app

    def close(self) -> None:
        """End the servers and close the port. Idempotent."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(TimeoutError):
            self._run(self._end(), CLOSE_TIMEOUT_S)
        self._http.should_exit = self._http.force_exit = True
        self._thread.join(CLOSE_TIMEOUT_S)
        self._post.close()
        self._socket.close()

    async def _end(self) -> None:
        for _, transport in self._transports:
            await transport.end()

    def _run(self, work: Coroutine[Any, Any, None], timeout_s: float | None = None) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)


class _Offered(StdioMCPServer):
    """An entry of the proxy's configuration whose process is in the session."""

    _transport: SessionTransport = PrivateAttr()

    def to_transport(self) -> SessionTransport:  # type: ignore[override]
        return self._transport


def _offered(server: MCPStdioServerConfig, transport: SessionTransport) -> _Offered:
    offered = _Offered(command=server.command, args=server.args, env=server.env)
    offered._transport = transport
    return offered
