#!/usr/bin/env python
"""Print where the time of an action goes, as a part of docs/performance.md.

Each part is measured alone and in turn with the others: the whole, a bare Ray call with the same payload, the session's
side without Ray (its actor's class in this process: relay, sandbox, executor), and OpenHands' own events made into
bytes and back.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from openhands.events.action import CmdRunAction, FileEditAction, FileReadAction, FileWriteAction
from openhands.events.serialization import event_to_dict, observation_from_dict

from benchmarks.common import MEGABYTE, TEXT, leave, new_runtime
from benchmarks.references import BareActor
from openhands_ray import wire
from openhands_ray.worker.actor import SessionActor

#: Rounds over all parts, and those before them that do not count.
ROUNDS, WARM_UP = 300, 30

WORDS = ["line 20 of", "row 20 of"]

Part = Callable[[], Any]


def edit() -> FileEditAction:
    """Return an edit that finds what the last one but one has left: it runs in two sessions in turn."""
    old, new = WORDS
    return FileEditAction("/workspace/e.txt", command="str_replace", old_str=old, new_str=new)


#: Of each action: how it is made, and the reference's call: bytes that go, whether as many come back, or come alone.
ACTIONS: dict[str, tuple[Callable[[], Any], bytes, str]] = {
    "simple command": (lambda: CmdRunAction("echo word"), b"x" * 250, "swap"),
    "file edit": (edit, TEXT.encode(), "swap"),
    "1 MB write": (lambda: FileWriteAction("/workspace/w.txt", MEGABYTE), MEGABYTE.encode(), "take"),
    "1 MB read": (lambda: FileReadAction("/workspace/r.txt"), MEGABYTE.encode(), "give"),
}


def main() -> None:
    """Measure all actions and print the table."""
    runtime = new_runtime()
    asyncio.run(runtime.connect())
    spec: dict[str, Any] = {
        "workspace": "/workspace",
        "isolation": None,
        "volumes": [],
        "environment": {},
        "kernel": False,
    }
    alone = SessionActor({**spec, "sid": uuid.uuid4().hex, "no_change_timeout_s": 10})
    bare = BareActor()
    try:
        for path, text in (("e", TEXT), ("r", MEGABYTE)):
            write = FileWriteAction(f"/workspace/{path}.txt", text)
            runtime.run_action(write)
            alone.act(wire.pack(event_to_dict(write)))
        print("\n## Where the time goes\n")
        print(f"Of commit {commit()}. Medians in ms, each part measured alone and in turn with the others")
        print("(`scripts/profile_actions.py`).\n")
        print("| action | whole | bare Ray call | the session without Ray | events and bytes | the rest |")
        print("|---|--:|--:|--:|--:|--:|")
        for name, (make, payload, call) in ACTIONS.items():
            print(row(name, parts(runtime, alone, bare, make, payload, call)), flush=True)
        print("\nThe rest is what a call costs beside another's: memory that is not in the cache, threads that wake.")
    finally:
        alone.close()
        bare.close()
        leave(runtime)


def commit() -> str:
    """Return the short hash of what is checked out."""
    answer = subprocess.run(["git", "rev-parse", "--short=8", "HEAD"], check=True, capture_output=True, text=True)
    return answer.stdout.strip()


def parts(runtime: Any, alone: SessionActor, bare: BareActor, make: Part, payload: bytes, call: str) -> list[Part]:
    """Return what is measured of one action: the whole, the reference, the session's side, the events."""
    if call == "give":
        bare.take(payload)
    reference = {"swap": lambda: bare.swap(payload), "take": lambda: bare.take(payload), "give": bare.give}[call]
    answer = event_answer(alone, make)

    def whole() -> None:
        runtime.run_action(make())

    def session() -> None:
        alone.act(wire.pack(event_to_dict(make())))
        if make is edit:
            WORDS.reverse()  # both sessions have made this one

    def events() -> None:
        wire.pack(event_to_dict(make()))
        observation_from_dict(wire.unpack(answer)["observation"])

    return [whole, reference, session, events]


def event_answer(alone: SessionActor, make: Part) -> bytes:
    """Return the bytes of an action's observation."""
    answer = bytes(alone.act(wire.pack(event_to_dict(make()))))
    if make is edit:  # undo it: this session is one ahead
        old, new = WORDS
        back = FileEditAction("/workspace/e.txt", command="str_replace", old_str=new, new_str=old)
        alone.act(wire.pack(event_to_dict(back)))
    return answer


def row(name: str, measured: list[Part]) -> str:
    """Measure the parts in turn and return their line of the table."""
    times: list[list[float]] = [[] for _ in measured]
    for _ in range(ROUNDS):
        for part, samples in zip(measured, times, strict=True):
            start = time.perf_counter()
            part()
            samples.append(time.perf_counter() - start)
    whole, bare, session, events = (1000 * median(samples[WARM_UP:]) for samples in times)
    rest = whole - bare - session
    return f"| {name} | {whole:.2f} | {bare:.2f} | {session:.2f} | {events:.2f} | {rest:.2f} |"


if __name__ == "__main__":
    main()
