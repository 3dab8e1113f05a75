"""OpenHands' AgentSkills in a session's kernel, without the 300 MB that they take until one is used.

OpenHands imports them at the start. Here stand-ins wait under their names; a cell that names one has the real ones put
in their place first, so that what it sees of them (signature, documentation, traceback) is theirs. A stand-in that is
called in another way does that itself. This file runs on both sides: its source is sent to the kernel as it is.
"""

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODULE = "openhands.runtime.plugins.agent_skills.agentskills"

#: What that module exports. A test compares it with the installed OpenHands.
NAMES = (
    "open_file",
    "goto_line",
    "scroll_down",
    "scroll_up",
    "search_dir",
    "search_file",
    "find_file",
    "parse_pdf",
    "parse_docx",
    "parse_latex",
    "parse_pptx",
    "file_editor",
)

_NAMED = re.compile(rf"\b(?:{'|'.join(NAMES)})\b")


def install(namespace: dict[str, Any]) -> None:
    """Put stand-ins into the namespace of the kernel."""
    for name in NAMES:
        namespace[name] = _stand_in(name, namespace)


def load(namespace: dict[str, Any]) -> None:
    """Put the real ones in the place of the stand-ins; what the session put there itself stays.

    Raises:
        ModuleNotFoundError: OpenHands is not installed for the session's Python.
    """
    module = importlib.import_module(MODULE)
    for name in NAMES:
        if hasattr(namespace.get(name), "stands_for"):
            namespace[name] = getattr(module, name)


def _stand_in(name: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    def skill(*args: Any, **kwargs: Any) -> Any:
        try:
            load(namespace)
        except ModuleNotFoundError as error:
            raise RuntimeError(
                f"{name}() is a part of OpenHands, which cannot be imported on this session's node ({error}). "
                "Nothing was done. Use the shell and the file actions, or install openhands-ai there."
            ) from None
        return getattr(importlib.import_module(MODULE), name)(*args, **kwargs)

    skill.__name__ = skill.__qualname__ = name
    skill.__doc__ = f"OpenHands' {name}, imported when it is first used."
    skill.stands_for = name  # type: ignore[attr-defined]
    return skill


def named(code: str) -> bool:
    """Return whether a cell names a skill."""
    return _NAMED.search(code) is not None


def cell(function: str) -> str:
    """Return a cell that calls ``install`` or ``load`` in the kernel, and leaves no name of its own there."""
    source = Path(__file__).read_text("utf-8")
    scope = {"__name__": "agent_skills", "__file__": ""}
    return f"(lambda scope: exec({source!r}, scope) or scope[{function!r}](globals()))({scope!r})"
