"""The VSCode server of a session: started with it, reached with its token, gone with it.

The real server is not on this machine; a program stands in for it that takes the same options and says the same line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from support import LocalSession, below, gone

from openhands_ray.worker import vscode

STAND_IN = f"""#!{sys.executable}
import argparse, http.server, os, socketserver
parser = argparse.ArgumentParser()
for name in ("--host", "--port", "--connection-token"):
    parser.add_argument(name, required=True)
parser.add_argument("--disable-workspace-trust", action="store_true")
options = parser.parse_args()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if options.connection_token in self.path else 403)
        self.end_headers()
        self.wfile.write(os.getcwd().encode())
    def log_message(self, *_): pass
class Server(socketserver.TCPServer):  # HTTPServer would ask for its name
    allow_reuse_address = True  # as node does: the last one may have left connections that wait for their end
server = Server((options.host, int(options.port)), Handler)
print("Server bound to", options.host, flush=True)
print("Web UI available at http://localhost:" + options.port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "server/bin/openvscode-server"
    path.parent.mkdir(parents=True)
    path.write_text(STAND_IN)
    path.chmod(0o755)
    monkeypatch.setattr(vscode, "SERVER", str(path))
    return path


def address(session: LocalSession) -> Any:
    return session.control("vscode")["result"]


def address_in_time(session: LocalSession) -> Any:
    """Ask again where a busy machine has not started it within the time that one question waits."""
    found = next(filter(None, (address(session) for _ in range(3))), None)
    assert found is not None
    return found


def test_it_is_started_with_the_session_and_ends_with_it(isolation: str, server: Path) -> None:
    session = LocalSession(isolation, vscode=True)
    found = address_in_time(session)
    assert found == address(session)
    url = f"http://127.0.0.1:{found['port']}/"
    assert httpx.get(url, params={"tkn": "wrong"}).status_code == 403
    answer = httpx.get(url, params={"tkn": found["token"]})
    assert (answer.status_code, answer.text) == (200, found["folder"])
    assert found["folder"] == session.output("cd; cd - >/dev/null; pwd")
    settings = json.loads(session.output("cat .vscode/settings.json"))
    assert settings == json.loads((_upstream() / "settings.json").read_text("utf-8"))
    processes = below(session.actor.info()["executor_pid"])
    session.close()
    assert gone(processes)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def _upstream() -> Path:
    from importlib.util import find_spec

    spec = find_spec("openhands")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "runtime/plugins/vscode")


def test_one_whose_port_was_taken_is_started_again(isolation: str, server: Path) -> None:
    stand_in = server.with_name("stand-in")
    server.rename(stand_in)
    failed = "touch failed; echo 'Error: listen EADDRINUSE'; echo '    at Server.listen (node:net)'; exit 1"
    server.write_text(f'#!/bin/sh\n[ -e failed ] || {{ {failed}; }}\nexec {stand_in} "$@"\n')
    server.chmod(0o755)
    session = LocalSession(isolation, vscode=True)
    address_in_time(session)
    assert session.output("ls") == "failed"
    session.close()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("#!/bin/sh\necho 'Error: no'; exit 1\n", "ended before it listened, 3 times: Error: no"),
        ("not a program at all", "could not be started"),
    ],
)
def test_a_server_that_does_not_start(
    isolation: str, server: Path, script: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.write_text(script)
    session = LocalSession(isolation, vscode=True)
    assert address(session) is None
    assert session.output("echo on") == "on"
    session.close()
    assert said in caplog.text


def test_a_server_that_has_died(isolation: str, server: Path) -> None:
    session = LocalSession(isolation, vscode=True)
    address_in_time(session)
    (process,) = [
        each
        for each in psutil.Process(session.actor.info()["executor_pid"]).children(recursive=True)
        if "--connection-token" in each.cmdline()
    ]
    process.kill()
    assert gone([process])
    assert address(session) is None
    session.close()


def test_without_the_binary_or_the_plugin_there_is_none(isolation: str, server: Path) -> None:
    plain = LocalSession(isolation)
    server.unlink()
    without = LocalSession(isolation, vscode=True)
    for session in (plain, without):
        assert address(session) is None
        assert session.output("ls -A") == ""
        session.close()
