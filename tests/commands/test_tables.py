from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from openhands_ray.commands.tables import nodes_table, sessions_table, tally
from openhands_ray.commands.units import plural, size, span
from openhands_ray.inventory import NodeRow, SessionRow
from openhands_ray.placement import Node


def printed(table: object) -> list[list[str]]:
    """Return the cells of each line, as a terminal of 120 columns shows them."""
    console = Console(width=120)
    with console.capture() as captured:
        console.print(table)
    return [[cell for cell in map(str.strip, line.split("  ")) if cell] for line in captured.get().splitlines()]


def test_sessions() -> None:
    used: dict[str, Any] = {"age_s": 3700.0, "idle_s": 65.0, "action": "run", "memory_bytes": 61_400_000}
    rows = [
        SessionRow(sid="a[b]", node="10.0.0.1", state="idle", **used, from_pool=True, kept=False),
        SessionRow(sid=None, node="10.0.0.2", state="warm", age_s=4.2, idle_s=4.1, memory_bytes=1, from_pool=True),
        SessionRow(sid="new", node=None, state="pending"),
    ]
    assert printed(sessions_table(rows)) == [
        ["id", "node", "age", "state", "memory", "last action", "pool"],
        ["a[b]", "10.0.0.1", "1 h 1 min", "idle", "61 MB", "run, 1 min 5 s ago", "taken"],
        ["-", "10.0.0.2", "4 s", "warm", "0 MB", "-", "warm"],
        ["new", "-", "-", "pending", "-", "-", "-"],
    ]
    assert tally(rows) == " (1 idle, 1 pending, 1 warm)"
    assert tally([]) == ""


def test_nodes() -> None:
    node = Node("1", "10.0.0.1", "big", {"CPU": 8.0, "memory": 16e9}, {"CPU": 5.5, "memory": 12e9}, {})
    assert printed(nodes_table([NodeRow(node, 3)])) == [
        ["node", "host", "sessions", "CPUs set aside", "memory set aside"],
        ["10.0.0.1", "big", "3", "2.5 of 8", "4.0 GB of 16.0 GB"],
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.9, "0 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (86399, "23 h 59 min"), (90000, "1 d 1 h")],
)
def test_spans(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


def test_sizes_and_counts() -> None:
    assert [size(each) for each in (None, 999e6, 1e9)] == ["-", "999 MB", "1.0 GB"]
    assert [plural(count, "session") for count in (0, 1, 2)] == ["0 sessions", "1 session", "2 sessions"]
