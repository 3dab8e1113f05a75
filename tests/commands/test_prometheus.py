from __future__ import annotations

import json
import re

from prometheus_client.parser import text_string_to_metric_families
from support import ROOT

from openhands_ray import metrics
from openhands_ray.commands.prometheus import STATES, exposition
from openhands_ray.inventory import NodeRow, SessionRow
from openhands_ray.metrics import PREFIX
from openhands_ray.placement import Node

USED = SessionRow(
    sid='odd "id"\\n',
    node="10.0.0.1",
    state="idle",
    age_s=70.0,
    idle_s=65.5,
    actions=3,
    action="run",
    memory_bytes=61_400_000,
    from_pool=False,
)
WAITING = SessionRow(sid="new", node=None, state="pending")
NODE = Node("1", "10.0.0.1", "big", {"CPU": 8.0, "node:10.0.0.1": 1.0}, {"CPU": 5.5}, {})


def read(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Return the samples by the names of their metrics, as Prometheus' own reader sees them."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_what_is_exported() -> None:
    found = read(exposition([USED, WAITING], [NodeRow(NODE, 1)]))
    states = {labels["state"]: value for labels, value in found["openhands_ray_sessions"]}
    assert states == {**dict.fromkeys(STATES, 0), "idle": 1, "pending": 1}
    labels = {"sid": USED.sid, "node": "10.0.0.1"}
    assert found["openhands_ray_session_memory_bytes"] == [(labels, 61_400_000)]
    assert found["openhands_ray_session_idle_seconds"] == [(labels, 65.5)]
    assert found["openhands_ray_session_actions_total"] == [(labels, 3)]
    assert found["openhands_ray_node_sessions"] == [({"node": "10.0.0.1"}, 1)]
    assert found["openhands_ray_node_free"] == [({"node": "10.0.0.1", "resource": "CPU"}, 5.5)]


def test_an_empty_cluster() -> None:
    assert {value for _, value in read(exposition([], []))["openhands_ray_sessions"]} == {0}


def test_dashboard_and_alerts_use_all_that_is_exported_and_nothing_else() -> None:
    printed = set(read(exposition([USED], [NodeRow(NODE, 1)])))
    parts = {"histogram": ["_bucket"], "counter": [""], "gauge": [""]}
    of_ray = {f"ray_{PREFIX}{metric.name}{part}" for metric in metrics.ALL for part in parts[metric.kind]}
    dashboard = json.loads((ROOT / "deploy/grafana.json").read_text())
    alerts = (ROOT / "deploy/alerts.yml").read_text()
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used: set[str] = set()
    for text in (alerts, *expressions):
        names = set(re.findall(rf"\b(?:ray_)?{PREFIX}\w+", text))
        assert names
        assert names <= printed | of_ray
        used |= names
    assert used == printed | of_ray


def test_the_document_lists_all_of_them() -> None:
    text = (ROOT / "docs/observability.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", text, re.MULTILINE)
    listed = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    printed = read(exposition([USED], [NodeRow(NODE, 1)]))
    assert listed.keys() == {metric.name for metric in metrics.ALL} | printed.keys()
    for metric in metrics.ALL:
        assert listed[metric.name] == (metric.kind, metric.labels)
    for name, samples in printed.items():
        assert set(listed[name][1]) == samples[0][0].keys()
    alerts = re.findall(r"alert: (\w+)", (ROOT / "deploy/alerts.yml").read_text())
    assert all(f"`{alert}`" in text for alert in alerts)


def test_labels_in_the_dashboard_and_the_alerts_exist() -> None:
    labels = {label for metric in metrics.ALL for label in metric.labels} | {"NodeAddress", "le"}  # Ray's, Prometheus'
    labels |= {label for samples in read(exposition([USED], [NodeRow(NODE, 1)])).values() for label in samples[0][0]}
    for file in ("grafana.json", "alerts.yml"):
        text = (ROOT / "deploy" / file).read_text().replace('\\"', '"')
        grouped = {each.strip() for found in re.findall(r"by \(([^)]*)\)", text) for each in found.split(",")}
        matched = set(re.findall(r"[{,]\s*(\w+)(?:=~|!=|=)\"", text))
        shown = set(re.findall(r"{{\s*(?:\$labels\.)?(\w+)\s*}}", text))
        assert grouped | matched | shown <= labels
        assert all((grouped, matched, shown))
