"""MCP servers that live in the session, reached by OpenHands' own client."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from support import below, gone, kill

if TYPE_CHECKING:
    from conftest import MakeRuntime

PROGRAM = Path(__file__).with_name("mcp_server.py").read_text("utf-8")

Call = Callable[[str, dict[str, Any]], Coroutine[Any, Any, Any]]

#: [(tool, arguments, expected)], in one server: the observation's content, or what is raised.
ONE: list[tuple[str, dict[str, Any], Any]] = [
    ("echo", {"text": 'ü "$x"\n'}, {"text": 'ü "$x"\n', "structured": 'ü "$x"\n'}),
    ("add", {"a": 1, "b": 2}, {"text": "3", "structured": 3}),
    ("count", {}, {"text": "1", "structured": 1}),
    ("count", {}, {"text": "2", "structured": 2}),
    ("fail", {}, {"text": "Error executing tool fail: as it should", "error": True}),
    ("picture", {}, {"image": "iVBORw=="}),
    ("none", {}, "ValueError: No matching MCP agent found for tool name: none"),
    ("garbage", {}, {"text": "after the garbage", "structured": "after the garbage"}),
    ("large", {"size": 200_000}, {"text": "x" * 200_000, "structured": "x" * 200_000}),
    ("die", {}, {"text": "Error calling tool 'die': Connection closed", "error": True}),
    ("count", {}, {"text": "1", "structured": 1}),
]

#: The same with two servers, and one that ends at once.
SEVERAL: list[tuple[str, dict[str, Any], Any]] = [
    ("two_echo", {"text": "x"}, {"text": "x", "structured": "x"}),
    ("one_fail", {}, {"text": "Error executing tool fail: as it should", "error": True}),
    ("echo", {"text": "x"}, "ValueError: No matching MCP agent found for tool name: echo"),
]


def content(expected: Any) -> str:
    """Return the content of OpenHands' observation, written out in full."""
    kind = "image" if "image" in expected else "text"
    inner = {"data": expected["image"], "mimeType": "image/png"} if kind == "image" else {"text": expected["text"]}
    answer = {
        "meta": None,
        "content": [{"type": kind, **inner, "annotations": None, "meta": None}],
        "structuredContent": {"result": expected["structured"]} if "structured" in expected else None,
        "isError": expected.get("error", False),
    }
    return json.dumps(answer)


async def check(call: Call, steps: list[tuple[str, dict[str, Any], Any]]) -> None:
    from openhands.events.observation.mcp import MCPObservation

    for tool, arguments, expected in steps:
        if isinstance(expected, str):
            with pytest.raises(ValueError, match=expected.partition(": ")[2]):
                await call(tool, arguments)
            continue
        observation = await call(tool, arguments)
        assert isinstance(observation, MCPObservation)
        assert observation.content == content(expected), tool
        assert (observation.name, observation.arguments) == (tool, arguments)


def server(name: str, program: str = PROGRAM, command: str = sys.executable, **env: str) -> Any:
    from openhands.core.config.mcp_config import MCPStdioServerConfig

    return MCPStdioServerConfig(name=name, command=command, args=["-c", program], env=env)


def broken() -> list[Any]:
    return [server("absent", command="/no/such/command"), server("quits", "import sys; sys.exit('why')")]


def tool_call(runtime: Any) -> Call:
    from openhands.events.action.mcp import MCPAction

    return lambda tool, arguments: runtime.call_tool_mcp(MCPAction(name=tool, arguments=arguments))


def call(runtime: Any, tool: str, **arguments: Any) -> Any:
    observation = asyncio.run(tool_call(runtime)(tool, arguments))
    return json.loads(observation.content)


def result(runtime: Any, tool: str, **arguments: Any) -> Any:
    return call(runtime, tool, **arguments)["structuredContent"]["result"]


def with_servers(make_runtime: MakeRuntime, *servers: Any, **options: Any) -> Any:
    from openhands.core.config import OpenHandsConfig

    config = OpenHandsConfig()
    config.mcp.stdio_servers = list(servers)
    return make_runtime(config=config, **options)


def bridges() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("mcp")]


def refused(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) != 0


def port(config: Any) -> int:
    return int(config.sse_servers[-1].url.split(":")[2].partition("/")[0])


@pytest.fixture(scope="module")
def runtime(make_runtime: MakeRuntime) -> Iterator[Any]:
    runtime = with_servers(make_runtime, server("one", OF_ITS_OWN="it's $1"), env_vars={"FROM_CALLER": "x"})
    yield runtime
    runtime.close()


def test_one_server_answers_as_behind_openhands_own_proxy(runtime: Any) -> None:
    asyncio.run(check(tool_call(runtime), ONE))


def test_the_server_is_a_process_of_the_session(runtime: Any) -> None:
    names = ["OF_ITS_OWN", "HOME", "OPENAI_API_KEY", "RAY_ADDRESS"]
    own, home, *others = result(runtime, "environment", names=names)
    assert (own, others) == ("it's $1", ["unset", "unset"])
    inside = psutil.Process(runtime._session.info["executor_pid"]).children(recursive=True)
    assert any(PROGRAM in process.cmdline() for process in inside)
    assert PROGRAM not in str([process.cmdline() for process in psutil.Process().children()])
    if runtime.isolation == "sandbox":
        assert home == "/root" or home.startswith("/home/")


def test_the_agent_gets_the_tools_as_the_server_describes_them(runtime: Any) -> None:
    from openhands.mcp.utils import fetch_mcp_tools_from_config

    async def tools() -> list[dict[str, Any]]:  # OpenHands, too, asks from within a loop
        return list(await fetch_mcp_tools_from_config(runtime.get_mcp_config()))

    found = {each["function"]["name"]: each["function"] for each in asyncio.run(tools())}
    assert set(found) == {"echo", "add", "count", "environment", "fail", "picture", "garbage", "large", "die"}
    assert found["add"]["description"] == "Add two numbers."
    assert found["add"]["parameters"]["required"] == ["a", "b"]


def test_the_configuration_does_not_grow(runtime: Any) -> None:
    first, second = runtime.get_mcp_config(), runtime.get_mcp_config()
    assert first == second
    assert len(first.sse_servers) == 1
    assert runtime.config.mcp.sse_servers == []


def test_without_the_key_nothing_is_answered(runtime: Any) -> None:
    import httpx

    address = runtime.get_mcp_config().sse_servers[0]
    assert address.url.startswith("http://127.0.0.1:")
    assert httpx.get(address.url).status_code == 401
    assert httpx.get(address.url, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert httpx.post(address.url.replace("/sse", "/messages/")).status_code == 401


def test_a_server_that_is_added_later_is_offered_too(runtime: Any) -> None:
    before = result(runtime, "count")
    assert len(runtime.get_mcp_config([server("later")]).sse_servers) == 1
    assert result(runtime, "later_count") == 1
    assert result(runtime, "one_count") == before + 1


def test_without_servers_no_port_is_open(make_runtime: MakeRuntime) -> None:
    before = bridges()
    runtime = make_runtime()
    config = runtime.get_mcp_config()
    assert (config.sse_servers, config.stdio_servers, config.shttp_servers) == ([], [], [])
    assert bridges() == before
    with pytest.raises(ValueError, match="No MCP clients found"):
        call(runtime, "echo", text="x")
    runtime.close()


def test_several_servers_and_what_is_left_at_the_end(make_runtime: MakeRuntime) -> None:
    before = bridges()
    runtime = with_servers(make_runtime, server("one"), server("two"), broken()[1])
    asyncio.run(check(tool_call(runtime), SEVERAL))
    assert [result(runtime, "one_count") for _ in range(2)] == [1, 2]  # OpenHands starts it anew for each call: 1, 1
    opened = port(runtime.get_mcp_config())
    processes = below(runtime._session.info["executor_pid"])
    assert len([each for each in processes if PROGRAM in each.cmdline()]) == 2
    runtime.close()
    assert gone(processes)
    assert bridges() == before
    assert refused(opened)


@pytest.mark.parametrize("number", [0, 1])
def test_a_server_that_cannot_be_started(make_runtime: MakeRuntime, number: int) -> None:
    from openhands.mcp.utils import fetch_mcp_tools_from_config

    runtime = with_servers(make_runtime, broken()[number])
    assert asyncio.run(fetch_mcp_tools_from_config(runtime.get_mcp_config())) == []
    with pytest.raises(ValueError, match="No MCP clients found"):
        call(runtime, "echo", text="x")
    assert runtime.list_files() == []
    runtime.close()


def test_clients_that_share_a_session_have_servers_of_their_own(make_runtime: MakeRuntime) -> None:
    first = with_servers(make_runtime, server("one"), sid="shared-mcp")
    second = with_servers(make_runtime, server("one"), sid="shared-mcp", attach_to_existing=True)
    assert [result(each, "count") for each in (first, second, first)] == [1, 1, 2]
    processes = [each for each in below(first._session.info["executor_pid"]) if PROGRAM in each.cmdline()]
    second.close()
    assert not gone(processes, 0)
    assert result(first, "count") == 3
    first.close()
    assert gone(processes)


def test_a_lost_session(make_runtime: MakeRuntime) -> None:
    runtime = with_servers(make_runtime, server("one"))
    assert result(runtime, "count") == 1
    kill(below(runtime._session.info["executor_pid"]))
    with pytest.raises(ValueError, match="No MCP clients found"):
        call(runtime, "count")
    runtime.close()


def test_before_the_connection(make_runtime: MakeRuntime) -> None:
    from openhands.core.exceptions import AgentRuntimeNotFoundError

    runtime = with_servers(make_runtime, server("one"), connect=False)
    with pytest.raises(AgentRuntimeNotFoundError, match="not connected"):
        runtime.get_mcp_config()


@pytest.mark.long
@pytest.mark.oracle
@pytest.mark.timeout(600)
@pytest.mark.parametrize("several", [False, True])
def test_openhands_own_proxy_answers_the_same(several: bool) -> None:
    servers = [server("one"), server("two"), broken()[1]] if several else [server("one")]
    with Upstream(servers) as call:
        asyncio.run(check(call, SEVERAL if several else ONE))


@pytest.mark.long
@pytest.mark.oracle
def test_where_openhands_own_proxy_loses_state_and_servers() -> None:
    async def one_count(call: Call) -> int:
        observation = await call("one_count", {})
        return int(json.loads(observation.content)["structuredContent"]["result"])

    with Upstream([server("one"), server("two")]) as call:
        assert [asyncio.run(one_count(call)) for _ in range(2)] == [1, 1]
    with Upstream([server("one")], [server("one"), server("two")]) as call, pytest.raises(ValueError, match="No match"):
        asyncio.run(one_count(call))


@pytest.mark.long
@pytest.mark.oracle
@pytest.mark.timeout(600)
def test_a_server_that_never_answers(make_runtime: MakeRuntime) -> None:
    mute = server("mute", "import time; time.sleep(1000)")
    runtime = with_servers(make_runtime, mute)
    with Upstream([mute]) as theirs:
        for each in (theirs, tool_call(runtime)):
            with pytest.raises(ValueError, match="No MCP clients found"):
                asyncio.run(each("echo", {"text": "x"}))
    runtime.close()


class Upstream:
    """OpenHands' proxy over HTTP, as its action execution server mounts it; ``updates`` one after the other."""

    def __init__(self, *updates: list[Any]) -> None:
        self._updates = updates

    def __enter__(self) -> Call:
        import uvicorn
        from fastapi import FastAPI
        from openhands.core.config.mcp_config import MCPSSEServerConfig
        from openhands.events.action.mcp import MCPAction
        from openhands.mcp.utils import call_tool_mcp, create_mcp_clients
        from openhands.runtime.mcp.proxy import MCPProxyManager

        listening = socket.create_server(("127.0.0.1", 0))
        app, manager = FastAPI(), MCPProxyManager(auth_enabled=True, api_key="key")
        self._http = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))

        async def serve() -> None:
            for servers in self._updates:
                await manager.update_and_remount(app, servers)
            await self._http.serve(sockets=[listening])
            if manager.proxy is not None:
                del manager.proxy

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()))
        self._thread.start()
        address = MCPSSEServerConfig(url=f"http://127.0.0.1:{listening.getsockname()[1]}/mcp/sse", api_key="key")

        async def call(tool: str, arguments: dict[str, Any]) -> Any:
            return await call_tool_mcp(await create_mcp_clients([address], [], "sid"), MCPAction(tool, arguments))

        return call

    def __exit__(self, *_: object) -> None:
        self._http.should_exit = self._http.force_exit = True
        self._thread.join(30)
