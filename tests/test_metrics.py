"""Metrics: what is recorded, what it costs where nobody reads it, and the endpoint of a cluster that exports them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
from nodes import Driver, Nodes
from openhands.core.exceptions import AgentRuntimeDisconnectedError, AgentRuntimeNotReadyError
from openhands.events.action import CmdRunAction, FileReadAction
from prometheus_client.parser import text_string_to_metric_families

from openhands_ray import metrics
from openhands_ray.authentication import variables
from openhands_ray.config import Settings
from openhands_ray.errors import SessionTimeoutError

Labels = dict[str, str]


def test_names_tell_their_units() -> None:
    for metric in metrics.ALL:
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.name.endswith("_seconds") == (metric.kind == "histogram") == bool(metric.boundaries)
    assert len({metric.name for metric in metrics.ALL}) == len(metrics.ALL)


class Recorded:
    """What Ray's metrics would have been told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.values: list[tuple[str, Labels, float]] = []
        monkeypatch.setattr(metrics, "_made", self._made)
        monkeypatch.setattr(metrics, "_recorder", metrics.Recorder(on=True))

    def _made(self, metric: metrics.Metric) -> Callable[[float, Labels], None]:
        def record(value: float, labels: Labels) -> None:
            assert set(labels) == set(metric.labels)
            self.values.append((metric.name, labels, value))

        return record

    def of(self, metric: metrics.Metric) -> list[tuple[Labels, float]]:
        return [(labels, value) for name, labels, value in self.values if name == metric.name]


def test_what_a_program_records_of_its_sessions(
    make_runtime: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_runtime()
    assert not metrics.recording()  # those of a private cluster nobody reads
    recorded = Recorded(monkeypatch)
    first = make_runtime(settings=Settings(warm_sessions=1))
    make_runtime(settings=Settings(warm_sessions=1))
    assert [labels["result"] for labels, _ in recorded.of(metrics.POOL_REQUESTS)] == ["miss", "hit"]
    assert [labels["from_pool"] for labels, _ in recorded.of(metrics.START_SECONDS)] == ["no", "yes"]
    ((_, placed_s),), (_, started_s) = recorded.of(metrics.PLACEMENT_SECONDS), recorded.of(metrics.START_SECONDS)[0]
    assert 0 < placed_s < started_s
    (tmp_path / "file").write_bytes(b"x" * 5_000_000)
    first.copy_to(str(tmp_path / "file"), "/workspace")
    assert sum(value for labels, value in recorded.of(metrics.COPIED) if labels == {"direction": "to"}) == 5_000_000

    recorded.values.clear()  # connecting has run commands
    first.run(CmdRunAction("false"))
    first.read(FileReadAction("/none"))
    first.pause()
    with pytest.raises(AgentRuntimeNotReadyError):
        first.run(CmdRunAction("echo"))
    first.resume()
    with pytest.raises(SessionTimeoutError):
        first._session.act({"action": "run", "args": {"command": "sleep 0.2", "blocking": True}, "timeout": 20}, 0.01)
    psutil.Process(first._session.info["executor_pid"]).kill()
    for _ in range(2):
        with pytest.raises(AgentRuntimeDisconnectedError):
            first.run(CmdRunAction("sleep 9"))
    assert [tuple(labels.values()) for labels, _ in recorded.of(metrics.ACTIONS)] == [
        ("run", "ok"),  # whatever its exit code
        ("read", "error"),
        ("run", "paused"),
        ("run", "timeout"),
        ("run", "lost"),
        ("run", "lost"),
    ]
    took_s = [seconds for labels, seconds in recorded.of(metrics.ACTION_SECONDS) if labels["action"] == "run"]
    assert all(0 < seconds < 10 for seconds in took_s)
    assert [value for _, value in recorded.of(metrics.LOST)] == [1]  # once


class Endpoint:
    """The metrics of a node, as Prometheus' own reader sees them."""

    def __init__(self, url: str) -> None:
        self._url = url

    def values(self, name: str) -> list[tuple[Labels, float]]:
        with urlopen(self._url) as answer:
            text = answer.read().decode()
        return [
            (sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"ray_openhands_ray_{name}"
        ]

    def wait(self, name: str, value: float, **labels: str) -> None:
        """Wait until the metric with these labels adds up to ``value``; Ray exports once a second here."""
        self.wait_for(name, lambda total: total == value, **labels)

    def wait_for(self, name: str, wanted: Callable[[float], bool], **labels: str) -> None:
        while not wanted(self.total(name, **labels)):
            pass

    def total(self, name: str, **labels: str) -> float:
        return sum(each for found, each in self.values(name) if labels.items() <= found.items())


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {**variables(secrets.token_hex(16)), "RAY_metrics_report_interval_ms": "1000"}


def problem() -> str:
    """Return why no node can export metrics here, or nothing."""
    from ray._private.utils import get_dashboard_dependency_error

    error = get_dashboard_dependency_error()
    return "" if error is None else f"needs ray[default]: {error}"


@pytest.fixture(scope="module")
def exporting(environment: dict[str, str]) -> Iterator[Nodes]:
    """A cluster as people start it, whose node exports metrics."""
    nodes = Nodes()
    nodes.lead_by_ray_start(**environment)
    yield nodes
    nodes.close()


@pytest.mark.skipif(problem() != "", reason=problem())
def test_what_a_cluster_exports(exporting: Nodes, environment: dict[str, str], tmp_path: Path) -> None:
    driver = Driver(exporting.address, **environment)
    driver.create("first", warm_sessions=1)
    driver.create("second", warm_sessions=1)
    endpoint = Endpoint(driver.ask("metrics_address")["url"])
    for _ in range(3):
        driver.ask("run", sid="first", command="echo hi")
    driver.ask("act", sid="second", action="read", path="/workspace/none")
    (tmp_path / "file").write_bytes(b"x" * 5_000_000)
    driver.ask("upload", sid="first", path=str(tmp_path / "file"), to="/workspace")
    driver.ask("download", sid="first", path="/workspace/file")

    endpoint.wait("actions_total", 3, action="run", outcome="ok")
    endpoint.wait("actions_total", 1, action="read", outcome="error")
    endpoint.wait("action_seconds_count", 3, action="run")
    assert endpoint.total("action_seconds_bucket", action="run", le="+Inf") == 3
    endpoint.wait("pool_requests_total", 1, result="hit")
    endpoint.wait("pool_requests_total", 1, result="miss")
    endpoint.wait("session_start_seconds_count", 1, from_pool="yes")
    endpoint.wait("session_start_seconds_count", 1, from_pool="no")
    endpoint.wait("placement_wait_seconds_count", 1)
    endpoint.wait("copied_bytes_total", 5_000_000, direction="to")
    zipped = range(5_000_001, 5_001_000)  # nothing of it is deflated
    endpoint.wait_for("copied_bytes_total", lambda size: size in zipped, direction="from")
    endpoint.wait("sessions", 2, state="idle")
    endpoint.wait("sessions", 1, state="warm")
    endpoint.wait_for("session_memory_bytes", lambda size: 10e6 < size < 200e6, sid="first")

    driver.tell("create", sid="third", session_cpus=64.0, queue_timeout_s=4)
    endpoint.wait("sessions", 1, state="pending")
    while "failed" not in driver.hear():
        pass
    endpoint.wait("sessions", 0, state="pending")

    psutil.Process(driver.ask("info", sid="first")["info"]["executor_pid"]).kill()
    assert driver.ask("act", sid="first", action="run", command="sleep 9")["failed"] == "SessionLostError"
    endpoint.wait("actions_total", 1, action="run", outcome="lost")
    endpoint.wait("sessions_lost_total", 1)
    driver.end()
    assert endpoint.total("actions_total", action="run", outcome="ok") == 3  # those of a session that has ended stay
