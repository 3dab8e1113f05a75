"""The Jupyter kernel of a session.

The kernel's sockets are files in the session's own ``/tmp``, where no other session can reach them. A cell is done when
the kernel says that it is idle, after all of the cell's output; the thread sleeps on the sockets and on the kernel's
process until then.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openhands_ray.worker import observations
from openhands_ray.worker.observations import Observation

if TYPE_CHECKING:
    import zmq
    from jupyter_client.manager import KernelManager

#: Seconds that a cell may take where the action says nothing. From OpenHands' JupyterKernel.
CELL_TIMEOUT_S = 120

#: Seconds that a kernel may take until it answers.
START_TIMEOUT_S = 60

#: Seconds that an interrupted kernel has to become idle, before it is killed.
INTERRUPT_GRACE_S = 5

# OpenHands strips colours of at most three parts, and nothing else.
_COLOUR = re.compile(r"\x1b\[\d+(;\d+){0,2}m")


class KernelError(Exception):
    """The kernel could not be started, or died."""


@dataclass
class _Output:
    """What a cell printed, showed and raised."""

    texts: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)

    def add(self, kind: str, content: Mapping[str, Any]) -> None:
        if kind == "stream":
            self.texts.append(content["text"])
        elif kind == "error":
            self.texts.append("\n".join(content["traceback"]))
        elif kind in ("execute_result", "display_data"):
            data = content["data"]
            self.texts.append(data.get("text/plain", ""))
            if "image/png" in data:
                self.images.append("data:image/png;base64," + data["image/png"].replace("\n", ""))

    @property
    def text(self) -> str:
        return _COLOUR.sub("", "".join(self.texts)) if self.texts else "[Code executed successfully with no output]"


class _Kernel:
    """One kernel process and the sockets to it."""

    def __init__(self, env: Mapping[str, str], cwd: str) -> None:
        from jupyter_client.manager import KernelManager

        self._folder = tempfile.mkdtemp(prefix="kernel-")
        self.manager: KernelManager = KernelManager(
            transport="ipc",
            ip=str(Path(self._folder, "socket")),
            connection_file=str(Path(self._folder, "connection.json")),
        )
        self.manager.start_kernel(env=dict(env), cwd=cwd)
        self._pidfd = os.pidfd_open(self.pid)
        self._shell: zmq.Socket[bytes] = self.manager.connect_shell()
        self._iopub: zmq.Socket[bytes] = self.manager.connect_iopub()
        self._wait_until_ready()

    @property
    def pid(self) -> int:
        provisioner = self.manager.provisioner
        pid = getattr(provisioner, "pid", None)
        if not isinstance(pid, int):
            raise KernelError("The kernel did not start.")
        return pid

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        # The first messages of the output socket may go before the subscription is there, so ask until one comes.
        while time.monotonic() < deadline:
            request = self.manager.session.send(self._shell, "kernel_info_request", {})
            with contextlib.suppress(TimeoutError):
                self._collect(request, _Output(), time.monotonic() + 1)
                return
        raise KernelError(f"The kernel did not answer within {START_TIMEOUT_S} seconds.")

    def execute(self, code: str, output: _Output, timeout_s: float) -> None:
        """Run a cell.

        Raises:
            TimeoutError: it did not end in time; it is still running.
            KernelError: the kernel died.
        """
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        request = self.manager.session.send(self._shell, "execute_request", content)
        self._collect(request, output, time.monotonic() + timeout_s)

    def _collect(self, request: Mapping[str, Any], output: _Output, deadline: float) -> None:
        """Read until the kernel has both answered ``request`` and become idle after it."""
        import zmq

        poller = zmq.Poller()
        for source in (self._shell, self._iopub, self._pidfd):
            poller.register(source, zmq.POLLIN)
        waiting = {"reply", "idle"}
        while waiting:
            ready = dict(poller.poll(max(0, int((deadline - time.monotonic()) * 1000))))
            if not ready:
                raise TimeoutError
            if self._iopub in ready and self._read_output(request, output):
                waiting.discard("idle")
            elif self._shell in ready and self._read_reply(request):
                waiting.discard("reply")
            elif set(ready) == {self._pidfd}:
                raise KernelError("The kernel died.")

    def _read_output(self, request: Mapping[str, Any], output: _Output) -> bool:
        """Take a message of the output socket; return whether it says that ``request`` is done."""
        _, message = self.manager.session.recv(self._iopub)
        if message is None or message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
            return False
        output.add(message["msg_type"], message["content"])
        return bool(message["msg_type"] == "status" and message["content"]["execution_state"] == "idle")

    def _read_reply(self, request: Mapping[str, Any]) -> bool:
        _, message = self.manager.session.recv(self._shell)
        return message is not None and message["parent_header"].get("msg_id") == request["header"]["msg_id"]

    def interrupt(self) -> bool:
        """Interrupt the running cell; return whether the kernel became idle."""
        os.kill(self.pid, signal.SIGINT)
        request = self.manager.session.send(self._shell, "kernel_info_request", {})
        try:
            self._collect(request, _Output(), time.monotonic() + INTERRUPT_GRACE_S)
        except (TimeoutError, KernelError):
            return False
        return True

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.manager.shutdown_kernel(now=True)
        for socket in (self._shell, self._iopub):
            socket.close(linger=0)
        self.manager.cleanup_resources()
        os.close(self._pidfd)
        shutil.rmtree(self._folder, ignore_errors=True)


class IPython:
    """The cells of a session: one kernel, started when it is first needed or in the background."""

    def __init__(self, env: Mapping[str, str], cwd: str) -> None:
        self._env = dict(env)
        self._new_env: dict[str, str] = {}
        self._start_cwd = cwd
        self._cwd: str | None = None
        self._kernel: _Kernel | None = None
        self._lock = threading.Lock()

    def add_environment(self, environment: Mapping[str, str]) -> None:
        """Set variables in the kernel before its next cell, and in those that come after it; waits for nothing.

        A variable that no environment can hold is left out.
        """
        possible = {name: value for name, value in environment.items() if _is_possible(name, value)}
        self._env = {**self._env, **possible}
        self._new_env = {**self._new_env, **possible}

    def start_in_background(self) -> None:
        """Have the kernel ready before the first cell."""
        threading.Thread(target=self._start_quietly, name="kernel-start", daemon=True).start()

    def _start_quietly(self) -> None:
        # What went wrong is reported by the first cell, which tries again.
        with contextlib.suppress(KernelError, OSError, RuntimeError), self._lock:
            self._ready()

    def _ready(self) -> _Kernel:
        if self._kernel is None:
            self._kernel = _Kernel(self._env, self._start_cwd)
            self._kernel.execute("%colors nocolor", _Output(), START_TIMEOUT_S)
            self._cwd = None
        return self._kernel

    def execute(self, args: Mapping[str, Any], cwd: str, timeout_s: float | None) -> Observation:
        """Answer a ``run_ipython`` action; the cell runs in ``cwd``, the shell's folder."""
        code = str(args["code"])
        output = _Output()
        with self._lock:
            text = self._run(code, output, cwd, timeout_s or CELL_TIMEOUT_S).rstrip()
        if args.get("include_extra", True):
            text += f"\n[Jupyter current working directory: {cwd}]\n[Jupyter Python interpreter: {sys.executable}]"
        return observations.run_ipython(text, code, output.images or None)

    def _run(self, code: str, output: _Output, cwd: str, timeout_s: float) -> str:
        kernel = None
        try:
            kernel = self._ready()
            self._follow(kernel, cwd)
            self._renew_environment(kernel)
            kernel.execute(code, output, timeout_s)
        except TimeoutError:
            return f"[Execution timed out ({timeout_s} seconds).]" + self._stop_cell(kernel)
        except KernelError as error:
            self._discard()
            shown = _COLOUR.sub("", "".join(output.texts))
            return f"{shown}\n[{error} Its variables are lost, files are not; the next cell starts a new one.]".lstrip()
        return output.text

    def _follow(self, kernel: _Kernel, cwd: str) -> None:
        """Change to the shell's folder when that has changed."""
        if self._cwd != cwd:
            kernel.execute(f"import os; os.chdir({cwd!r})", _Output(), START_TIMEOUT_S)
            self._cwd = cwd

    def _renew_environment(self, kernel: _Kernel) -> None:
        new, self._new_env = self._new_env, {}
        if new:
            kernel.execute(f"import os; os.environ.update({new!r})", _Output(), START_TIMEOUT_S)

    def _stop_cell(self, kernel: _Kernel | None) -> str:
        if kernel is None or kernel.interrupt():
            return ""
        self._discard()
        return "\n[The cell could not be interrupted, so its kernel was ended: its variables are lost, files are not.]"

    def _discard(self) -> None:
        kernel, self._kernel = self._kernel, None
        if kernel is not None:
            kernel.close()

    def close(self) -> None:
        """End the kernel. Idempotent."""
        with self._lock:
            self._discard()


def _is_possible(name: str, value: str) -> bool:
    try:
        text = os.fsencode(name) + os.fsencode(value)
    except (UnicodeEncodeError, TypeError):
        return False
    return bool(name) and "=" not in name and b"\0" not in text
