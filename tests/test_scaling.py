"""Two hundred sessions, or as many as there is memory for, on a cluster of logical nodes."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from support import figures_of

SESSION_BYTES = 70e6


@pytest.mark.long
def test_many_sessions_start_act_and_leave_nothing(tmp_path: Path) -> None:
    room = psutil.virtual_memory().available - 4e9
    count = min(200, int(room / SESSION_BYTES))
    assert count >= 8, "there is no memory for this"
    figures = figures_of("scaling.py", tmp_path, str(count))
    (level,) = figures["levels"]
    print(f"{count} sessions: {level}")
    assert level["sessions"] == count
    assert level["fullest_node"] <= level["ideal_node"] + 1
    assert level["memory_bytes"] < SESSION_BYTES
    assert level["left"] == {"sessions": 0, "folders": 0}
    assert figures["left"] == {"processes": 0, "folder": False}
