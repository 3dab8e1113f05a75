"""An MCP server on its standard streams, for tests; some of its tools misbehave."""

from __future__ import annotations

import os
import sys

from mcp.server.fastmcp import FastMCP, Image

server = FastMCP("sample", log_level="ERROR")
calls: list[int] = []


@server.tool()
def echo(text: str) -> str:
    """Say it again."""
    return text


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def count() -> int:
    """Count the calls of this process."""
    calls.append(1)
    return len(calls)


@server.tool()
def environment(names: list[str]) -> list[str]:
    """Read the environment."""
    return [os.environ.get(name, "unset") for name in names]


@server.tool()
def fail() -> str:
    """Raise."""
    raise ValueError("as it should")


@server.tool()
def picture() -> Image:
    """Return an image."""
    return Image(data=b"\x89PNG", format="png")


@server.tool()
def garbage() -> str:
    """Write what is no message, and then answer."""
    print("this is not JSON", flush=True)
    return "after the garbage"


@server.tool()
def large(size: int) -> str:
    """Return as many characters."""
    return "x" * size


@server.tool()
def die() -> str:
    """End without an answer."""
    print("last words", file=sys.stderr, flush=True)
    os._exit(3)


server.run()
