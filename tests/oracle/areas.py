"""All scenarios, by area: an area is a module ``scenarios_AREA`` here, and a file of recorded answers.

A module holds ``SCENARIOS`` and, where we answer otherwise than OpenHands on purpose, ``DIFFERENCES``: for each key
that a step names, the line of documentation with the reason.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from scenario import Scenario

_HERE = Path(__file__).resolve().parent

AREAS = tuple(sorted(path.stem.removeprefix("scenarios_") for path in _HERE.glob("scenarios_*.py")))

#: How many deliberate differences there may be in all.
MOST_DIFFERENCES = 15

RECORDED = _HERE.parent / "data" / "oracle"


def scenarios(area: str) -> list[Scenario]:
    """Return the scenarios of an area, in the order of its module."""
    found: list[Scenario] = import_module(f"scenarios_{area}").SCENARIOS
    return found


def differences() -> dict[str, str]:
    """Return the deliberate differences of all areas."""
    return {
        key: reason
        for area in AREAS
        for key, reason in getattr(import_module(f"scenarios_{area}"), "DIFFERENCES", {}).items()
    }


def everything() -> list[tuple[str, Scenario]]:
    return [(area, each) for area in AREAS for each in scenarios(area)]


def recorded(area: str) -> dict[str, Any]:
    """Return what OpenHands answered: ``{"openhands": version, "answers": {scenario: [answer, ..]}}``."""
    found: dict[str, Any] = json.loads((RECORDED / f"{area}.json").read_text("utf-8"))
    return found
