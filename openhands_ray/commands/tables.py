"""The tables of sessions and nodes, for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from openhands_ray.commands.units import size, span
from openhands_ray.inventory import NodeRow, SessionRow

_STYLES = {"running": "green", "paused": "yellow", "pending": "yellow", "silent": "red", "warm": "cyan"}


def sessions_table(rows: Iterable[SessionRow]) -> Table:
    """Return the table of sessions, one a line."""
    table = _table("id", "node", "age", "state", "memory", "last action", "pool")
    table.columns[4].justify = "right"
    for row in rows:
        state = Text(row.state, style=_STYLES.get(row.state, ""))
        last = "-" if row.action is None else row.action + (f", {span(row.idle_s)} ago" if row.idle_s else "")
        pool = {None: "-", True: "warm" if row.sid is None else "taken", False: "kept alive" if row.kept else "-"}
        id_ = Text(row.sid or "-")  # an id is text, whatever brackets are in it
        table.add_row(id_, row.node or "-", span(row.age_s), state, size(row.memory_bytes), last, pool[row.from_pool])
    return table


def nodes_table(rows: Iterable[NodeRow]) -> Table:
    """Return the table of nodes, with what sessions have had set aside of them."""
    table = _table("node", "host", "sessions", "CPUs set aside", "memory set aside")
    for column in table.columns[2:]:
        column.justify = "right"
    for row in rows:
        total, free = row.node.total, row.node.free
        cpus, memory = total.get("CPU", 0), total.get("memory", 0)
        table.add_row(
            row.node.address,
            row.node.host,
            str(row.sessions),
            f"{cpus - free.get('CPU', 0):g} of {cpus:g}",
            f"{size(memory - free.get('memory', 0))} of {size(memory)}",
        )
    return table


def tally(rows: Iterable[SessionRow]) -> str:
    """Return how many sessions are in which state, in brackets, or nothing."""
    counts = Counter(row.state for row in rows)
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    return f" ({told})" if told else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
