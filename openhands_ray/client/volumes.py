"""The folders of a node that OpenHands' configuration puts into a session."""

from __future__ import annotations

import os
from typing import Any

from openhands.core.config import OpenHandsConfig

from openhands_ray.errors import SettingsError

#: The modes of Docker that mean something here, or nothing anywhere but in Docker.
_MODES = {"rw", "ro", "overlay", "z", "Z", "cached", "consistent", "delegated"}


def volumes(config: OpenHandsConfig) -> list[dict[str, Any]]:
    """Return ``sandbox.volumes`` (``host:guest[:mode]``, separated by commas) as the session's actor takes them.

    Without it ``workspace_mount_path`` or ``workspace_base``, the older settings, is the folder of the workspace.

    Raises:
        SettingsError: an entry is none, or Docker alone could serve it.
    """
    if config.sandbox.volumes is not None:
        return [_volume(entry) for entry in config.sandbox.volumes.split(",") if entry.strip()]
    source = config.workspace_mount_path or config.workspace_base
    if source is None:
        return []
    target = config.workspace_mount_path_in_sandbox
    return [{"source": os.path.abspath(source), "target": target, "writable": True, "copied": False}]


def _volume(entry: str) -> dict[str, Any]:
    parts = entry.strip().split(":")
    if parts[0] == "volume":
        raise _named(entry)
    if not 2 <= len(parts) <= 3:
        raise SettingsError(
            f"Invalid mount format in sandbox.volumes: {entry}. Expected format: 'host_path:container_path[:mode]', "
            "e.g. '/my/host/dir:/workspace:rw'"
        )
    source, target, mode = parts[0], parts[1], parts[2] if len(parts) == 3 else "rw"
    flags = set(mode.replace("+", " ").split())
    if not flags or flags - _MODES:
        raise SettingsError(f"The mode of the volume {entry} is one of rw, ro and overlay, not {mode!r}.")
    if not os.path.isabs(source):
        raise _named(entry)
    if not os.path.isabs(target):
        raise SettingsError(f"The volume {entry} has no absolute path in the session: {target!r}.")
    return {"source": source, "target": target, "writable": "ro" not in flags, "copied": "overlay" in flags}


def _named(entry: str) -> SettingsError:
    return SettingsError(
        f"The volume {entry} is a named one of Docker. Give the path of a folder on the session's node."
    )
