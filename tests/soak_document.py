"""The figures of ``soak.py`` as a document, and what counts as flat."""

from __future__ import annotations

from typing import Any

Figures = dict[str, Any]

#: What memory may be larger at the end than after warm-up. Allocators keep a few per cent more or less, and what grew
#: with each action or session would be far beyond it: a kilobyte of each of 10,000 actions is 10 MB.
MEMORY_GROWTH = 0.1

#: How many descriptors and threads may be more at the end than after warm-up: none would be left for each session.
MORE_FDS = 4

_NAMES = {
    "program_bytes": "program, with OpenHands in it",
    "ray_bytes": "Ray's own processes",
    "gcs_bytes": "of these, its control service (GCS)",
    "session_bytes": "a session, actor and all below it",
    "program_fds": "program",
    "program_threads": "program, threads",
    "ray_fds": "GCS and raylet",
    "session_fds": "a session",
}


def grown(figures: Figures) -> list[str]:
    """Return what was not flat, in words."""
    found = []
    for part in ("actions", "sessions"):
        for name, words in _NAMES.items():
            before, after = figures[part][name]["after_warm_up"], figures[part][name]["at_end"]
            if after > before + (MEMORY_GROWTH * before if name.endswith("bytes") else MORE_FDS):
                found.append(f"{part}: {words} ({name}) from {before:.0f} to {after:.0f}")
    return found


def document(figures: Figures) -> str:
    """Return the Markdown."""
    actions, sessions = figures["actions"], figures["sessions"]
    each = 1e3 * actions["seconds"] / actions["count"]
    return f"""# Soak

Written by `make soak`, from `docs/soak.json`. {actions["count"]:,} mixed actions (a command, a write, a read, an edit
and a cell in turn, each answer compared with what it must be), dealt to {figures["sessions_at_once"]} sessions. Then
{sessions["count"]:,} sessions, opened, used and closed one after the other, with the pool of warm sessions as it is by
default. One program, one private cluster, a machine of {figures["cpus"]} CPUs.

| | succeeded | took |
|---|---|---|
| actions | {actions["succeeded"]:,} of {actions["count"]:,} | {actions["seconds"]:.0f} s, {each:.1f} ms each |
| sessions | {sessions["succeeded"]:,} of {sessions["count"]:,} | {sessions["seconds"]:.0f} s, \
{sessions["seconds"] / sessions["count"]:.2f} s each |

Afterwards {_left(figures["left"])} were left.

## Memory

In MB, what is mapped from no file. (The unique set, USS, also has the libraries that no other program uses just then.)
The medians of a fifth of the looks: after warm-up, the first {figures["warm_up"]:.0%}, and at the end. It is flat where
it has grown by less than {MEMORY_GROWTH:.0%}: what grew with each action or session would be far beyond that.

{_table(figures, "bytes", 1e6)}

## Descriptors and threads

The same. It is flat where there are at most {MORE_FDS} more.

{_table(figures, ("fds", "threads"), 1)}
"""


def _left(left: dict[str, int]) -> str:
    words = {"folders": "folders of sessions", "processes": "processes", "files": "temporary files"}
    words |= {"shared memory": "pieces of shared memory"}
    said = [f"{left[name]} {word}" for name, word in words.items()]
    return f"{', '.join(said[:-1])} and {said[-1]}"


def _table(figures: Figures, endings: str | tuple[str, ...], unit: float) -> str:
    lines = [
        f"| | after warm-up | after {figures['actions']['count']:,} actions | after warm-up "
        f"| after {figures['sessions']['count']:,} sessions |",
        "|---|---|---|---|---|",
    ]
    for name, words in _NAMES.items():
        if name.endswith(endings):
            cells = [figures[part][name][when] for part in ("actions", "sessions") for when in _WHEN]
            lines.append(f"| {words} | {' | '.join(f'{cell / unit:.0f}' for cell in cells)} |")
    return "\n".join(lines)


_WHEN = ("after_warm_up", "at_end")
