"""The browser beside OpenHands' own: the same actions, the same observations, field by field.

What is normalised: paths, the numbers that Chromium gives to nodes and frames, and the PNG's encoding (pixels count).
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web_site import serve

from openhands_ray.worker.browser import Browser

pytest.importorskip("openhands.runtime.browser", exc_type=ImportError)

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs the system's Chromium"),
]

PROGRAM = Path(__file__).with_name("upstream_browser.py")

Answer = dict[str, Any]


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def actions(url: str) -> list[tuple[str, dict[str, Any]]]:
    """Bids are those of the start page, in the order of its elements."""
    interactive = [
        f'goto("{url}/")',
        'fill("10", "typed \\"text\\"")\nclick("15")',
        'fill("4", "no field")',
        'click("4000")',
        'click("16")',
        'select_option("11", "blue")',
        'press("10", "ArrowLeft")',
        "scroll(0, 400)",
        'fill("a5", "inside the frame")',
        'click("30")',
        "tab_focus(0)",
        'click("7")',
        "go_back()",
        "tab_close()",
        "send_msg_to_user(1)",
        "nonsense()",
        "",
        f"goto('{url}/dialog')",
        f'goto("{url}/file")',
    ]
    return [
        ("browse", {"url": f"{url}/"}),
        ("browse", {"url": f"{url}/", "return_axtree": True}),
        ("browse", {"url": f"{url}/empty"}),
        ("browse", {"url": f"http://127.0.0.1:{closed_port()}/"}),
        ("browse", {"url": "no-scheme.example"}),
        *[("browse_interactive", {"browser_actions": text, "return_axtree": True}) for text in interactive],
        ("browse_interactive", {"browser_actions": "noop(10)", "return_axtree": False}),
    ]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Answer, Answer]]:
    """For each action its text, what OpenHands answers and what we answer, each with its seconds."""
    folder = tmp_path_factory.mktemp("oracle")
    with serve() as site:
        script = actions(site.url)
        theirs = upstream(folder, script)
        ours = own(folder, script)
    return [(str(args), theirs[i], ours[i]) for i, (_, args) in enumerate(script)]


def upstream(folder: Path, script: list[tuple[str, dict[str, Any]]]) -> list[Answer]:
    workspace, downloads, browsers = (folder / name for name in ("theirs", "theirs-downloads", "browsers"))
    for path in (workspace, downloads, browsers):
        path.mkdir()
    (folder / "actions.json").write_text(json.dumps(script))
    environment = os.environ | {
        "PLAYWRIGHT_BROWSERS_PATH": str(browsers),
        "BROWSERGYM_DOWNLOAD_DIR": str(downloads),
        "RUNTIME": "",
        "TMPDIR": str(folder),
    }
    chromium = shutil.which("chromium") or ""
    arguments: list[str | Path] = [
        folder / "actions.json",
        workspace,
        downloads,
        folder / "answers.json",
        browsers,
        chromium,
    ]
    subprocess.run(
        [sys.executable, PROGRAM, *arguments, browsers, chromium],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return list(json.loads((folder / "answers.json").read_text()))


def own(folder: Path, script: list[tuple[str, dict[str, Any]]]) -> list[Answer]:
    workspace = folder / "ours"
    workspace.mkdir()
    browser = Browser(str(workspace), str(folder / "ours-downloads"))
    answers = []
    try:
        browser.start()
        for action, args in script:
            start = time.perf_counter()
            observation = browser.execute(action, args)
            answers.append({"seconds": time.perf_counter() - start, "observation": observation})
    finally:
        browser.close()
    return answers


NODE_NUMBERS = {"nodeId": "node", "parentId": "node", "childIds": "node", "frameId": "frame", "backendDOMNodeId": "dom"}


def normal(value: Any, numbers: dict[tuple[str, Any], int]) -> Any:
    """Without paths, and with Chromium's numbers replaced by their order of appearance, which is kept in `numbers`."""
    if isinstance(value, dict):
        return {key: named(key, item, numbers) for key, item in value.items()}
    if isinstance(value, list):
        return [normal(item, numbers) for item in value]
    if isinstance(value, str):
        value = re.sub(r"\S*/\.browser_screenshots/screenshot_\d+_\d+_\d+\.png", "<screenshot>", value)
        return re.sub(r"\S*/file_(\d+)", r"/workspace/file_\1", value)
    return value


def named(key: str, value: Any, numbers: dict[tuple[str, Any], int]) -> Any:
    if key not in NODE_NUMBERS:
        return normal(value, numbers)
    if isinstance(value, list):
        return [named(key, item, numbers) for item in value]
    return numbers.setdefault((NODE_NUMBERS[key], value), len(numbers))


def differences(expected: Any, actual: Any, path: str) -> Iterator[str]:
    """The leaves that differ."""
    if isinstance(expected, dict) and isinstance(actual, dict) and expected.keys() == actual.keys():
        for key in expected:
            yield from differences(expected[key], actual[key], f"{path}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, pair in enumerate(zip(expected, actual, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif expected != actual:
        yield f"{path}\n  upstream {expected!r:.600}\n  here     {actual!r:.600}"


def pixels(data_url: str) -> Any:
    import numpy
    from PIL import Image

    png = base64.b64decode(data_url.split(",", 1)[1])
    return numpy.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


PICTURES = ("screenshot", "set_of_marks")


def test_every_observation_equals_upstreams(answers: list[tuple[str, Answer, Answer]]) -> None:
    different = []
    for action, theirs, ours in answers:
        expected, actual = (normal(fields(side["observation"]), {}) for side in (theirs, ours))
        different += list(differences(expected, actual, action))[:3]
    assert not different, "\n".join(different)


def fields(observation: Answer) -> Answer:
    extras = {key: value for key, value in observation["extras"].items() if key not in PICTURES}
    return {"observation": observation["observation"], "content": observation["content"], "extras": extras}


def test_every_picture_shows_the_same_pixels(answers: list[tuple[str, Answer, Answer]]) -> None:
    different = []
    for action, theirs, ours in answers:
        for field in PICTURES:
            expected, actual = (side["observation"]["extras"].get(field, "") for side in (theirs, ours))
            if bool(expected) != bool(actual):
                different.append(f"{action}: {field} is only on one side")
            elif expected and (count := int((pixels(expected) != pixels(actual)).any(axis=2).sum())):
                different.append(f"{action}: {field} differs in {count} pixels")
    assert not different, "\n".join(different)


def test_observations_are_read_by_openhands(answers: list[tuple[str, Answer, Answer]]) -> None:
    from openhands.events.serialization import event_to_dict, observation_from_dict

    for _, theirs, ours in answers:
        read = event_to_dict(observation_from_dict(ours["observation"]))
        assert read.keys() == theirs["observation"].keys()
        assert read["extras"].keys() == theirs["observation"]["extras"].keys()


def _side(answer: tuple[str, Answer, Answer], side: int) -> Answer:
    return (answer[1], answer[2])[side - 1]


def test_browsing_takes_less_than_half_of_upstreams_time(
    answers: list[tuple[str, Answer, Answer]], record_property: Any
) -> None:
    def median_s(side: int) -> float:
        return statistics.median(float(_side(answer, side)["seconds"]) for answer in answers if "'url'" in answer[0])

    record_property("upstream_s", median_s(1))
    record_property("here_s", median_s(2))
    assert median_s(2) < median_s(1) / 2
