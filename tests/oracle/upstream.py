"""OpenHands' own executor as the oracle: what runs in its Docker image, behind the walls of one of our sandboxes.

There its ``/workspace`` is mounted as ours is, so that both sides can be asked the same actions, with the same paths.
As a program (``python upstream.py FD``) this is the inside: it serves actions over an inherited socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

Answer = dict[str, Any]

# What OpenHands' LocalRuntime gives its server where there is no image around it.
_ENVIRONMENT = {
    "LOCAL_RUNTIME_MODE": "1",
    "OPENHANDS_REPO_PATH": "/workspace",
    "SU_TO_USER": "false",
    "LOG_LEVEL": "ERROR",
    "LOG_TO_FILE": "false",
    "PYTHONWARNINGS": "ignore",
    "PYTHONDONTWRITEBYTECODE": "1",
    "RUNTIME": "local",
    "PLAYWRIGHT_BROWSERS_PATH": "/run/browsers",
    "BROWSERGYM_DOWNLOAD_DIR": "/workspace/.downloads",  # where the executor looks for them
}


class Upstream:
    """A process that answers actions as OpenHands does; ``fresh()`` gives it a new session."""

    def __init__(self) -> None:
        """Start it; importing OpenHands takes some ten seconds."""
        from openhands_ray import wire
        from openhands_ray.worker.actor import CODE
        from openhands_ray.worker.sandbox import Sandbox
        from openhands_ray.worker.volumes import Volume

        self._wire = wire
        root = Path(tempfile.mkdtemp(prefix="oracle-"))
        self._folder = root
        volumes = [Volume(str(HERE), str(HERE), writable=False)]
        self._sandbox = Sandbox(root / "session", "/workspace", "sandbox", volumes)
        self._sandbox.create()
        self._channel, theirs = socket.socketpair()
        argv = [sys.executable, str(HERE / "upstream.py"), str(theirs.fileno())]
        self._process = subprocess.Popen(
            self._sandbox.wrap(argv, CODE),
            env={**self._sandbox.environment(), **_ENVIRONMENT, "PYTHONPATH": str(CODE.parent)},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        theirs.close()

    def fresh(
        self, plugins: tuple[str, ...], files: dict[str, bytes], no_change_timeout_s: int, browser: bool = False
    ) -> None:
        """End the session, if there is one, with all of its processes and files, and start another."""
        request = {"plugins": plugins, "files": files, "no_change_timeout_s": no_change_timeout_s, "browser": browser}
        self._ask({"fresh": request})

    def act(self, action: dict[str, Any]) -> Answer:
        """Return the observation as ``event_to_dict`` writes it, or ``{"raised": ..}`` where the executor raised."""
        return self._ask({"act": action})

    def _ask(self, request: dict[str, Any]) -> Answer:
        self._wire.send_frame(self._channel, self._wire.pack(request))
        return self._wire.unpack(self._wire.receive_frame(self._channel))

    def close(self) -> None:
        self._channel.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._sandbox.remove()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Session:
    """The inside: one ``ActionExecutor`` at a time."""

    def __init__(self) -> None:
        self._executor: Any = None

    async def fresh(
        self, plugins: list[str], files: dict[str, bytes], no_change_timeout_s: int, browser: bool
    ) -> Answer:
        from openhands.runtime.action_execution_server import ActionExecutor
        from openhands.runtime.plugins import ALL_PLUGINS

        _let_output_win()
        self._end()
        for name, content in files.items():
            path = Path("/workspace", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        os.environ["NO_CHANGE_TIMEOUT_SECONDS"] = str(no_change_timeout_s)
        os.chdir("/workspace")
        loaded = [ALL_PLUGINS[name]() for name in plugins]
        if browser:
            await asyncio.to_thread(_provide_browser)
        self._executor = ActionExecutor(loaded, "/workspace", "root", 0, browser, browsergym_eval_env=None)
        await self._executor.ainit()
        await self._executor.browser_init_task
        await self._settle()
        return {"ready": True}

    async def _settle(self) -> None:
        """Run commands whose answers do not count: the first depend on how fast tmux has cleared its screen."""
        from openhands.events.action import CmdRunAction

        for _ in range(2):
            await self._executor.run_action(CmdRunAction("true"))

    def _end(self) -> None:
        if self._executor is None:
            return
        with contextlib.suppress(Exception):  # it may have lost its shell
            self._executor.close()
        self._executor = None
        _kill_the_others()
        for folder in ("/workspace", "/tmp", os.environ["HOME"]):
            _empty(Path(folder))

    async def act(self, action: dict[str, Any]) -> Answer:
        from openhands.events.serialization import event_from_dict, event_to_dict

        try:
            answer: Answer = event_to_dict(await self._executor.run_action(event_from_dict(action)))
        except Exception as error:  # OpenHands' server answers it with "Internal server error", and the client raises
            return {"raised": f"{type(error).__name__}: {error}"}
        return answer


def _let_output_win() -> None:
    """Have what ends a cell come after all that belongs to it.

    The output and the answer come from two sockets, in either order, and OpenHands stops reading at the answer: what a
    cell printed is lost now and then. And the kernel drops a cell that comes too soon after an error, which OpenHands
    takes for one without output. A recording is of the times when neither happens.
    """
    from openhands.runtime.plugins.jupyter import execute_server
    from tornado.websocket import websocket_connect

    async def connect(request: Any) -> Any:
        channel: Any = await websocket_connect(request)
        channel.read_message = _end_last(channel.read_message)
        channel.write_message = _without_dropping(channel.write_message)
        return channel

    execute_server.websocket_connect = connect


def _end_last(read: Callable[[], Awaitable[str | None]]) -> Callable[[], Awaitable[str | None]]:
    """Return ``read`` with each answer or error held back until the kernel says that it is idle after that cell."""
    ends: dict[str, tuple[str, str]] = {}
    idle: set[str] = set()

    async def read_message() -> str | None:
        while True:
            text = await read()
            if text is None:
                return None
            message = json.loads(text)
            kind, cell = message["msg_type"], message["parent_header"].get("msg_id")
            if kind in ("error", "execute_reply"):
                if kind == "error" or cell not in ends:
                    ends[cell] = kind, text
            elif message["content"].get("execution_state") == "idle":
                idle.add(cell)
            elif ends.get(cell, ("", ""))[0] != "error":
                return text
            if cell in ends and cell in idle:
                return ends.pop(cell)[1]

    return read_message


def _without_dropping(write: Callable[[str], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
    """Return ``write`` with the kernel told to run what comes after an error."""

    async def write_message(text: str) -> None:
        message = json.loads(text)
        message["content"]["stop_on_error"] = False
        await write(json.dumps(message))

    return write_message


def _provide_browser() -> None:
    """Give Playwright the system's Chromium, under the names that it looks for, and start the file viewer."""
    from openhands.runtime.file_viewer_server import start_file_viewer_server
    from openhands.runtime.utils import find_available_tcp_port
    from playwright.sync_api import Error, sync_playwright

    start_file_viewer_server(find_available_tcp_port(42000, 42999))
    folder = os.environ["PLAYWRIGHT_BROWSERS_PATH"]
    with sync_playwright() as playwright:
        names = [playwright.chromium.executable_path]
        try:
            playwright.chromium.launch().close()
        except Error as error:  # it says where it looked for its headless shell
            names += [word for word in str(error).split() if word.startswith(folder)]
    for name in map(Path, names):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.unlink(missing_ok=True)
        name.symlink_to(shutil.which("chromium") or "chromium")


def _empty(folder: Path) -> None:
    """Remove what is in ``folder``, but for what is mounted below it: the interpreter, these files."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for path in folder.iterdir():
        if any(each == str(path) or each.startswith(f"{path}/") for each in mounted):
            continue
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _kill_the_others() -> None:
    """End every process of this sandbox but this one and its ancestors: a kernel, its gateway, what a shell left."""
    import psutil

    mine = psutil.Process()
    kept = {mine.pid, *(each.pid for each in mine.parents())}
    others = [each for each in psutil.process_iter() if each.pid not in kept]
    for each in others:
        with contextlib.suppress(psutil.Error):
            each.kill()
    psutil.wait_procs(others, timeout=5)


def main() -> None:
    from calm import calm_shell

    from openhands_ray import wire

    calm_shell()
    channel = socket.socket(fileno=int(sys.argv[1]))
    session = _Session()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    while True:
        try:
            request = wire.unpack(wire.receive_frame(channel))
        except EOFError:
            return
        if "fresh" in request:
            answer = loop.run_until_complete(session.fresh(**request["fresh"]))
        else:
            answer = loop.run_until_complete(session.act(request["act"]))
        wire.send_frame(channel, wire.pack(answer))


if __name__ == "__main__":
    main()
