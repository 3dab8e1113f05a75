"""Splitting a script into commands, as OpenHands does it to refuse more than one at a time; typing one into a shell."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

#: Bytes of a line that a terminal's line discipline holds (4,096), with some room.
LINE_BYTES = 4000


@dataclass(frozen=True)
class Script:
    """A script as OpenHands' parser reads it.

    Attributes:
        commands: each with what follows it up to the next one.
        understood: whether the parser took it for whole commands, or it is the beginning of one. The parser does not
            know ``[[ ]]``, ``case`` and more, and then takes the script for one command.
    """

    commands: list[str]
    understood: bool = True


def parse(script: str) -> Script:
    """Split ``script`` into its commands."""
    if not script.strip():
        return Script([""])
    if "\n" not in script:
        # The parser ends a command at a newline only; with none of them there is one, and 0.2 ms are saved.
        return Script([script])
    import bashlex

    try:
        spans = [node.pos for node in bashlex.parse(script)]
    except Exception:  # whatever the parser stumbles over, the shell will say what is wrong, if anything is
        return Script([script], understood=_unfinished(script))
    if not spans:
        return Script([script.rstrip()])
    head = script[: spans[0][0]].rstrip()
    starts = [start for start, _ in spans[1:]] + [len(script)]
    commands = [
        script[start:end].rstrip() + script[end:following].rstrip()
        for (start, end), following in zip(spans, starts, strict=True)
    ]
    return Script([head, *commands] if head else commands)


def _unfinished(script: str) -> bool:
    """Ask bash, which reads the script without running it, whether it would wait for more."""
    said = subprocess.run(
        ["/bin/bash", "-n"],
        input=script.encode("utf-8", "surrogateescape"),
        env={"LC_ALL": "C"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    ).stderr
    return _END_TOO_EARLY.search(said) is not None


_END_TOO_EARLY = re.compile(rb"unexpected (EOF|end of file)|delimited by end-of-file")


def typed(script: Script) -> bytes:
    """Return what to type for the one command of ``script``, so that exactly one prompt answers it.

    It is typed as it is where that is sure: not with control characters, which the terminal would act upon, nor lines
    that are too long for it, nor several lines that the shell may take for several commands.
    """
    command = script.commands[0]
    data = command.encode("utf-8", "surrogateescape")
    if _CONTROLS.search(command) or max(map(len, data.split(b"\n"))) > LINE_BYTES:
        return b"eval " + ansi_c_quoted(command) + b"\n"
    if "\n" in command and ("!" in command or not script.understood):
        return b"eval " + ansi_c_quoted(command) + b"\n"
    return data + b"\n"


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def ansi_c_quoted(command: str) -> bytes:
    """Quote ``command`` for bash as ``$'...'``, in lines that a terminal can hold."""
    escaped = _SPECIAL.sub(_escape, command).encode("utf-8", "surrogateescape")
    if len(escaped) <= LINE_BYTES:
        return b"$'" + escaped + b"'"
    return b"\\\n".join(b"$'" + part + b"'" for part in _PARTS.findall(escaped))


_SPECIAL = re.compile(r"[\x00-\x1f\x7f'\\!]")
# An escape (\ooo) or a UTF-8 sequence is never cut.
_PARTS = re.compile(rb"(?:\\[0-7]{3}|[\x00-\x5b\x5d-\x7f]|[\xc0-\xff][\x80-\xbf]*|[\x80-\xbf]){1,700}")


def _escape(match: re.Match[str]) -> str:
    return f"\\{ord(match.group()):03o}"
