"""Scopes of Landlock: sockets and signals do not lead out of a session."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys

import pytest
from support import LocalSession

from openhands_ray.worker.landlock import has_scopes

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not has_scopes(), reason="The kernel's Landlock has no scopes (Linux 6.12)"),
]

_CONNECT = (
    "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1].replace('@', chr(0))); print('connected')"
)


@pytest.fixture(scope="module")
def name() -> str:
    return "@" + secrets.token_hex(8)


def test_an_abstract_socket_of_the_host(session: LocalSession, name: str) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(name.replace("@", "\0"))
        listening.listen()
        command = [sys.executable, "-S", "-c", _CONNECT, name]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "connected\n"
        said = session.output(f'python3 -S -c "{_CONNECT}" {name}')
        assert "PermissionError" in said


def test_abstract_sockets_within_a_session(session: LocalSession) -> None:
    own = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(chr(0) + 'own'); s.listen(); "
    connect = "c = socket.socket(socket.AF_UNIX); c.connect(chr(0) + 'own'); print('connected')"
    assert session.output(f'python3 -S -c "{own}{connect}"') == "connected"


def test_a_plain_process_signals_and_reads_no_other(isolation: str, session: LocalSession) -> None:
    pid = os.getpid()
    assert session.run(f"kill -0 {pid}")["extras"]["metadata"]["exit_code"] == 1
    assert "API_KEY" not in session.output(f"tr '\\0' '\\n' < /proc/{pid}/environ")
    assert "signalled" in session.output("sleep 1000 & kill $! && echo signalled").splitlines()
