"""Write ``docs/compatibility.md`` from the scenarios and what was recorded: ``python tests/oracle/table.py``."""

from __future__ import annotations

from pathlib import Path

import elsewhere
from areas import AREAS, differences, recorded, scenarios
from scenario import Scenario

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"

_INTRODUCTION = """\
# Compared with OpenHands

Every row is a scenario: a sequence of actions that runs in `make test` on `RayRuntime`, its answers compared field by
field with those of OpenHands' own executor ({version}), recorded inside the same kind of sandbox. Only clocks, process
ids and names of the machine are left out. `make test-long` records the answers anew and compares them with these.
This page is made by `python tests/oracle/table.py`; a test holds it to the scenarios.

{scenarios} scenarios, {steps} actions: {equal} answered as OpenHands does, {different} otherwise on purpose.
"""

_ELSEWHERE = """
## Compared by tests of their own

| behaviour | held against | test |
|---|---|---|
"""


def page() -> str:
    """Return the page."""
    all_of = [(area, scenario) for area in AREAS for scenario in scenarios(area)]
    steps = sum(len(scenario.steps) for _, scenario in all_of)
    different = sum(_different(scenario) for _, scenario in all_of)
    text = _INTRODUCTION.format(
        version=f"openhands-ai {recorded(AREAS[0])['openhands']}",
        scenarios=len(all_of),
        steps=steps,
        equal=steps - different,
        different=different,
    )
    for area in AREAS:
        text += f"\n## {area.replace('_', ' ').capitalize()}\n\n"
        text += "| scenario | behaviour | actions | equal | different on purpose |\n|---|---|--:|--:|---|\n"
        text += "".join(_row(scenario) for scenario in scenarios(area))
    text += _ELSEWHERE
    text += "".join(f"| {row.behaviour} | {row.oracle} | `tests/{row.test}` |\n" for row in elsewhere.ROWS)
    text += "\n## Different on purpose\n\n| difference | what, and why | shown by |\n|---|---|---|\n"
    text += "".join(f"| {key} | {reason} | the scenarios |\n" for key, reason in differences().items())
    return text + "".join(
        f"| {key} | {reason} | `tests/{test}` |\n" for key, (reason, test) in elsewhere.DIFFERENCES.items()
    )


def _row(scenario: Scenario) -> str:
    count = len(scenario.steps)
    keys = ", ".join(dict.fromkeys(step.differs for step in scenario.steps if step.differs))
    behaviour = scenario.behaviour.replace("|", "\\|")
    return f"| {scenario.name} | {behaviour} | {count} | {count - _different(scenario)} | {keys} |\n"


def _different(scenario: Scenario) -> int:
    return sum(step.differs is not None for step in scenario.steps)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
