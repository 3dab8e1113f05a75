"""The processes of MCP servers: what goes in, what comes out, and how they end."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import LocalSession, gone

from openhands_ray import wire
from openhands_ray.errors import SessionLostError
from openhands_ray.worker import mcp_servers
from openhands_ray.worker.mcp_servers import Servers

ENVIRONMENT = {"PATH": os.environ["PATH"], "SHARED": "session"}


class Bench:
    """Servers, and the other end of their socket."""

    def __init__(self, folder: Path) -> None:
        self.channel, theirs = socket.socketpair()
        self.channel.settimeout(20)
        self.servers = Servers(theirs, ENVIRONMENT, str(folder))

    def start(self, script: str, server: str = "a", **env: str) -> None:
        self.servers.start("reader", server, "sh", ["-c", script], env)

    def next(self) -> wire.Message:
        return wire.unpack(wire.receive_frame(self.channel))

    def output(self, server: str = "a") -> bytes:
        """Return all that a server writes until it ends."""
        found = bytearray()
        while (message := self.next())["data"]:
            assert (message["reader"], message["server"]) == ("reader", server)
            found += message["data"]
        return bytes(found)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    others = set(psutil.Process().children())
    bench = Bench(tmp_path)
    yield bench
    for name in list(bench.servers._running):
        bench.servers.stop(name)
    assert gone(list(set(psutil.Process().children()) - others))
    bench.channel.close()


def test_what_is_written_comes_back(bench: Bench) -> None:
    bench.start("cat")
    bench.servers.write("a", b"one\n")
    assert bench.next()["data"] == b"one\n"
    large = b"x" * 1_000_000 + b"\n"
    bench.servers.write("a", large)
    found = b""
    while len(found) < len(large):
        found += bench.next()["data"]
    assert found == large
    bench.servers.stop("a")
    assert bench.output() == b""


def test_the_environment_and_the_folder(bench: Bench, tmp_path: Path) -> None:
    bench.start('echo "$SHARED $OWN"; pwd', OWN="it's $1")
    assert bench.output().decode() == f"session it's $1\n{tmp_path}\n"


def test_the_last_words(bench: Bench) -> None:
    bench.start("for i in $(seq 3000); do echo $i >&2; done; echo 'the reason' >&2")
    message = bench.next()
    assert message["data"] == b""
    assert message["last_words"].endswith("2999\n3000\nthe reason\n")
    assert len(message["last_words"]) <= mcp_servers.LAST_WORDS_BYTES


def test_a_command_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(FileNotFoundError):
        bench.servers.start("reader", "a", "no-such-command-x", [], {})
    with pytest.raises(KeyError):
        bench.servers.write("a", b"")
    bench.servers.stop("a")


@pytest.mark.parametrize("script", ["trap '' TERM; while :; do sleep 1000; done", "exec sleep 1000"])
def test_a_server_that_does_not_end_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(mcp_servers, "END_TIMEOUT_S", 0.05)
    bench.start(f"echo ready; {script}")
    assert bench.next()["data"] == b"ready\n"
    bench.servers.write("a", b"x" * 1_000_000)  # it reads nothing
    bench.servers.stop("a")
    assert bench.output() == b""


def test_several_servers_and_the_end_of_a_reader(bench: Bench) -> None:
    for name in ("a", "b"):
        bench.start("cat", name)
        bench.servers.write(name, name.encode())
        message = bench.next()
        assert (message["server"], message["data"]) == (name, name.encode())
    bench.servers.leave("reader")
    assert bench.next() == {"reader": "reader", "server": None}


def test_through_the_walls(session: LocalSession) -> None:
    def ask(operation: str, **args: Any) -> Any:
        answer = session.control(operation, server="s", **args)
        assert "error" not in answer, answer
        return answer["result"]

    ask("mcp_start", reader="r", command="sh", args=["-c", "pwd; cat"], env={})
    assert wire.unpack(session.actor.receive("r"))["data"].decode().strip() == session.output("pwd")
    ask("mcp_write", data=b"x")
    assert wire.unpack(session.actor.receive("r"))["data"] == b"x"
    ask("mcp_stop")
    assert wire.unpack(session.actor.receive("r"))["data"] == b""
    refused = session.control("mcp_start", reader="r", server="s", command="no-such-x", args=[], env={})
    assert refused["type"] == "FileNotFoundError"


def test_a_receiver_is_told_that_the_session_has_ended(isolation: str) -> None:
    session = LocalSession(isolation)
    session.close()
    with pytest.raises(SessionLostError):
        session.actor.receive("r")
