"""OpenHands' ``LocalRuntime`` behind the walls of one of our sandboxes.

``python tests/oracle/local_workflows.py [NAME ..]`` records what comes of the workflows there.

With ``--inside`` this is the program inside: it replays one workflow and prints what came of it. ``LocalRuntime``
starts its server as a program, which is this one, too, with ``--server``. The sandbox ends what ``LocalRuntime`` leaves
behind, its kernel and the kernel's gateway.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import workflows
from upstream import HERE, ROOT

_ENVIRONMENT = {
    "SKIP_DEPENDENCY_CHECK": "1",
    "SU_TO_USER": "false",  # there is nobody else in a sandbox
    "NO_CHANGE_TIMEOUT_SECONDS": str(workflows.NO_CHANGE_TIMEOUT_S),
    "LOG_LEVEL": "ERROR",
    "LOG_TO_FILE": "false",
    "PYTHONWARNINGS": "ignore",
    "OPENHANDS_SUPPRESS_BANNER": "1",
}


def replayed(name: str) -> Any:
    """Replay a workflow on ``LocalRuntime``, in a sandbox of its own, and return what came of it."""
    from openhands_ray.worker.actor import CODE
    from openhands_ray.worker.sandbox import Sandbox
    from openhands_ray.worker.volumes import Volume

    with tempfile.TemporaryDirectory(prefix="workflow-") as folder:
        volumes = [Volume(str(ROOT / "tests"), str(ROOT / "tests"), writable=False)]
        sandbox = Sandbox(Path(folder, "session"), "/workspace", "sandbox", volumes)
        sandbox.create()
        done = subprocess.run(
            sandbox.wrap([sys.executable, str(HERE / "local_workflows.py"), "--inside", name], CODE),
            env={**sandbox.environment(), **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd="/",
        )
        sandbox.remove()
    return json.loads(done.stdout.splitlines()[-1])


def _inside(name: str) -> None:
    from openhands.events import EventStream
    from openhands.llm.llm_registry import LLMRegistry
    from openhands.runtime.impl.local import local_runtime
    from openhands.storage import get_file_store

    command = local_runtime.get_action_execution_server_startup_command
    local_runtime.get_action_execution_server_startup_command = lambda **args: _calm(command(**args))

    def make(config: Any, sid: str, plugins: list[Any]) -> Any:
        stream = EventStream(sid, get_file_store("memory", "/tmp"))
        return local_runtime.LocalRuntime(config, stream, LLMRegistry(config), sid=sid, plugins=plugins)

    # There is one user in a sandbox; OpenHands gives new files to its own where it runs as that.
    core = {"runtime": "local", "workspace_base": "/workspace", "run_as_openhands": False}
    print(json.dumps(workflows.replay(name, make, **core)), flush=True)
    os._exit(0)  # OpenHands' threads would hold it


def _calm(command: list[str]) -> list[str]:
    """Return OpenHands' command for its server with this program in place of its module."""
    module = command.index("-m")
    return [*command[:module], str(HERE / "local_workflows.py"), "--server", *command[module + 2 :]]


def _server(arguments: list[str]) -> None:
    from calm import calm_shell

    calm_shell()
    module = "openhands.runtime.action_execution_server"
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__")


def main() -> None:
    if sys.argv[1:2] == ["--server"]:
        _server(sys.argv[2:])
        return
    if sys.argv[1:2] == ["--inside"]:
        _inside(sys.argv[2])
        return
    for name in sys.argv[1:] or workflows.NAMES:
        print(name, flush=True)
        found = replayed(name)
        text = json.dumps({"openhands": version("openhands-ai"), **found}, indent=1, ensure_ascii=True)
        (workflows.FOLDER / "answers").mkdir(exist_ok=True)
        (workflows.FOLDER / "answers" / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
