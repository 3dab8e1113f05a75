"""What Ray's workers write in their logs on a real cluster: which session it is about."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psutil
import pytest
from nodes import Driver, Nodes


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    nodes.add()
    yield nodes
    nodes.close()


def lines(nodes: Nodes, words: str) -> list[str]:
    """Wait until a worker has logged these words; return the lines that hold them."""
    while True:
        texts = [each.read_text(encoding="utf-8") for each in nodes.folder.glob("*/session_2*/logs/worker-*.err")]
        found = [line for text in texts for line in text.splitlines(keepends=True) if words in line]
        if found and found[-1].endswith("\n"):
            return found


def test_a_line_says_whose_it_is(nodes: Nodes) -> None:
    driver = Driver(nodes.address)
    for sid in ("one", "two", "three"):
        driver.create(sid, warm_sessions=1)  # the last two from the pool, which did not know their ids
    for sid in ("one", "three"):
        psutil.Process(driver.ask("info", sid=sid)["info"]["executor_pid"]).kill()
        assert "failed" in driver.ask("act", sid=sid, action="run", command="sleep 9")
        (line,) = [each for each in lines(nodes, f"session_id={sid}\n") if "ended" in each]
        assert "ERROR openhands_ray.worker.actor -- The session" in line
        assert "The action was run." in line
    driver.end()


def test_rays_structured_logs_have_it_too(nodes: Nodes) -> None:
    driver = Driver(nodes.address)
    driver.ask("log_as_json")
    driver.create("json")
    driver.ask("act", sid="json", action="run")  # without a command, of which the executor says more in its log
    records = [json.loads(line) for line in lines(nodes, "The action run failed")]
    (record,) = [each for each in records if each["session_id"] == "json"]
    assert (record["levelname"], record["job_id"] != "") == ("DEBUG", True)
    assert record["message"].startswith(r"openhands_ray.worker.executor: The action run failed: Traceback (most")
    assert "actor_id" in record
    driver.end()
