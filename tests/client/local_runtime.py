"""OpenHands' own runtime as the oracle, for the tests that take longer: ``LocalRuntime``, inside one of our sandboxes.

It would otherwise work in the user's own home, and leave its kernel and its gateway behind; here all of that goes with
the sandbox. ``ask("name", ...)`` runs the function of that name there, and returns what it returned.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

# SU_TO_USER: else its shell is root's login shell, which no sandbox allows.
_ENVIRONMENT = {
    "USER": "root",
    "SU_TO_USER": "false",
    "SKIP_DEPENDENCY_CHECK": "1",
    "LOG_LEVEL": "CRITICAL",
    "LOG_TO_FILE": "false",
    "PYTHONWARNINGS": "ignore",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def ask(name: str, *args: Any) -> Any:
    """Run one of the functions below in a sandbox, and return its answer."""
    from openhands_ray.worker.actor import CODE
    from openhands_ray.worker.sandbox import Sandbox
    from openhands_ray.worker.volumes import Volume

    with tempfile.TemporaryDirectory(prefix="local-") as folder:
        sandbox = Sandbox(Path(folder, "s"), "/workspace", "sandbox", [Volume(str(HERE), str(HERE), writable=False)])
        sandbox.create()
        try:
            done = subprocess.run(
                sandbox.wrap([sys.executable, str(HERE / "local_runtime.py"), name, json.dumps(args)], CODE),
                env={**sandbox.environment(), **_ENVIRONMENT, "PYTHONPATH": str(CODE.parent)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=400,
                check=False,
                cwd="/",
            )
        finally:
            sandbox.remove()
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


class _Runtimes:
    """Makes and connects runtimes that share a workspace."""

    def make(self, sid: str, **options: Any) -> Any:
        from openhands.core.config import OpenHandsConfig
        from openhands.events import EventStream
        from openhands.llm.llm_registry import LLMRegistry
        from openhands.runtime.impl.local.local_runtime import LocalRuntime
        from openhands.storage import get_file_store

        config = OpenHandsConfig()
        config.runtime, config.enable_browser, config.workspace_base = "local", False, "/workspace"
        config.run_as_openhands = False  # else files are given to a user that the sandbox does not have
        stream = EventStream(sid, get_file_store("memory", "/tmp"))
        runtime = LocalRuntime(config, stream, LLMRegistry(config), sid=sid, **options)
        asyncio.run(runtime.connect())
        return runtime


def _output(runtime: Any, command: str) -> str:
    from git_work import show

    return show(runtime, command)


def status() -> dict[str, Any]:
    """Return what is told when a runtime connects, when another attaches, and what a third of the same id sees."""
    told: list[tuple[str, str]] = []

    def tell(level: str, status: Any, _: str) -> None:
        told.append((level, status.name))

    make = _Runtimes().make
    first = make("told", status_callback=tell)
    new = told.copy()
    told.clear()
    _output(first, "v=7; echo set")
    attached = make("told", attach_to_existing=True, status_callback=tell)
    second = make("told", env_vars={"LATER": "set"})
    shared = _output(second, "echo $v $LATER")
    attached.close()
    first.close()
    return {"new": new, "attached": told, "shared": shared}


def values(given: dict[str, str], command: str, odd: list[str]) -> dict[str, Any]:
    """Return what a command shows of variables, and which of the ``odd`` values the runtime fails at."""
    runtime = _Runtimes().make("values")
    runtime.add_env_vars(given)
    shown = _output(runtime, command)
    failed = []
    for value in odd:
        try:
            runtime.add_env_vars({"ODD": value})
        except RuntimeError:
            failed.append(value)
    return {"shown": shown, "failed": failed}


def git() -> dict[str, Any]:
    """Return what ``git_work`` saw, as far as it came."""
    from git_work import seen_until

    seen, _ = seen_until(_Runtimes().make("git"))
    return seen


_FUNCTIONS: dict[str, Callable[..., Any]] = {"status": status, "values": values, "git": git}


def main() -> int:
    try:
        answer = _FUNCTIONS[sys.argv[1]](*json.loads(sys.argv[2]))
    except BaseException:
        traceback.print_exc()
        return 1
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # what it leaves goes with the sandbox
