"""A whole run of an agent, as OpenHands drives it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from openhands.core.config import LLMConfig, OpenHandsConfig
from openhands.events.action import NullAction

from benchmarks.common import connected_runtime, leave, shared_cluster

#: Commands of the recorded run.
REPLAYED = 50


class Replay:
    """A recorded run of an agent of fifty actions, replayed by OpenHands' own controller, whose pace is part of it."""

    version = "2"
    timeout = 180.0
    number = 1
    repeat = 1  # it takes as long each time
    rounds = 1
    warmup_time = 0.0

    def setup(self) -> None:
        """Write down what the agent has done; connect."""
        from openhands.core.main import run_controller  # imports all of OpenHands' agents, which takes a second

        self.run_controller = run_controller
        shared_cluster()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name, "trajectory.json")
        path.write_text(json.dumps(_trajectory()))
        self.config = OpenHandsConfig(replay_trajectory_path=str(path), file_store="memory", enable_browser=False)
        self.config.set_llm_config(LLMConfig(model="none", api_key="none"))
        self.runtime = connected_runtime(config=self.config)

    def teardown(self) -> None:
        """End the session."""
        leave(self.runtime)
        self.folder.cleanup()

    def time_replay(self) -> None:
        """Replay it."""
        state = asyncio.run(self.run_controller(self.config, NullAction(), sid=self.runtime.sid, runtime=self.runtime))
        said = [event.content for event in self.runtime.event_stream.search_events() if hasattr(event, "exit_code")]
        if state is None or str(state.agent_state.value) != "finished" or len(said) != REPLAYED:
            raise AssertionError(f"The replay ended as {state and state.agent_state} after {len(said)} commands.")

    time_replay.pretty_name = "Recorded run of an agent (50 commands)"  # type: ignore[attr-defined]


def _trajectory() -> list[dict[str, Any]]:
    """Return the events of a run, as OpenHands saves them."""
    begin = {"id": 1, "source": "user", "action": "message", "args": {"content": "Count."}}
    commands = [
        {"id": number + 2, "source": "agent", "action": "run", "args": {"command": f"echo {number}"}}
        for number in range(REPLAYED)
    ]
    end = {"id": REPLAYED + 2, "source": "agent", "action": "finish", "args": {"final_thought": "Counted."}}
    return [begin, *commands, end]
