"""The cells of a session, and what OpenHands' Jupyter plugin says of them.

One kernel, started when it is first needed or in the background. It follows the shell's folder. When it is lost, the
next cell runs in a new one, and the observation says what that means.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

from openhands_ray.worker import interpreter, observations, skills
from openhands_ray.worker.kernel import START_TIMEOUT_S, Kernel, KernelDiedError, KernelError
from openhands_ray.worker.observations import Observation
from openhands_ray.worker.output import Output

#: Seconds that a cell may take where the action says nothing. From OpenHands' JupyterKernel.
CELL_TIMEOUT_S = 120

NO_OUTPUT = "[Code executed successfully with no output]"

_STUCK = "The cell before this one could not be interrupted, so the kernel was ended"
_NEXT = "The next cell runs in a new one."
_LOST = "its variables are lost, files are not."


class IPython:
    """The kernel of a session."""

    def __init__(self, env: Mapping[str, str], cwd: str, *, with_skills: bool = False) -> None:
        """Prepare it; nothing is started yet.

        Args:
            env: the whole environment of the kernel.
            cwd: where it starts.
            with_skills: whether OpenHands' AgentSkills can be called in it.
        """
        self._env = dict(env)
        self._new_env: dict[str, str] = {}
        self._start_cwd = cwd
        self._with_skills = with_skills
        self._python = interpreter.program(self._env["HOME"])
        self._kernel: Kernel | None = None
        self._lock = threading.Lock()  # held by who starts, uses or ends the kernel
        # Of the kernel.
        self._cwd: str | None = None
        self._skills_wait = False

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

    def _ready(self) -> Kernel:
        if self._kernel is None:
            kernel = Kernel(interpreter.create(self._env["HOME"]), self._env, self._start_cwd)
            # What OpenHands' plugin runs, and the names that it leaves there.
            first = "%colors nocolor\nimport os, sys\n" + (skills.cell("install") if self._with_skills else "")
            kernel.execute(first, time.monotonic() + START_TIMEOUT_S, quiet=True)
            self._cwd, self._skills_wait = None, self._with_skills
            self._kernel = kernel
        return self._kernel

    def execute(self, args: Mapping[str, Any], cwd: str, timeout_s: float | None) -> Observation:
        """Answer a ``run_ipython`` action; ``cwd`` is the shell's folder."""
        code = args["code"]
        timeout_s = CELL_TIMEOUT_S if timeout_s is None else timeout_s
        output = Output()
        try:
            with self._lock:
                text, output = self._run(code, cwd, timeout_s)
        except KernelError as error:
            return observations.error(str(error))
        text = text.rstrip()
        if args.get("include_extra", True):
            text += f"\n[Jupyter current working directory: {cwd}]\n[Jupyter Python interpreter: {self._python}]"
        return observations.run_ipython(text, code, output.images or None)

    def _run(self, code: str, cwd: str, timeout_s: float) -> tuple[str, Output]:
        timed_out = f"[Execution timed out ({timeout_s} seconds).]"
        if self._kernel is not None and not self._idle(self._kernel, time.monotonic() + timeout_s):
            if not self._kernel.stuck:
                return timed_out, Output()
            self._discard()
            return f"{timed_out}\n[{_STUCK}: {_LOST} This cell did not run.]", Output()
        notes = []
        if self._kernel is not None and not self._kernel.alive:
            self._discard()
            notes.append(f"[The kernel had ended since the last cell: {_LOST} This cell ran in a new one.]")
        kernel = self._ready()
        deadline = time.monotonic() + timeout_s
        try:
            self._prepare(kernel, code, cwd, deadline)
            output, reply = kernel.execute(code, deadline)
        except TimeoutError:
            kernel.interrupt()
            return "\n".join([timed_out, *notes]), Output()
        except KernelDiedError as error:
            self._discard()
            notes.append(f"[The kernel died while it ran this cell: {_LOST} {_NEXT}]")
            return _joined(kernel.take_late_output(), error.output.text, notes), error.output
        if _asks_for_the_end(reply):
            self._discard()
            notes.append(f"[This cell ended the kernel: {_LOST} {_NEXT}]")
        return _joined(kernel.take_late_output(), output.text if output else NO_OUTPUT, notes), output

    def _idle(self, kernel: Kernel, deadline: float) -> bool:
        """Wait for the end of an earlier cell whose time was over; return whether it came in time."""
        try:
            kernel.wait_until_idle(deadline)
        except TimeoutError:
            kernel.interrupt()
            return False
        return True

    def _prepare(self, kernel: Kernel, code: str, cwd: str, deadline: float) -> None:
        """Have the kernel where the cell expects it: its variables, its folder, what it calls."""
        new, self._new_env = self._new_env, {}
        if new:
            kernel.execute(f"import os; os.environ.update({new!r})", deadline, quiet=True)
        if self._cwd != cwd:
            kernel.execute(f"import os; os.chdir({cwd!r})", deadline, quiet=True)
            self._cwd = cwd
        if self._skills_wait and isinstance(code, str) and skills.named(code):
            kernel.execute(skills.cell("load"), time.monotonic() + START_TIMEOUT_S, quiet=True)
            self._skills_wait = False

    def _discard(self) -> None:
        kernel, self._kernel = self._kernel, None
        if kernel is not None:
            kernel.close()

    def close(self) -> None:
        """End the kernel. Idempotent."""
        with self._lock:
            self._discard()


def _joined(late: Output, text: str, notes: list[str]) -> str:
    if late:
        before = late.text.rstrip()
        text = f"[Below is the output of earlier cells.]\n{before}\n[Below is the output of this cell.]\n{text}"
    return "\n".join([text.rstrip(), *notes]).lstrip("\n") if notes else text


def _asks_for_the_end(reply: Mapping[str, Any]) -> bool:
    """Return whether the cell called ``exit()``, after which the kernel ends by itself, a little later."""
    asked = [each for each in reply.get("payload") or [] if each.get("source") == "ask_exit"]
    return any(not each.get("keepkernel") for each in asked)


def _is_possible(name: str, value: str) -> bool:
    try:
        text = os.fsencode(name) + os.fsencode(value)
    except (UnicodeEncodeError, TypeError):
        return False
    return bool(name) and "=" not in name and b"\0" not in text
