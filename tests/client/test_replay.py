"""RayRuntime under OpenHands' own entry point: a recorded trajectory is replayed, with no language model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TRAJECTORY = Path(__file__).parents[1] / "data" / "trajectory.json"


def test_openhands_replays_a_trajectory(tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    (tmp_path / "config.toml").write_text(
        f"""
[core]
runtime = "openhands_ray.RayRuntime"
replay_trajectory_path = "{TRAJECTORY}"
save_trajectory_path = "{saved}"
file_store = "local"
file_store_path = "{tmp_path}/store"
max_iterations = 20
[llm]
model = "none"
api_key = "none"
"""
    )
    environment = {**os.environ, "HOME": str(tmp_path), "OPENHANDS_SUPPRESS_BANNER": "1"}
    environment.pop("RUNTIME", None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "openhands.core.main", "--config-file", str(tmp_path / "config.toml")],
        cwd=tmp_path,
        env=environment,
        input="\n",  # OpenHands asks for a task first; there is none in a replay
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    events = json.loads(saved.read_text())
    answers = [(event["observation"], event["content"]) for event in events if "observation" in event]
    observed = [answer for answer in answers if answer[0] in ("run", "edit", "run_ipython", "read", "error")]
    assert [kind for kind, _ in observed] == ["run", "edit", "run", "edit", "run_ipython", "read", "run"]
    assert observed[0][1] == "/workspace/primes"
    assert observed[2][1] == "2 3 5 7 11 13 17 19"
    assert observed[4][1].startswith("29")
    assert observed[6][1] == "2 3 5 7 11 13 17 19 23 29"
