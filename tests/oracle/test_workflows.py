"""Trajectories of agents, replayed by OpenHands' controller: as on ``LocalRuntime``, they end in the same files."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import local_workflows
import pytest
import workflows

from openhands_ray import Settings

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(600)]


@pytest.fixture
def make(make_runtime: Any) -> workflows.MakeRuntime:
    settings = Settings(isolation="sandbox", no_change_timeout_s=workflows.NO_CHANGE_TIMEOUT_S)
    return lambda config, sid, plugins: make_runtime(
        sid, connect=False, config=config, plugins=plugins, settings=settings
    )


@pytest.mark.parametrize("name", workflows.NAMES)
def test_a_workflow_ends_as_on_openhands_local_runtime(make: workflows.MakeRuntime, name: str) -> None:
    theirs = workflows.recorded(name)

    ours = workflows.replay(name, make)

    for mine, expected in zip(ours["observations"], theirs["observations"], strict=False):
        assert mine == expected
    assert len(ours["observations"]) == len(theirs["observations"])
    assert ours["files"] == theirs["files"]
    assert ours["end"] == theirs["end"] == "finished"


def test_the_workflows_are_simple_medium_and_complex() -> None:
    actions = {name: len(workflows.actions(name)) for name in workflows.NAMES}

    assert any(1 <= count <= 3 for count in actions.values())
    assert any(10 <= count <= 20 for count in actions.values())
    assert any(count >= 50 for count in actions.values())
    assert {workflows.recorded(name)["openhands"] for name in actions} == {version("openhands-ai")}


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", workflows.NAMES)
def test_local_runtime_answers_as_recorded(name: str) -> None:
    """Each answer in one of three replays: OpenHands loses what a kernel prints after the end of its cell."""
    recorded = workflows.recorded(name)
    missing = dict(enumerate(recorded["observations"])) | {"files": recorded["files"], "end": recorded["end"]}

    for _ in range(3):
        replayed = local_workflows.replayed(name)
        found = dict(enumerate(replayed["observations"])) | {"files": replayed["files"], "end": replayed["end"]}
        missing = {key: value for key, value in missing.items() if found.get(key) != value}
        if not missing:
            break
    assert not missing
