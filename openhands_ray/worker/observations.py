"""The observations of the wire: what ``openhands.events.serialization.observation_from_dict`` reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openhands_ray import wire

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


def noted(observation: Observation, notes: Sequence[str]) -> Observation:
    """Return the observation with ``notes`` below what it says, which are this runtime's own."""
    lines = [str(observation.get("content", "")), *(f"[{note}]" for note in notes)]
    return {**observation, "content": "\n".join(filter(None, lines))} if notes else observation


def with_notes(answer: bytes, notes: Sequence[str]) -> bytes:
    """Return a packed answer whose observation has ``notes``; one that is none stays as it is."""
    try:
        message = wire.unpack(answer)
        return wire.pack({**message, "observation": noted(message["observation"], notes)})
    except (ValueError, KeyError, TypeError):  # a sandbox may send what it likes
        return answer
