"""What was recorded is what the installed OpenHands answers today."""

from __future__ import annotations

from collections.abc import Iterator

import areas
import pytest
import record
from scenario import Scenario
from upstream import Upstream

pytestmark = [pytest.mark.oracle, pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.mark.parametrize(("area", "scenario"), areas.everything(), ids=lambda each: getattr(each, "name", each))
def test_openhands_answers_as_recorded(upstream: Upstream, area: str, scenario: Scenario) -> None:
    assert record.answers(upstream, scenario) == areas.recorded(area)["answers"][scenario.name]
