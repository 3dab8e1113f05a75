"""The alert rules in Prometheus' own engine: on what each fires, and on what it does not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import ROOT

RULES = ROOT / "deploy/alerts.yml"
ACTIONS, SECONDS = "ray_openhands_ray_actions_total", "ray_openhands_ray_action_seconds_bucket"
START, WAIT = "ray_openhands_ray_session_start_seconds_bucket", "ray_openhands_ray_placement_wait_seconds_bucket"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="promtool comes from one of Debian's packages"),
]


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' tool for rules; the package is unpacked, not installed: nothing of it is started."""
    if found := shutil.which("promtool"):
        return found
    folder = ROOT / ".cache/prometheus"
    if not (folder / "usr/bin/promtool").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "download", "-qq", "prometheus"], cwd=folder, check=True, stderr=subprocess.DEVNULL)
        (package,) = folder.glob("*.deb")
        subprocess.run(["dpkg", "-x", package, folder], check=True)
        package.unlink()
    return str(folder / "usr/bin/promtool")


@dataclass(frozen=True)
class Case:
    """Series by name, a value for each minute in the notation of Prometheus, and what fires at a minute of them."""

    series: dict[str, str]
    minute: int
    fires: set[str]


def histogram(name: str, bucket_s: float, labels: str = "") -> dict[str, str]:
    """Ten values a minute, all in the bucket up to ``bucket_s``."""
    bounds = [0.1, 1, 10, 100]
    of = {bound: "0+10x40" if bound >= bucket_s else "0x40" for bound in bounds} | {"+Inf": "0+10x40"}
    return {f'{name}{{{labels}le="{bound}"}}': values for bound, values in of.items()}


def sessions(values: str, state: str = "idle") -> dict[str, str]:
    return {f'openhands_ray_sessions{{state="{state}"}}': values}


HERE = sessions("5x100")
CASES = {
    "nothing is wrong": Case(
        {
            **HERE,
            f'{ACTIONS}{{outcome="ok",WorkerId="1"}}': "0+100x40",
            f'{ACTIONS}{{outcome="error",WorkerId="1"}}': "0+5x40",
            **histogram(SECONDS, 0.1, 'action="read",'),
            **histogram(START, 1),
            **histogram(WAIT, 10),
            'openhands_ray_session_memory_bytes{sid="a",node="n"}': "1e8x40",
            'openhands_ray_session_idle_seconds{sid="a",node="n"}': "0+60x40",
            'openhands_ray_node_sessions{node="n"}': "8x40",
            'openhands_ray_node_sessions{node="m"}': "9x40",
        },
        30,
        set(),
    ),
    "most actions fail": Case(
        {**HERE, f'{ACTIONS}{{outcome="ok"}}': "0+10x40", f'{ACTIONS}{{outcome="failed"}}': "0+30x40"},
        30,
        {"ActionsFail"},
    ),
    "the actions of a program that has just begun fail": Case(
        {
            **HERE,
            f'{ACTIONS}{{outcome="ok",WorkerId="1"}}': "100x40",
            f'{ACTIONS}{{outcome="timeout",WorkerId="2"}}': "_x14 900+10x30",
        },
        21,
        {"ActionsFail"},
    ),
    "a few actions, which fail": Case({**HERE, f'{ACTIONS}{{outcome="error"}}': "0+1x40"}, 30, set()),
    "they failed, an hour ago": Case(
        {**HERE, f'{ACTIONS}{{outcome="ok"}}': "0+100x90", f'{ACTIONS}{{outcome="error"}}': "0+100x20 2000x70"},
        80,
        set(),
    ),
    "a session was lost": Case({**HERE, "ray_openhands_ray_sessions_lost_total": "_x10 1x30"}, 15, {"SessionsLost"}),
    "a session was lost half an hour ago": Case(
        {**HERE, "ray_openhands_ray_sessions_lost_total": "_x5 1x60"}, 40, set()
    ),
    "files are slow": Case({**HERE, **histogram(SECONDS, 10, 'action="write",')}, 30, {"FileActionsSlow"}),
    "commands are slow": Case({**HERE, **histogram(SECONDS, 10, 'action="run",')}, 30, set()),
    "sessions start slowly": Case({**HERE, **histogram(START, 100)}, 30, {"SessionsStartSlowly"}),
    "places are rare": Case({**HERE, **histogram(WAIT, 100)}, 30, {"PlacementSlow"}),
    "a session waits, seen from outside": Case({**HERE, **sessions("1x40", "pending")}, 30, {"SessionsWaitForAPlace"}),
    "a session waits, as its program says": Case(
        {'ray_openhands_ray_sessions{state="pending"}': "1x40", "ray_resources": "1x40"}, 30, {"SessionsWaitForAPlace"}
    ),
    "a session is silent": Case({**HERE, **sessions("1x40", "silent")}, 30, {"SessionsSilent"}),
    "half of the sessions end": Case(sessions("20x20 5x20"), 21, {"SessionsEndedAtOnce"}),
    "a session is large": Case(
        {**HERE, 'openhands_ray_session_memory_bytes{sid="a",node="n"}': "5e9x40"}, 30, {"SessionTakesMuchMemory"}
    ),
    "a session is forgotten": Case(
        {**HERE, 'openhands_ray_session_idle_seconds{sid="a",node="n"}': "30000x40"}, 30, {"SessionsForgotten"}
    ),
    "one node has them all": Case(
        {
            **HERE,
            'openhands_ray_node_sessions{node="n"}': "20x40",
            'openhands_ray_node_sessions{node="m"}': "0x40",
            'openhands_ray_node_sessions{node="o"}': "1x40",
        },
        30,
        {"SessionsUnbalanced"},
    ),
    "there are no figures": Case({"up": "0x40"}, 30, {"NoFigures"}),
}


def test_every_alert_fires_in_one_case() -> None:
    assert set().union(*(case.fires for case in CASES.values())) == set(re.findall(r"alert: (\w+)", RULES.read_text()))


def test_the_rules_are_well_formed(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_alerts(promtool: str, tmp_path: Path, case: Case) -> None:
    fired = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(case.fires)]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{case.minute}m",
                "exp_samples": fired,
            }
        ],
    }
    path = tmp_path / "test.yml"
    path.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_expressions_of_the_dashboard_are_well_formed(promtool: str, tmp_path: Path) -> None:
    panels = json.loads((ROOT / "deploy/grafana.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert expressions
    rules = [{"record": f"expression_{number}", "expr": each} for number, each in enumerate(expressions)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
