"""A Ray runtime for OpenHands, and the history of its performance at every commit.

The public names are loaded when they are first used, since some of them bring OpenHands or Ray.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openhands_ray.client.runtime import RayRuntime
    from openhands_ray.config import Settings

__version__ = "0.1.0"

__all__ = ["RayRuntime", "Settings", "__version__"]

_HOMES = {"RayRuntime": "openhands_ray.client.runtime", "Settings": "openhands_ray.config"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
