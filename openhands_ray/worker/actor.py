"""The Ray actor of a session: starts one executor in its sandbox, relays to it, and ends it.

It opens no path that a session named; it only passes frames. The class is plain: ``ray.remote`` is applied where the
cluster is known, so that all of this runs without Ray too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

import openhands_ray
from openhands_ray import wire
from openhands_ray.errors import SessionLostError, SessionStartError
from openhands_ray.memory import unique_bytes
from openhands_ray.worker import cgroup, observations, vscode
from openhands_ray.worker.activity import Activity
from openhands_ray.worker.heap import keep_freed_memory
from openhands_ray.worker.limits import Limits, hold
from openhands_ray.worker.logs import LogReceiver
from openhands_ray.worker.logs import channel as log_channel
from openhands_ray.worker.mailbox import Mailbox
from openhands_ray.worker.ports import application_ports
from openhands_ray.worker.sandbox import (
    Isolation,
    Sandbox,
    executor_argv,
    executor_environment,
    sandbox_problem,
)
from openhands_ray.worker.telemetry import Telemetry
from openhands_ray.worker.volumes import Volume

#: The package that runs here; the executor runs exactly the same files.
CODE = Path(openhands_ray.__file__).parent

#: Seconds that an executor has to end by itself after its socket closed, before it is killed.
CLOSE_TIMEOUT_S = 3

log = logging.getLogger(__name__)


class SessionActor:
    """One session. Method calls that Ray makes at the same time are answered side by side."""

    def __init__(self, spec: dict[str, Any], telemetry: Telemetry | None = None) -> None:
        """Start the executor and wait until its shell is ready.

        Args:
            spec: ``sid``, ``workspace``, ``isolation`` (``"sandbox"``, ``"process"`` or None for the strongest that
                works), ``volumes`` (dicts of a ``Volume``'s fields), ``environment`` (of the session,
                beside its own), ``no_change_timeout_s``, ``kernel`` and ``skills`` (the plugins of these names),
                ``browser`` (whether it starts now, and not when it is needed), ``vscode`` (whether there is to be its
                server, where the node has one), ``limits`` (a dict of the
                fields of ``Limits``), ``network`` (``"host"`` or ``"none"``), ``cgroup`` (the control group below which
                those of sessions are made, or None), ``ahead`` (whether it is started ahead of need) and
                ``idle_limit_s`` (seconds without an action after which it ends, 0 for never).
            telemetry: whom to tell what it does. None: nobody.

        Raises:
            SessionStartError: the sandbox or the shell could not be started, or nothing on this node holds a limit
                that is asked for; nothing is left of it.
        """
        self._placed_at = time.time()
        self._telemetry = telemetry or Telemetry()
        self._telemetry.begin()
        keep_freed_memory()
        isolation = _isolation(spec["isolation"])
        network = spec.get("network", "host") == "host"
        if isolation == "process" and not network:
            raise SessionStartError(
                spec["sid"], "a session without network needs a sandbox, and this one is a plain process"
            )
        places, self._cgroup_problem = cgroup.places(spec.get("cgroup"))
        self._limits = Limits(**spec.get("limits", {}))
        try:
            self._held = hold(
                self._limits, sandboxed=isolation == "sandbox", controllers=places, problem=self._cgroup_problem
            )
        except OSError as error:
            raise SessionStartError(spec["sid"], str(error)) from None
        root = Path(tempfile.gettempdir(), f"openhands-ray-{os.getuid()}", "sessions", secrets.token_hex(8))
        wants_vscode = spec.get("vscode") and network
        self._vscode = vscode.SERVER if wants_vscode and os.access(vscode.SERVER, os.X_OK) else None
        self._ports = application_ports() if network else []
        volumes = [Volume(**each) for each in spec["volumes"]]
        if self._vscode is not None and isolation == "sandbox":
            folder = str(Path(self._vscode).parents[1])
            volumes.append(Volume(folder, folder, writable=False))
        self._sandbox = Sandbox(root, spec["workspace"], isolation, volumes, network, self._held.disk_bytes)
        self._group: cgroup.ControlGroup | None = None
        self._action_lock, self._control_lock = threading.Lock(), threading.Lock()
        self._activity = Activity()
        self._ahead = bool(spec.get("ahead"))
        self._process: subprocess.Popen[bytes] | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the session)
        try:
            self._sandbox.create()
            if self._held.group:
                self._group = cgroup.ControlGroup(self._held.group, places)
            self._start(spec)
        except (OSError, EOFError) as error:
            reason = self._last_words() or str(error)
            self.close()
            raise SessionStartError(spec["sid"], reason) from None
        except SessionStartError:
            self.close()
            raise
        if limit_s := spec.get("idle_limit_s"):
            self._activity.when_idle_for(limit_s, self._end)
        self._telemetry.watch(self.status)

    def _start(self, spec: dict[str, Any]) -> None:
        (self._actions, theirs), (self._controls, their_controls) = socket.socketpair(), socket.socketpair()
        (self._letters, their_letters), (self._logs, their_logs) = socket.socketpair(), log_channel()
        self._mailbox = Mailbox(self._letters)
        LogReceiver(self._logs)
        ending, lifeline = os.pipe()
        ends = (theirs, their_controls, their_letters, their_logs)
        fds = (*(each.fileno() for each in ends), lifeline)
        environment = {**self._sandbox.environment(), **spec["environment"]}
        argv = self._sandbox.wrap(executor_argv(fds, CODE), CODE)
        self._process = subprocess.Popen(
            argv if self._group is None else self._group.enter(argv),
            env=executor_environment(environment),
            cwd="/",
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,
        )
        self._sandbox.remove_at_the_end_of(ending, [] if self._group is None else self._group.folders)
        for fd in (ending, lifeline):
            os.close(fd)
        for channel in ends:
            channel.close()
        start = {
            "workspace": self._sandbox.workspace,
            "folder": self._sandbox.folder,
            "environment": environment,
            "no_change_timeout_s": spec["no_change_timeout_s"],
            "kernel": spec["kernel"],
            "skills": spec.get("skills", False),
            "browser": spec.get("browser", False),
            "vscode": self._vscode,
            "confined": self._sandbox.isolation == "sandbox",
            "rlimits": self._held.rlimits,
            "watched": self._held.watched,
            "log_level": log.getEffectiveLevel(),
        }
        wire.send_frame(self._actions, wire.pack(start))
        answer = wire.unpack(wire.receive_frame(self._actions))
        if "ready" not in answer:
            raise SessionStartError(spec["sid"], str(answer.get("error")))

    def _last_words(self) -> str:
        """Return the last line that the executor, or bubblewrap before it, had to say."""
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip()
        return said.splitlines()[-1] if said else ""

    def act(self, request: bytes) -> bytes:
        """Relay an action and wait for its observation.

        Raises:
            SessionLostError: the executor has ended; the action may have run.
        """
        kind = str(wire.peek(request, "action"))
        try:
            with self._activity.of(kind):
                answer = self._relay(self._actions, self._action_lock, request)
        except SessionLostError as error:
            log.error("%s The action was %s.", error, kind)
            raise SessionLostError(" ".join([str(error), *self._news()])) from None
        news = self._news()
        return observations.with_notes(answer, news) if news else answer

    def _news(self) -> list[str]:
        """Return what the kernel did since the last action because of a limit, in words."""
        if self._group is None:
            return []
        news = self._group.news()
        notes = [self._limits.exceeded(limit, self._held.group[limit]) for limit in news]
        for note in notes:
            log.warning("%s", note)
        with contextlib.suppress(SessionLostError):
            if "processes" in news and self._is_full():  # nothing could run any more, not even what would end them
                self.control(wire.pack({"operation": "end_processes"}))
                notes.append("They were still there after the action, so all processes of the session were ended.")
        return notes

    def _is_full(self) -> bool:
        """Return whether it has all the processes that it may have, the dead that nobody waits for not counted."""
        if self._group is None or not self._group.full:
            return False
        self.control(wire.pack({"operation": "bury"}))
        return self._group.full

    def control(self, request: bytes) -> bytes:
        """Relay a request that does not wait behind the running action.

        Raises:
            SessionLostError: the executor has ended.
        """
        operation = wire.peek(request, "operation")
        with self._activity.of():
            answer = self._relay(self._controls, self._control_lock, request)
        if operation in ("pause", "resume") and "error" not in wire.unpack(answer):
            self._activity.paused = operation == "pause"
        return answer

    def receive(self, reader: str) -> bytes:
        """Wait for the next message that the session sends to this reader by itself.

        Raises:
            SessionLostError: the session has ended.
        """
        return self._mailbox.receive(reader)

    def _relay(self, channel: socket.socket, lock: threading.Lock, request: bytes) -> bytes:
        with lock:
            try:
                wire.send_frame(channel, request)
            except OSError:
                raise SessionLostError("The session has ended. The request was not run.") from None
            try:
                return wire.receive_frame(channel)
            except (EOFError, OSError):
                raise SessionLostError(
                    "The session's process ended while it ran the request, which may have had an effect. "
                    "The shell's and the kernel's state are lost."
                ) from None

    def welcome(self, sid: str) -> dict[str, Any]:
        """Give the session its id; return its ``info``, and ``placed_at``: when its actor began, seconds since 1970."""
        self._telemetry.name(sid)
        log.info("The session begins (%s).", self._sandbox.isolation)
        return {**self.info(), "placed_at": self._placed_at}

    def info(self) -> dict[str, Any]:
        """Return what this session is: its processes, its walls, and the code that it runs."""
        return {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "ports": self._ports,
            "executor_pid": None if self._process is None else self._process.pid,
            "alive": self._process is not None and self._process.poll() is None,
            "isolation": self._sandbox.isolation,
            "sandbox_problem": sandbox_problem(),
            "network": "host" if self._sandbox.network else "none",
            "limits": self._held.description(),
            "limits_missing": list(self._held.missing),
            "limits_problem": self._cgroup_problem,
            "version": openhands_ray.__version__,
            "code": str(CODE),
        }

    def status(self) -> dict[str, Any]:
        """Return what the session is doing, as ``Activity.status``, its ``memory_bytes`` and whether it was ``ahead``.

        Memory is the unique set size (USS) of the actor and all below it.

        Raises:
            SessionLostError: the executor has ended.
        """
        if self._process is None or self._process.poll() is not None:
            raise SessionLostError("The session has ended: its process is not there any more.")
        this = psutil.Process()
        memory_bytes = unique_bytes([this, *this.children(recursive=True)])
        return {**self._activity.status(), "memory_bytes": memory_bytes, "ahead": self._ahead}

    def _end(self) -> None:
        """End the session, and the actor with it."""
        log.warning("The session has had no action for %.0f seconds, and ends.", self._activity.idle_s())
        self.close()
        os.kill(os.getpid(), signal.SIGTERM)  # Ray ends its worker, and tells all who ask that it has gone

    def close(self) -> None:
        """End the session: its processes and its folders. Idempotent."""
        self._activity.end()
        self._telemetry.end()
        process, self._process = self._process, None
        if process is not None:
            for channel in (self._actions, self._controls, self._letters, self._logs):
                with contextlib.suppress(OSError):
                    channel.shutdown(socket.SHUT_RDWR)
            try:
                process.wait(CLOSE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self._group is not None:
            self._group.remove()
        self._sandbox.remove()


def _isolation(wanted: Isolation | None) -> Isolation:
    problem = sandbox_problem()
    if wanted == "sandbox" and problem is not None:
        raise SessionStartError("", f"isolation='sandbox' was asked for, but {problem}.")
    if wanted is not None:
        return wanted
    return "sandbox" if problem is None else "process"
