"""The VSCode server of a session, where its node has one."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openhands_ray.worker.ports import free_port

#: Where OpenHands' images have the server.
SERVER = "/openhands/.openvscode-server/bin/openvscode-server"

#: Where OpenHands' runtimes look for its port.
PORTS = range(40000, 50000)

#: How often it is started until it listens.
ATTEMPTS = 3

#: Seconds that a question for its address waits for it.
START_TIMEOUT_S = 20

#: What is in the line that says where it listens. " at " alone, which OpenHands' plugin looks for, is in errors, too.
_LISTENS = b" at http"

#: What OpenHands' plugin writes into the workspace.
SETTINGS = {
    "workbench.colorTheme": "Default Dark Modern",
    "workbench.startupEditor": "none",
    "chat.commandCenter.enabled": False,
}

log = logging.getLogger(__name__)


class VSCode:
    """One server process, which lives as long as the session."""

    def __init__(self, server: str, environment: Mapping[str, str], folder: str) -> None:
        """Start it, and do not wait for it.

        Raises:
            OSError: it cannot be run.
        """
        self._server, self._environment, self._folder = server, dict(environment), folder
        self._token = secrets.token_urlsafe(24)
        self._answered = threading.Event()
        _write_settings(Path(folder, ".vscode"))
        self._start()
        threading.Thread(target=self._listen, name="vscode", daemon=True).start()

    def _start(self) -> None:
        port = free_port(PORTS)
        if port is None:
            raise OSError("no port is free for it")
        self._port = port
        self._process = subprocess.Popen(
            [
                *(self._server, "--host", "0.0.0.0", "--port", str(port)),
                *("--connection-token", self._token, "--disable-workspace-trust"),
            ],
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def address(self) -> dict[str, Any] | None:
        """Return ``port``, ``token`` and ``folder`` when the server is there, or None when it is not, or has ended."""
        if not self._answered.wait(START_TIMEOUT_S):
            log.warning("The VSCode server does not listen after %d s; it may later.", START_TIMEOUT_S)
            return None
        if self._has_ended():
            return None
        return {"port": self._port, "token": self._token, "folder": self._folder}

    def _has_ended(self) -> bool:
        """Whether the server has; ``Popen.poll`` says that it lives while another thread calls it."""
        if self._process.returncode is not None:
            return True
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def _listen(self) -> None:
        """Take what it prints: the line that says where it listens, and all others, so that it never waits.

        One that ends before it listens is started again: somebody may have been quicker to take its port.
        """
        line = b""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._start()
            assert self._process.stdout is not None
            for line in self._process.stdout:
                if _LISTENS in line:
                    self._answered.set()
            # Not Popen.wait: while one thread is in it, poll says to another that the process lives.
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            self._process.poll()
            if self._answered.is_set():
                return
        said = line.decode("utf-8", "replace").strip()
        log.warning("The VSCode server ended before it listened, %d times: %s", ATTEMPTS, said)
        self._answered.set()


def _write_settings(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.json"
    path.write_text(json.dumps(SETTINGS, indent=4) + "\n", encoding="utf-8")
    os.chmod(path, 0o666)
