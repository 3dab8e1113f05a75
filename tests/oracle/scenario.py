"""What a scenario is: a sequence of actions, the files that it finds, and how an answer is made comparable.

A scenario is written once and runs on both sides: OpenHands' own executor (``upstream.py``) and ``RayRuntime``. Its
actions are the plain dicts of OpenHands' ``event_to_dict``.
"""

from __future__ import annotations

import getpass
import hashlib
import re
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import browsed

Action = dict[str, Any]
Answer = dict[str, Any]

#: Characters of a text above which its beginning, its end and a hash of it all are recorded in its place.
LONG = 4000


@dataclass(frozen=True)
class Step:
    """One action, and whether what we answer differs from OpenHands on purpose.

    Attributes:
        action: as ``event_to_dict`` writes it.
        differs: the key of the deliberate difference (``DIFFERENCES`` of the area), or None.
        ours: what we answer there, field by field, where that is not what OpenHands answers: ``content``, or a key of
            the extras; a dotted name for one of the metadata (``metadata.suffix``).
    """

    action: Action
    differs: str | None = None
    ours: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """A behaviour, shown by a sequence of actions in a session of its own.

    Attributes:
        name: short, unique within its area.
        behaviour: one line for the table of what was compared.
        steps: each sees the state that those before it left.
        files: below ``/workspace``, there before the first step.
        plugins: of OpenHands, by name.
        no_change_timeout_s: seconds of silence after which a command is handed back.
        browser: whether there is one. Then ``<site>``, ``<secure site>`` and ``<closed port>`` in an action stand for
            the addresses of ``web_site.py``.
    """

    name: str
    behaviour: str
    steps: tuple[Step, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    no_change_timeout_s: int = 2
    browser: bool = False


def act(
    kind: str, timeout: float | None, differs: str | None = None, ours: dict[str, Any] | None = None, **args: Any
) -> Step:
    """Return the step of an action of any kind."""
    action: Action = {"action": kind, "args": args}
    if timeout is not None:
        action["timeout"] = timeout
    return Step(action, differs, ours or {})


def run(command: str, timeout: float | None = 30, **args: Any) -> Step:
    """Return the step of a command; ``blocking``, ``is_input`` and so on are arguments of ``CmdRunAction``."""
    return act("run", timeout, command=command, **args)


def read(path: str, **args: Any) -> Step:
    return act("read", 30, path=path, **args)


def write(path: str, content: str, **args: Any) -> Step:
    return act("write", 30, path=path, content=content, **args)


def edit(command: str, path: str, **args: Any) -> Step:
    return act("edit", 30, command=command, path=path, **args)


def cell(code: str, timeout: float | None = 60, **args: Any) -> Step:
    return act("run_ipython", timeout, code=code, **args)


def with_addresses(value: Any, addresses: dict[str, str]) -> Any:
    """Return an action with the addresses that its names stand for."""
    if isinstance(value, dict):
        return {key: with_addresses(each, addresses) for key, each in value.items()}
    if isinstance(value, list):
        return [with_addresses(each, addresses) for each in value]
    if isinstance(value, str):
        for name, address in addresses.items():
            value = value.replace(name, address)
    return value


def comparable(answer: Answer, addresses: dict[str, str] | None = None) -> Answer:
    """Return an answer without what differs between any two runs: clocks, ids, process ids, this machine's names.

    Addresses have their names again. Of a page's picture and tree remains what does not depend on the browser's version
    and the fonts: ``test_browser_live.py`` compares the rest.
    """
    if answer.get("observation") == "browse":
        answer = browsed.comparable(answer)
    answer = with_addresses(answer, {address: name for name, address in (addresses or {}).items()})
    kept = {key: answer[key] for key in ("observation", "content", "raised", "success") if key in answer}
    extras = dict(answer.get("extras", {}))
    if addresses and "metadata" in extras:  # beside a browser a command is but a helper
        extras["metadata"] = {"exit_code": extras["metadata"]["exit_code"]}
    elif isinstance(metadata := extras.get("metadata"), dict):
        pid = metadata.get("pid")
        extras["metadata"] = {**metadata, "pid": "<pid>" if isinstance(pid, int) and pid > 0 else pid}
    plain: Answer = _plain({**kept, **({"extras": extras} if extras else {})})
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return _shortened(_anonymous(value)) if isinstance(value, str) else value


# What is this machine's or this run's in a text, and what stands for it.
_NAMES = [
    (rf"{re.escape(str(Path.home()))}/\.python\b", "<python>"),  # the session's own, above the node's
    (re.escape(sys.prefix), "<python>"),
    (re.escape(sys.base_prefix), "<base python>"),
    (rf"\b{re.escape(socket.gethostname())}\b", "<host>"),
    (r"python3\.\d+", "python3.x"),
    (r"\bipykernel_\d+\b", "ipykernel_<pid>"),
    (r"0x[0-9a-f]{8,}", "<address>"),
]


def _anonymous(text: str) -> str:
    for pattern, name in _NAMES:
        text = re.sub(pattern, name, text)
    return text if getpass.getuser() != text else "<user>"


def _shortened(text: str) -> Any:
    if len(text) <= LONG:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return {"begins": text[:200], "ends": text[-200:], "characters": len(text), "sha256": digest}


def with_difference(recorded: Answer, step: Step) -> Answer:
    """Return what we are to answer: what OpenHands did, but for the step's deliberate difference."""
    expected = {**recorded, "extras": dict(recorded.get("extras", {}))}
    if "observation" in step.ours:
        expected = {"extras": {}}
    for name, value in step.ours.items():
        if name in ("observation", "content", "success"):
            expected[name] = value
            continue
        inside = expected["extras"]
        outer, dot, inner = name.partition(".")
        if dot:
            inside[outer] = {**inside.get(outer, {}), inner: value}
        else:
            inside[outer] = value
    if not expected["extras"]:
        del expected["extras"]
    return expected
