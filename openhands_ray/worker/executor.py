"""The session itself: a process inside the sandbox that runs every action.

It has four sockets to the actor outside. Actions come one at a time over the first; what must not wait behind a
running action (listing files, copies) comes over the second; what the session sends by itself goes over the third, and
what is logged over the last. When the first closes, the session ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, ClassVar

from openhands_ray import wire
from openhands_ray.worker import interpreter, observations
from openhands_ray.worker.bash import BashSession, ShellError
from openhands_ray.worker.browser import Browser
from openhands_ray.worker.editor import Editor
from openhands_ray.worker.files import Files
from openhands_ray.worker.freezer import Freezer
from openhands_ray.worker.heap import keep_freed_memory
from openhands_ray.worker.ipython import IPython
from openhands_ray.worker.landlock import enter_scope
from openhands_ray.worker.limits import Limits, confine
from openhands_ray.worker.logs import LogSender
from openhands_ray.worker.mcp_servers import Servers
from openhands_ray.worker.observations import Observation
from openhands_ray.worker.orphans import Gravedigger, adopt
from openhands_ray.worker.paths import Paths
from openhands_ray.worker.prctl import SET_DUMPABLE, prctl
from openhands_ray.worker.stream import OutputStream
from openhands_ray.worker.transfer import Transfers
from openhands_ray.worker.viewer import FileViewer
from openhands_ray.worker.vscode import VSCode
from openhands_ray.worker.watcher import Watcher, end_all

#: Seconds that the shell, the kernel and the browser have to end before the whole session is.
CLOSE_TIMEOUT_S = 2

log = logging.getLogger(__name__)


class Executor:
    """One method per action; each answers with the observation that OpenHands would give."""

    def __init__(self, start: wire.Message, letters: socket.socket) -> None:
        """Start the shell.

        Args:
            start: ``workspace`` (its name), ``folder`` (where it is), ``environment``, ``downloads``,
                ``no_change_timeout_s``, ``kernel`` (whether cells can be run; it starts in the background), ``skills``
                (whether with OpenHands' AgentSkills), ``browser`` (whether Chromium starts now, in the background),
                ``vscode`` (the server to start, or None), ``confined`` (whether the session has a process namespace of
                its own), ``rlimits`` and ``watched`` (limits by name).
            letters: where what the session sends by itself goes.

        Raises:
            ShellError: the shell could not be started.
        """
        self._environment: dict[str, str] = start["environment"]
        self._confined: bool = start.get("confined", False)
        self._limits: dict[str, int] = start.get("watched", {})
        confine(start.get("rlimits", {}))
        self._watcher = Watcher(self._limits, confined=self._confined)
        self._paths = Paths(start["workspace"], start["folder"])
        self._no_change_timeout_s = float(start["no_change_timeout_s"])
        self._stream = OutputStream()
        self._shell = self._new_shell(self._paths.folder)
        self._gravedigger = Gravedigger(lambda: self._shell.pid)
        self._gravedigger.start()
        self._editor = Editor(self._paths)
        self._files = Files(self._paths, self._editor)
        interpreter.create(self._environment["HOME"])
        self._ipython: IPython | None = None
        self._transfers = Transfers(self._paths)
        self._servers = Servers(letters, self._environment, self._paths.folder)
        self._freezer = Freezer()
        self._vscode = self._new_vscode(start.get("vscode"))
        self._browser = Browser(self._paths.folder, os.path.join(self._paths.folder, ".downloads"))
        self._viewer = FileViewer(self._paths, os.path.join(self._environment.get("TMPDIR", "/tmp"), "oh-server-url"))
        if start.get("browser"):
            self._browser.start_in_background()
        if start["kernel"]:
            with_skills = start.get("skills", False)
            self._ipython = IPython(self._environment, self._paths.folder, with_skills=with_skills)
            self._ipython.start_in_background()

    def _new_shell(self, cwd: str) -> BashSession:
        timeout_s = self._no_change_timeout_s
        return BashSession(cwd, self._environment, no_change_timeout_s=timeout_s, stream=self._stream)

    def _new_vscode(self, server: str | None) -> VSCode | None:
        if server is None:
            return None
        try:
            return VSCode(server, self._environment, self._paths.folder)
        except OSError as error:
            log.warning("The VSCode server could not be started: %s", error)
            return None

    def answer(self, action: wire.Message) -> wire.Message:
        """Run one action and return what is sent back: its observation, or that the session is paused."""
        if self._freezer.paused:
            return {"paused": True}
        observation = self.act(action)
        notes = [Limits.exceeded(limit, self._limits[limit]) for limit in self._watcher.news()]
        return {"observation": observations.noted(observation, notes)}

    def act(self, action: wire.Message) -> Observation:
        """Run one action: the dict of OpenHands' ``event_to_dict``."""
        kind, args, timeout_s = action.get("action"), action.get("args"), action.get("timeout")
        method = self._ACTIONS.get(str(kind))
        if method is None or not isinstance(args, dict):
            return observations.error(
                f"Action {kind} is not supported in the current runtime.", "AGENT_ERROR$BAD_ACTION"
            )
        try:
            return method(self, args, timeout_s)
        except Exception as error:  # whatever it is, the session answers and goes on
            log.debug("The action %s failed: %s", kind, traceback.format_exc())
            return observations.error(f"{type(error).__name__}: {error}")

    def run(self, args: dict[str, Any], timeout_s: float | None) -> Observation:
        if not args.get("is_static"):
            return self._shell.execute(args, timeout_s)
        folder = os.path.join(self._paths.folder, self._paths.real(args.get("cwd") or "."))
        shell = self._new_shell(folder if os.path.isdir(folder) else self._paths.folder)
        try:
            return shell.execute(args, timeout_s)
        finally:
            shell.close()

    def run_ipython(self, args: dict[str, Any], timeout_s: float | None) -> Observation:
        if self._ipython is None:
            return observations.error("JupyterRequirement not found. Unable to run IPython action.")
        return self._ipython.execute(args, self._shell.cwd, timeout_s)

    def read(self, args: dict[str, Any], timeout_s: float | None) -> Observation:
        return self._files.read(args, self._shell.cwd)

    def write(self, args: dict[str, Any], timeout_s: float | None) -> Observation:
        return self._files.write(args, self._shell.cwd)

    def edit(self, args: dict[str, Any], timeout_s: float | None) -> Observation:
        return self._editor.edit(args)

    def browse(self, args: dict[str, Any], timeout_s: float | None) -> Observation:
        return self._browser.execute("browse", args)

    def browse_interactive(self, args: dict[str, Any], timeout_s: float | None) -> Observation:
        return self._browser.execute("browse_interactive", args)

    _ACTIONS: ClassVar[dict[str, Callable[[Executor, dict[str, Any], float | None], Observation]]] = {
        method.__name__: method for method in (run, run_ipython, read, write, edit, browse, browse_interactive)
    }

    def control(self, request: wire.Message) -> Any:
        """Answer a request that does not wait behind the running action.

        Raises:
            ValueError: there is no such request.
        """
        operation, args = request.get("operation"), request.get("args", {})
        operations: dict[str, Callable[..., Any]] = {
            "list": self._files.list,
            "shell_output": self._stream.take,
            **self._transfers.operations(),
            **self._servers.operations(),
            "add_environment": self._add_environment,
            "vscode": lambda: None if self._vscode is None else self._vscode.address(),
            "bury": self._gravedigger.bury,
            "end_processes": self._end_processes,
            "pause": self._freezer.pause,
            "resume": self._freezer.resume,
        }
        method = operations.get(str(operation))
        if method is None:
            raise ValueError(f"There is no request {operation!r}.")
        return method(**args)

    def _add_environment(self, environment: dict[str, str]) -> None:
        """Set variables in the kernel, where there is one."""
        if self._ipython is not None:
            self._ipython.add_environment(environment)

    def _end_processes(self) -> None:
        """End every process of the session; the next action starts its shell, or its kernel, anew."""
        end_all(confined=self._confined)
        self._gravedigger.bury()

    def close(self) -> None:
        """End every process that the session started, however it detached itself."""
        self._transfers.close()
        end_all(confined=self._confined)


def main() -> None:
    """Serve the sockets whose descriptors are the arguments, until the first closes."""
    for fd in sys.argv[1:]:
        os.set_inheritable(int(fd), False)  # the last is held, and no more: its end tells that this process has gone
    actions, controls, letters, logs = (socket.socket(fileno=int(fd)) for fd in sys.argv[1:5])
    _default_signals()
    adopt()
    _leave_the_error_stream()
    enter_scope()
    keep_freed_memory()
    try:
        start = wire.unpack(wire.receive_frame(actions))
        _log_to(logs, start.get("log_level", logging.WARNING))
        if start.get("confined"):
            _close_to_the_session()
        executor = Executor(start, letters)
    except (ShellError, OSError, KeyError) as error:
        wire.send_frame(actions, wire.pack({"error": str(error)}))
        return
    wire.send_frame(actions, wire.pack({"ready": os.getpid()}))
    controller = threading.Thread(target=_serve_controls, args=(executor, controls))
    controller.start()
    _serve(actions, executor.answer)
    controller.join()


def _default_signals() -> None:
    """Undo what the actor blocks (Ray's threads block SIGINT) or ignores: the session's processes would inherit it."""
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    for signum in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, lambda *_: None)  # a handler, and not SIG_IGN, goes at exec


def _log_to(channel: socket.socket, level: int) -> None:
    root = logging.getLogger()
    root.addHandler(LogSender(channel, level))
    root.setLevel(level)


def _leave_the_error_stream() -> None:
    """Let go of the file that says why an executor does not start: a session could fill the node's disk with it."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)


def _close_to_the_session() -> None:
    """Let nothing that the session runs look into this process, or open what it has open.

    What holds the pipe of a program that is being started could keep it from ever being so. The node's user still may,
    who owns the namespace; without one there are no walls, and he would be shut out too.
    """
    prctl(SET_DUMPABLE, 0)


def _serve_controls(executor: Executor, channel: socket.socket) -> None:
    """Answer what does not wait behind an action; when the actor has gone, end the session, whatever it is doing."""

    def answer(request: wire.Message) -> wire.Message:
        try:
            return {"result": executor.control(request)}
        except Exception as error:  # whatever it is, this thread answers and goes on
            return {"error": str(error), "type": type(error).__name__}

    _serve(channel, answer)
    with contextlib.suppress(RuntimeError):  # the session is at its limit of processes, and threads count
        threading.Timer(CLOSE_TIMEOUT_S, os._exit, args=(1,)).start()
    executor.close()
    os._exit(0)


def _serve(channel: socket.socket, answer: Callable[[wire.Message], wire.Message]) -> None:
    while True:
        try:
            # No name for the frame: a large one would stay in memory until the next.
            wire.send_frame(channel, wire.pack(answer(wire.unpack(wire.receive_frame(channel)))))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
