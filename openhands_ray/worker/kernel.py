"""A Jupyter kernel: its process, the sockets to it, and the cell that it runs.

The sockets are files in the session's own ``/tmp``, where no other session can reach them. A thread takes the output
as it comes, also between cells, so that what a thread of the kernel prints then is neither lost nor piles up. A cell is
done when the kernel says that it is idle, after all of the cell's output; who waits for it sleeps until then.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openhands_ray.worker.limits import go_first
from openhands_ray.worker.output import KINDS, UNCOUNTED, Output, RateLimit

if TYPE_CHECKING:
    import zmq
    from jupyter_client.manager import KernelManager

#: Seconds that a kernel may take until it answers.
START_TIMEOUT_S = 60

#: Seconds after which a starting kernel is asked once more whether it is there: the first answers may go before the
#: subscription to them has come.
ASK_AGAIN_S = 0.5

#: Seconds that an interrupted cell has to end, before its kernel counts as stuck.
INTERRUPT_GRACE_S = 5

#: Milliseconds for what a kernel that has died had sent before.
LAST_WORDS_MS = 50

#: Characters that are kept of what is printed between cells: the last ones.
LATE_CHARACTERS = 100_000

log = logging.getLogger(__name__)


class KernelError(Exception):
    """The kernel could not be started."""


class KernelDiedError(KernelError):
    """The kernel ended while it ran a cell.

    Attributes:
        output: what the cell had printed.
    """

    def __init__(self, output: Output) -> None:
        super().__init__("The kernel died.")
        self.output = output


class _Cell:
    """A request to the kernel, and what came of it so far."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.id: str = request["header"]["msg_id"]
        self.output = Output()
        self.ended = threading.Event()  # the kernel is idle after it, or has died


class Kernel:
    """One kernel process. All methods are called by one thread at a time."""

    def __init__(self, python: str, env: Mapping[str, str], cwd: str) -> None:
        """Start it and wait until it can run cells.

        Raises:
            KernelError: it did not start.
        """
        from jupyter_client.manager import KernelManager

        self._folder = tempfile.mkdtemp(prefix="kernel-")
        self._manager: KernelManager = KernelManager(
            transport="ipc",
            ip=str(Path(self._folder, "socket")),
            connection_file=str(Path(self._folder, "connection.json")),
        )
        self._session = self._manager.session
        self._cell: _Cell | None = None  # what runs; also after its time was over
        self._late = Output(LATE_CHARACTERS)
        self._lock = threading.Lock()  # held to change these two
        self._shown: set[str] = set()  # the cells whose output is of interest, also later
        self._interrupted_at: float | None = None  # since when the running cell is to end
        self._dead = False
        self._answered = threading.Event()
        self._start(python, env, cwd)

    def _start(self, python: str, env: Mapping[str, str], cwd: str) -> None:
        kernel_spec = self._manager.kernel_spec
        if kernel_spec is None:
            raise KernelError("There is no Python kernel (ipykernel) on this node.")
        kernel_spec.argv[0] = python
        try:
            self._manager.start_kernel(env=dict(env), cwd=cwd, preexec_fn=go_first)
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise KernelError(f"The kernel could not be started: {error}") from error
        self._pidfd = os.pidfd_open(self.pid)
        self._shell: zmq.Socket[bytes] = self._manager.connect_shell()
        self._iopub: zmq.Socket[bytes] = self._manager.connect_iopub()
        self._reader = threading.Thread(target=self._read, name="kernel-output", daemon=True)
        self._reader.start()
        try:
            self._wait_until_ready()
        except KernelError:
            self.close()
            raise

    @property
    def pid(self) -> int:
        pid = getattr(self._manager.provisioner, "pid", None)
        if not isinstance(pid, int):
            raise KernelError("The kernel did not start.")
        return pid

    @property
    def alive(self) -> bool:
        return not select.select([self._pidfd], [], [], 0)[0]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._dead and time.monotonic() < deadline:
            self._session.send(self._shell, "kernel_info_request", {})
            if self._answered.wait(ASK_AGAIN_S):
                return
        reason = "ended" if self._dead else f"did not answer within {START_TIMEOUT_S} seconds"
        raise KernelError(f"The kernel was started, and {reason}.")

    def execute(self, code: str, deadline: float, *, quiet: bool = False) -> tuple[Output, Mapping[str, Any]]:
        """Run a cell; return its output, and the kernel's reply.

        Args:
            code: what to run.
            deadline: until when, of ``time.monotonic``.
            quiet: whether what it may print later is of no interest.

        Raises:
            TimeoutError: it had not ended by ``deadline``; it is still running.
            KernelDiedError: the kernel died.
        """
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,  # no other cell is ever waiting in the kernel
        }
        request = self._session.msg("execute_request", content)
        cell = _Cell(request)
        with self._lock:
            self._cell = cell
            if not quiet:
                self._shown.add(cell.id)
        if not self._dead:  # from here on its death ends the cell
            try:
                self._session.send(self._shell, request)
            except Exception:  # code that cannot be written down: it was not sent
                self._end(cell.id)
                raise
            self._wait(cell, deadline)
        if self._dead:
            raise KernelDiedError(cell.output)
        return cell.output, self._reply(cell, deadline)

    def _wait(self, cell: _Cell, deadline: float) -> None:
        if not cell.ended.wait(max(0, deadline - time.monotonic())):
            raise TimeoutError

    def _reply(self, cell: _Cell, deadline: float) -> Mapping[str, Any]:
        """Take the reply, which has come, or is on its way."""
        import zmq

        poller = zmq.Poller()
        poller.register(self._shell, zmq.POLLIN)
        poller.register(self._pidfd, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(max(0, int((deadline - time.monotonic()) * 1000))))
            if not ready:
                raise TimeoutError
            if self._shell not in ready:
                raise KernelDiedError(cell.output)
            _, message = self._session.recv(self._shell)
            if message is not None and message["parent_header"].get("msg_id") == cell.id:
                content: Mapping[str, Any] = message["content"]
                return content

    def interrupt(self) -> None:
        """Interrupt the running cell, and the programs that it started."""
        if self._interrupted_at is None:
            self._interrupted_at = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGINT)

    def wait_until_idle(self, deadline: float) -> None:
        """Wait for the end of a cell whose time was over.

        Raises:
            TimeoutError: it had not ended by ``deadline``.
        """
        cell = self._cell
        if cell is not None:
            self._wait(cell, deadline)
        self._interrupted_at = None

    @property
    def stuck(self) -> bool:
        """Whether the running cell has been interrupted, and goes on all the same."""
        return self._interrupted_at is not None and time.monotonic() - self._interrupted_at >= INTERRUPT_GRACE_S

    def take_late_output(self) -> Output:
        """Return what was printed on behalf of earlier cells since the last call."""
        with self._lock:
            late, self._late = self._late, Output(LATE_CHARACTERS)
        return late

    def _read(self) -> None:
        """Take the output until the kernel has ended and all has come. Runs in a thread of its own."""
        import zmq

        poller = zmq.Poller()
        poller.register(self._iopub, zmq.POLLIN)
        poller.register(self._pidfd, zmq.POLLIN)
        session, limit = self._session.clone(), RateLimit()  # what a session has seen is not shared between threads
        while self._iopub in dict(poller.poll()) or self._iopub.poll(LAST_WORDS_MS):
            try:
                _, parts = session.feed_identities(self._iopub.recv_multipart())
                message = session.deserialize(parts)
            except Exception as error:  # code in the kernel can send anything
                log.debug("A message of the kernel cannot be read: %s", error)
                continue
            self._take(message, sum(map(len, parts[1:])), limit)
        with self._lock:
            self._dead = True
            cell, self._cell = self._cell, None
        if cell is not None:
            cell.ended.set()
        self._iopub.close(linger=0)

    def _take(self, message: Mapping[str, Any], size_bytes: int, limit: RateLimit) -> None:
        kind, content, parent = message["msg_type"], message["content"], message["parent_header"].get("msg_id")
        self._answered.set()
        if kind == "status":
            if content.get("execution_state") == "idle":
                limit.reset()
                self._end(parent)
            return
        if kind in UNCOUNTED:
            return
        passes, warning = limit.admit(size_bytes if kind == "stream" else 0, time.monotonic())
        with self._lock:
            current = self._cell is not None and self._cell.id == parent
            if not current and parent not in self._shown:
                return
            output = self._cell.output if self._cell is not None and current else self._late
            if warning:
                output.add("stream", {"text": warning})
            if passes and kind in KINDS:
                with contextlib.suppress(KeyError, TypeError, AttributeError):  # code in the kernel can send anything
                    output.add(kind, content)

    def _end(self, parent: str | None) -> None:
        with self._lock:
            cell = self._cell
            if cell is None or cell.id != parent:
                return
            self._cell = None
        cell.ended.set()

    def close(self) -> None:
        """End the kernel, and what it started in its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._reader.join()
        self._shell.close(linger=0)
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        os.close(self._pidfd)
        shutil.rmtree(self._folder, ignore_errors=True)
