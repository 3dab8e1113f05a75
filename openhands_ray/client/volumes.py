"""The folders of a node that OpenHands' configuration puts into a session."""

from __future__ import annotations

from typing import Any

from openhands.core.config import OpenHandsConfig


def volumes(config: OpenHandsConfig) -> list[dict[str, Any]]:
    """Return ``sandbox.volumes`` (``host:guest[:mode]``, separated by commas) as the session's actor takes them.

    ``workspace_base`` alone, the older setting, is the folder of the workspace.

    Raises:
        ValueError: an entry has no guest path.
    """
    found = []
    for entry in filter(None, (config.sandbox.volumes or "").split(",")):
        parts = entry.strip().split(":")
        if len(parts) < 2:
            raise ValueError(f"A volume is host:guest or host:guest:mode, not {entry!r}.")
        mode = parts[2] if len(parts) > 2 else "rw"
        found.append({"source": parts[0], "target": parts[1], "writable": "ro" not in mode.split("+")})
    if not found and config.workspace_base:
        target = config.workspace_mount_path_in_sandbox
        found.append({"source": config.workspace_base, "target": target, "writable": True})
    return found
