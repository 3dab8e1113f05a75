"""The browser beside OpenHands' own, now and on this machine: the same pixels, the same trees.

What was recorded leaves out what depends on fonts and on Chromium's version (``browsed.py``); here both sides have the
same. What is normalised: addresses, clocks, and the numbers that Chromium gives to nodes and frames.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import areas
import browsed
import pytest
import record
from scenario import Scenario, with_addresses
from test_recorded import ours
from upstream import Upstream

pytestmark = [pytest.mark.oracle, pytest.mark.long, pytest.mark.timeout(900)]

#: Those whose pages show no clocks.
SCENARIOS = [each for each in areas.scenarios("browser") if each.name in ("pages", "interaction", "tabs and dialogs")]

PICTURES = ("screenshot", "set_of_marks")

NODE_NUMBERS = {"nodeId": "node", "parentId": "node", "childIds": "node", "frameId": "frame", "backendDOMNodeId": "dom"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_trees_and_pixels_are_those_of_openhands(upstream: Upstream, make_runtime: Any, scenario: Scenario) -> None:
    theirs = record.answers(upstream, scenario, everything)

    mine = ours(make_runtime, scenario, everything)

    for step, expected, found in zip(scenario.steps, theirs, mine, strict=True):
        assert list(differences(expected, found, "")) == [], step.action


def everything(answer: dict[str, Any], addresses: dict[str, str]) -> dict[str, Any]:
    """Return an answer with the digests of its pictures' pixels, with names for addresses, and Chromium's numbers."""
    kept = {key: answer[key] for key in ("observation", "content", "raised") if key in answer}
    extras = {key: value for key, value in answer.get("extras", {}).items() if key != "metadata"}
    pictures = {name: pixels(extras.pop(name, "")) for name in PICTURES}
    named = with_addresses({**kept, "extras": extras}, {address: name for name, address in addresses.items()})
    return {**numbered(browsed.without_clocks(named), {}), "pictures": pictures}


def pixels(data_url: str) -> Any:
    from PIL import Image

    if not data_url:
        return data_url
    with Image.open(io.BytesIO(base64.b64decode(data_url.partition(",")[2]))) as image:
        return image.size, hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


def numbered(value: Any, numbers: dict[tuple[str, Any], int], kind: str | None = None) -> Any:
    """Return a value with Chromium's numbers replaced by their order of appearance, which is kept in ``numbers``."""
    if isinstance(value, dict):
        return {key: numbered(each, numbers, NODE_NUMBERS.get(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [numbered(each, numbers, kind) for each in value]
    return value if kind is None else numbers.setdefault((kind, value), len(numbers))


def differences(expected: Any, actual: Any, path: str) -> Iterator[str]:
    """The leaves that differ."""
    if isinstance(expected, dict) and isinstance(actual, dict) and expected.keys() == actual.keys():
        for key in expected:
            yield from differences(expected[key], actual[key], f"{path}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, pair in enumerate(zip(expected, actual, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif expected != actual:
        yield f"{path}\n  OpenHands {expected!r:.600}\n  here      {actual!r:.600}"
