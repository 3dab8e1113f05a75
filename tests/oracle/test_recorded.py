"""Every scenario on ``RayRuntime``, beside what OpenHands' own executor answered when it was recorded."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import areas
import elsewhere
import pytest
import table
from scenario import Scenario, comparable, with_addresses, with_difference
from sites import addresses

from openhands_ray import Settings

pytestmark = pytest.mark.oracle


def ours(
    make_runtime: Any, scenario: Scenario, kept: Callable[[Any, dict[str, str]], Any] = comparable
) -> list[dict[str, Any]]:
    """Run a scenario in a session of its own, and close that. ``kept`` says what of an answer to keep."""
    from openhands.core.config import OpenHandsConfig
    from openhands.events.serialization import event_from_dict, event_to_dict
    from openhands.runtime.plugins import AgentSkillsRequirement, JupyterRequirement

    known = {"jupyter": JupyterRequirement, "agent_skills": AgentSkillsRequirement}
    settings = Settings(isolation="sandbox", no_change_timeout_s=scenario.no_change_timeout_s)
    config = OpenHandsConfig(enable_browser=scenario.browser)
    plugins = [known[name]() for name in scenario.plugins]
    runtime = make_runtime(settings=settings, plugins=plugins, config=config, connect=False)
    asyncio.run(runtime.connect())
    try:
        _put(runtime, scenario.files)
        with addresses(scenario) as names:
            actions = [event_from_dict(with_addresses(step.action, names)) for step in scenario.steps]
            return [kept(event_to_dict(runtime.run_action(action)), names) for action in actions]
    finally:
        runtime.close()


def _put(runtime: Any, files: dict[str, bytes]) -> None:
    if not files:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, "files", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for path in Path(folder, "files").iterdir():
            runtime.copy_to(str(path), "/workspace", recursive=path.is_dir())


@pytest.mark.parametrize(("area", "scenario"), areas.everything(), ids=lambda each: getattr(each, "name", each))
def test_the_answers_are_those_of_openhands(make_runtime: Any, area: str, scenario: Scenario) -> None:
    theirs = areas.recorded(area)["answers"][scenario.name]
    assert len(theirs) == len(scenario.steps), "record it anew: python tests/oracle/record.py"

    for step, mine, recorded in zip(scenario.steps, ours(make_runtime, scenario), theirs, strict=True):
        assert mine == with_difference(recorded, step), step.action
        if step.differs:
            assert mine != recorded, f"{step.differs} is no difference any more: {step.action}"


def test_each_difference_is_documented_and_shown() -> None:
    shown = {step.differs for _, scenario in areas.everything() for step in scenario.steps if step.differs}

    assert shown == set(areas.differences())
    assert len(areas.differences()) + len(elsewhere.DIFFERENCES) <= areas.MOST_DIFFERENCES


def test_what_is_compared_elsewhere_names_its_test() -> None:
    named = [row.test for row in elsewhere.ROWS] + [test for _, test in elsewhere.DIFFERENCES.values()]

    assert [test for test in named if not elsewhere.exists(test)] == []


def test_the_names_of_an_area_are_its_own() -> None:
    for area in areas.AREAS:
        names = Counter(scenario.name for scenario in areas.scenarios(area))
        assert names.most_common(1)[0][1] == 1
        assert set(names) == set(areas.recorded(area)["answers"])


def test_what_was_recorded_is_of_the_installed_version() -> None:
    assert {areas.recorded(area)["openhands"] for area in areas.AREAS} == {version("openhands-ai")}


def test_the_page_of_comparisons_is_that_of_the_scenarios() -> None:
    assert table.PAGE.read_text("utf-8") == table.page(), "make it anew: python tests/oracle/table.py"
