"""What ``scaling.py`` has measured, as ``docs/scaling.md``: the tables, and a plan for a large cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Figures = dict[str, Any]

#: The cluster that is planned, and what its machines have by default.
SESSIONS, NODES = 10_000, 100
NODE_CPUS, NODE_BYTES = 16, 64e9
OPEN_FILES, NODE_TASKS = 1024, 32_768

#: Seconds between two actions of an agent: it waits for its language model.
THINKING_S = 5.0

#: Seconds in which all sessions are to be opened.
OPENING_S = 60.0


@dataclass(frozen=True)
class Limit:
    """One thing that a large cluster runs out of.

    Attributes:
        what: its name.
        each: what was measured, for people.
        share: how much of it the plan takes; above 1 there is not enough.
        remedy: what to set.
    """

    what: str
    each: str
    share: float
    remedy: str


def limits(figures: Figures) -> list[Limit]:
    """Return what the plan takes of everything that has an end, the scarcest first."""
    level = figures["levels"][-1]
    action, opening = level["action_s"]["cpu"], level["opening_s"]["cpu"]
    on_node, rate = SESSIONS / NODES, SESSIONS / THINKING_S
    node_action, node_opening = (cpu["raylets"] + cpu["sessions and agents"] for cpu in (action, opening))
    found = [
        Limit(
            "CPU of one driver program (one core: Python's lock)",
            f"{1e3 * action['driver']:.2f} ms an action",
            action["driver"] * rate,
            "several programs, each with its share of the agents",
        ),
        Limit(
            f"open files of one driver program (`ulimit -n` {OPEN_FILES})",
            f"{level['driver_fds']:.1f} a session",
            level["driver_fds"] * SESSIONS / OPEN_FILES,
            "`ulimit -n 65536`, or several programs",
        ),
        Limit(
            f"memory of a node ({NODE_BYTES / 1e9:.0f} GB)",
            f"{level['memory_bytes'] / 1e6:.0f} MB a session, {figures['node_bytes'] / 1e6:.0f} MB for Ray",
            (level["memory_bytes"] * on_node + figures["node_bytes"]) / NODE_BYTES,
            "`OPENHANDS_RAY_SESSION_MEMORY_BYTES`, as much as agents' programs need: then Ray does not overfill nodes",
        ),
        Limit(
            f"CPUs of a node ({NODE_CPUS}), for sessions that do nothing: the timers of Ray's workers",
            f"{1e3 * level['idle_cpus']:.1f} ms a second and session",
            level["idle_cpus"] * on_node / NODE_CPUS,
            "fewer, busier sessions; an idle limit (`OPENHANDS_RAY_IDLE_LIMIT_S`)",
        ),
        Limit(
            f"CPUs of a node ({NODE_CPUS}), for actions",
            f"{1e3 * node_action:.2f} ms an action",
            node_action * rate / NODES / NODE_CPUS,
            "`OPENHANDS_RAY_SESSION_CPUS`, as much as agents' programs need",
        ),
        Limit(
            f"CPUs of a node ({NODE_CPUS}), to open all within {OPENING_S:.0f} s",
            f"{node_opening:.2f} s a session",
            node_opening * on_node / OPENING_S / NODE_CPUS,
            "open them over a longer time; `OPENHANDS_RAY_WARM_SESSIONS`",
        ),
        Limit(
            f"Ray's control service (GCS), to open all within {OPENING_S:.0f} s",
            f"{1e3 * opening['gcs']:.1f} ms a session",
            opening["gcs"] * SESSIONS / OPENING_S,
            "open them over a longer time; several clusters",
        ),
        Limit(
            f"processes and threads of a node ({NODE_TASKS})",
            f"{level['processes']:.1f} processes, {level['threads']:.0f} threads a session",
            level["threads"] * on_node / NODE_TASKS,
            "`kernel.pid_max`, and `TasksMax` of the unit that runs Ray",
        ),
    ]
    return sorted(found, key=lambda limit: -limit.share)


def document(figures: Figures) -> str:
    """Return the Markdown."""
    levels, found = figures["levels"], limits(figures)
    short = [limit.what.partition(" (")[0] for limit in found if limit.share > 1]
    return f"""# Scaling

Written by `make scaling`, from `docs/scaling.json`. Sessions with a shell and nothing else, on a cluster of
{figures["nodes"]} logical nodes, all on one machine of {figures["cpus"]} CPUs and
{figures["memory_bytes"] / 1e9:.0f} GB. One program opens them, {figures["at_once"]} at a time, has all of them act at
once for some seconds, each as soon as it has its last answer, and closes them. So times are those of a machine that is
full; what each session and each action takes is what counts for a larger cluster.

## Opening and closing

{_table(_OPENING, levels)}

The fullest node is beside the number that each would have if sessions were dealt ideally. Memory is unique (USS), of
the actor and all below it. A logical node itself, Ray's processes on it, takes {figures["node_bytes"] / 1e6:.0f} MB.
Afterwards {_left(figures)}.

## Acting

{_table(_ACTING, levels)}

`echo`, from the program to its observation. CPU time is per action, by whose it is; what idle sessions take of the CPU
meanwhile is in it.

## {SESSIONS:,} sessions on {NODES} nodes

What the last level measured for each, times what is planned: {SESSIONS // NODES} sessions on each node of {NODE_CPUS}
CPUs and {NODE_BYTES / 1e9:.0f} GB, agents that act every {THINKING_S:.0f} seconds, one program, and all sessions opened
within {OPENING_S:.0f} seconds. Above 100 % it is not enough. What agents' own programs take comes on top.
The machine was full by then, and what the timers of all processes and the switching between them take is in these
figures: they are rather too high than too low.

| limit | measured | share | what to set |
|---|---|---|---|
{chr(10).join(f"| {each.what} | {each.each} | {each.share:.0%} | {each.remedy} |" for each in found)}

{_verdict(short, found)}
Nothing here was measured beyond {levels[-1]["sessions"]} sessions: these are straight lines, and what does not grow
in a straight line, such as Ray's exchange between many nodes, is not in them.
"""


def _verdict(short: list[str], found: list[Limit]) -> str:
    first = found[0].what.partition(" (")[0]
    if not short:
        return f"All of it fits; {first} is the first to run out."
    return f"Not enough as it is: {'; '.join(short)}. The first to run out is {first}."


def _left(figures: Figures) -> str:
    left = [sum(level["left"][name] for level in figures["levels"]) for name in ("sessions", "folders")]
    after = figures["left"]["processes"]
    return f"{left[0]} sessions and {left[1]} of their folders were left, and after the cluster {after} processes"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


_Columns = dict[str, Any]

_OPENING: _Columns = {
    "sessions": lambda level: str(level["sessions"]),
    "opened": lambda level: f"{level['open_per_s']:.1f} a second",
    "start, median": lambda level: _ms(level["opening_s"]["median"]),
    "start, 95 %": lambda level: _ms(level["opening_s"]["p95"]),
    "fullest node": lambda level: f"{level['fullest_node']} of {level['ideal_node']}",
    "memory of each": lambda level: f"{level['memory_bytes'] / 1e6:.0f} MB",
    "processes of each": lambda level: f"{level['processes']:.1f}",
    "CPU of each, idle": lambda level: f"{level['idle_cpus']:.1%}",
    "closing, each": lambda level: _ms(level["closing_s"]),
}
_ACTING: _Columns = {
    "sessions": lambda level: str(level["sessions"]),
    "actions": lambda level: f"{level['actions_per_s']:.0f} a second",
    "median": lambda level: _ms(level["action_s"]["median"]),
    "95 %": lambda level: _ms(level["action_s"]["p95"]),
    "CPU: program": lambda level: _ms(level["action_s"]["cpu"]["driver"]),
    "CPU: session": lambda level: _ms(level["action_s"]["cpu"]["sessions and agents"]),
    "CPU: raylets": lambda level: _ms(level["action_s"]["cpu"]["raylets"]),
    "CPU: GCS": lambda level: _ms(level["action_s"]["cpu"]["gcs"]),
}


def _table(columns: _Columns, levels: list[Figures]) -> str:
    head = f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"
    return "\n".join([head, *(f"| {' | '.join(cell(level) for cell in columns.values())} |" for level in levels)])
