"""The observations of the wire: what ``openhands.events.serialization.observation_from_dict`` reads."""

from __future__ import annotations

from typing import Any

Observation = dict[str, Any]


def error(content: str, error_id: str = "") -> Observation:
    """Return OpenHands' ``ErrorObservation``."""
    return {"observation": "error", "content": content, "extras": {"error_id": error_id}}


def run(content: str, command: str, metadata: dict[str, Any], hidden: bool = False) -> Observation:
    """Return OpenHands' ``CmdOutputObservation``."""
    extras = {"command": command, "metadata": metadata, "hidden": hidden}
    return {"observation": "run", "content": content, "extras": extras}


def run_ipython(content: str, code: str, image_urls: list[str] | None) -> Observation:
    """Return OpenHands' ``IPythonRunCellObservation``."""
    extras = {"code": code, "image_urls": image_urls}
    return {"observation": "run_ipython", "content": content, "extras": extras}


def read(content: str, path: str, impl_source: str = "default") -> Observation:
    """Return OpenHands' ``FileReadObservation``."""
    return {"observation": "read", "content": content, "extras": {"path": path, "impl_source": impl_source}}


def write(path: str) -> Observation:
    """Return OpenHands' ``FileWriteObservation``."""
    return {"observation": "write", "content": "", "extras": {"path": path}}


def edit(content: str, path: str, old_str: str | None, new_str: str | None, diff: str) -> Observation:
    """Return OpenHands' ``FileEditObservation`` of its editor tool."""
    extras = {
        "path": path,
        "prev_exist": False,
        "old_content": old_str,
        "new_content": new_str,
        "impl_source": "oh_aci",
        "diff": diff,
    }
    return {"observation": "edit", "content": content, "extras": extras}
