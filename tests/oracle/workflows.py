"""Whole workflows: trajectories of agents, replayed by OpenHands' own controller on any runtime.

A trajectory is a file of ``tests/data/workflows``, as OpenHands saves and replays them (``replay_trajectory_path``).
Beside it, in ``answers``, stands what came of it on OpenHands' ``LocalRuntime``: every observation, and the files.
"""

from __future__ import annotations

import asyncio
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scenario import Answer, comparable

FOLDER = Path(__file__).resolve().parent.parent / "data" / "workflows"

NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))

#: Seconds of silence after which a command is handed back, on both sides.
NO_CHANGE_TIMEOUT_S = 2

#: OpenHands asks its kernel for the interpreter, and loses the answer if that comes after the end of the cell.
LOST_INTERPRETER = "[Jupyter Python interpreter: [Code executed successfully with no output]]"

#: What a run makes that is not of its own: caches, and Git's files, which hold clocks (its hashes are in the answers).
NOT_COMPARED = re.compile(r"(^|/)(\.git|__pycache__|\.ipynb_checkpoints)/")

#: Makes a runtime of a configuration, a session id and plugins; it is not connected yet.
MakeRuntime = Callable[[Any, str, list[Any]], Any]


def recorded(name: str) -> dict[str, Any]:
    """Return ``{"openhands": version, "observations": [..], "files": {name: text}}`` of a workflow."""
    found: dict[str, Any] = json.loads((FOLDER / "answers" / f"{name}.json").read_text("utf-8"))
    return found


def actions(name: str) -> list[dict[str, Any]]:
    """Return the actions of the agent in a trajectory, the last of which says that it has finished."""
    events = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return [event for event in events if event["source"] == "agent" and "action" in event]


def replay(name: str, make: MakeRuntime, **core: Any) -> dict[str, Any]:
    """Replay a trajectory in a new session, by OpenHands' controller, and return all that came of it."""
    from openhands.agenthub.codeact_agent import CodeActAgent
    from openhands.core.config import LLMConfig, OpenHandsConfig
    from openhands.core.main import run_controller
    from openhands.events.action import NullAction
    from openhands.events.serialization import event_to_dict

    path = str(FOLDER / f"{name}.json")
    config = OpenHandsConfig(replay_trajectory_path=path, file_store="memory", enable_browser=False, **core)
    config.set_llm_config(LLMConfig(model="none", api_key="none"))
    runtime = make(config, f"workflow-{name.replace('_', '-')}", CodeActAgent.sandbox_plugins)
    try:
        asyncio.run(runtime.connect())
        state = asyncio.run(run_controller(config, NullAction(), sid=runtime.sid, runtime=runtime))
        events = [event_to_dict(event) for event in runtime.event_stream.search_events()]
        files = _files(runtime)
    finally:
        runtime.close()
    assert state is not None
    observations = [_comparable(event) for event in events if event.get("observation")]
    return {"end": str(state.agent_state.value), "observations": observations, "files": files}


def _comparable(event: Answer) -> Answer:
    plain = comparable(event)
    if isinstance(plain["content"], str):
        text = re.sub(r"^(\[\d+\]) \d+$", r"\1 <pid>", plain["content"], flags=re.MULTILINE)
        plain["content"] = text.replace(LOST_INTERPRETER, "[Jupyter Python interpreter: <python>/bin/python]")
    if plain["observation"] == "recall":
        plain["extras"] |= {"date": "<date>", "runtime_hosts": "<addresses of forwarded ports>"}
    return plain


def _files(runtime: Any) -> dict[str, Any]:
    """Return all files of the workspace, as text, by name."""
    packed = runtime.copy_from("/workspace")
    try:
        with zipfile.ZipFile(packed) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not NOT_COMPARED.search(name)]
            contents = {name: archive.read(name).decode("utf-8", "backslashreplace") for name in sorted(names)}
    finally:
        packed.unlink()
    return {name: comparable({"content": content})["content"] for name, content in contents.items()}
