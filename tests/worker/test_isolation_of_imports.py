"""What the worker imports decides its start-up time and memory, and whether a node needs OpenHands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support import ROOT

_PROGRAM = """
import importlib, json, socket, sys
sys.path.insert(0, sys.argv[1])
for name in json.loads(sys.argv[2]):
    importlib.import_module("openhands_ray.worker." + name)
if sys.argv[3]:
    from openhands_ray.worker.executor import Executor
    folder = sys.argv[3]
    environment = {"PATH": "/usr/bin:/bin", "HOME": folder}
    start = {"workspace": "/workspace", "folder": folder, "environment": environment, "no_change_timeout_s": 5}
    executor = Executor({**start, "kernel": False}, socket.socketpair()[0])
    actions = [("run", {"command": "echo hi"}), ("write", {"path": "/workspace/x", "content": "1"}),
               ("read", {"path": "/workspace/x"}), ("edit", {"path": "/workspace/x", "command": "view"})]
    for action, args in actions:
        assert executor.act({"action": action, "args": args, "timeout": 5})["observation"] != "error"
    executor.close()
print(json.dumps(sorted(sys.modules)))
"""


def modules(*names: str, folder: str = "") -> set[str]:
    argv = [sys.executable, "-I", "-c", _PROGRAM, str(ROOT), json.dumps(names), folder]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_no_module_of_the_worker_brings_openhands() -> None:
    names = [path.stem for path in (ROOT / "openhands_ray/worker").glob("*.py") if path.stem != "__init__"]
    assert {"actor", "executor", "bash", "files", "editor", "ipython", "browser"} <= set(names)
    found = modules(*names)
    assert "openhands_ray" in found
    assert not found & {"openhands", "openhands_aci", "ray"}


def test_the_executor_is_light(tmp_path: Path) -> None:
    found = modules("executor", folder=str(tmp_path))
    heavy = {"openhands", "openhands_aci", "ray", "pandas", "numpy", "playwright", "jupyter_client", "litellm"}
    assert "openhands_ray" in found
    assert not found & heavy
