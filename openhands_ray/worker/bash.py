"""The persistent shell of a session.

One interactive bash on a pty. A command is typed as ``eval $'...'``, so that one command, however many lines it has, is
answered by exactly one prompt. The prompt is an escape sequence that no program can forge, since it carries a random
key; it also carries the exit code, the last background process, the user, the host, the folder and the search path.
Nothing on the way of a command waits on a clock: the thread sleeps until the terminal has something new.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from openhands_ray.worker import observations
from openhands_ray.worker.commands import split_commands
from openhands_ray.worker.observations import Observation
from openhands_ray.worker.terminal import KEPT_LINES, Terminal, render

#: Seconds without new output after which a command that does not block is handed back. From OpenHands' ActionExecutor.
NO_CHANGE_TIMEOUT_S = 10

#: How long a new shell may take until its first prompt.
START_TIMEOUT_S = 30

#: What OpenHands tells the agent that it can do with a command that still runs.
_CONTINUE_HINT = (
    "You may wait longer to see additional output by sending empty command '', "
    "send other commands to interact with the current process, "
    'send keys ("C-c", "C-z", "C-d") to interrupt/kill the previous command before sending your new command, '
    "or use the timeout parameter in execute_bash for future commands."
)

_FIELDS = "\x1f"  # unit separator: between the fields of a prompt


class _State(Enum):
    IDLE = auto()
    RUNNING = auto()


class ShellError(Exception):
    """The shell could not be started."""


@dataclass
class Prompt:
    """What the shell says of itself when it is ready for the next command."""

    exit_code: int
    pid: int
    username: str
    hostname: str
    working_dir: str
    search_path: str

    @classmethod
    def parse(cls, body: bytes) -> Prompt:
        code, pid, username, hostname, folder, path = body.decode("utf-8", "replace").split(_FIELDS, 5)
        return cls(int(code), int(pid or -1), username, hostname, folder, path)

    def metadata(self, prefix: str, suffix: str) -> dict[str, Any]:
        return {
            "exit_code": self.exit_code,
            "pid": self.pid,
            "username": self.username,
            "hostname": self.hostname,
            "working_dir": self.working_dir,
            "py_interpreter_path": shutil.which("python", path=self.search_path) or "",
            "prefix": prefix,
            "suffix": suffix,
        }


class BashSession:
    """A bash that lives from one action to the next."""

    def __init__(
        self,
        cwd: str,
        env: Mapping[str, str],
        *,
        no_change_timeout_s: float = NO_CHANGE_TIMEOUT_S,
    ) -> None:
        """Start the shell in ``cwd``.

        Raises:
            ShellError: it did not come to its first prompt.
        """
        self._env = dict(env)
        self._no_change_timeout_s = no_change_timeout_s
        self._state = _State.IDLE
        self._shown = ""  # output of the running command that was already reported
        self.cwd = cwd
        self._start()

    def _start(self) -> None:
        key = secrets.token_hex(16)
        self._prompt = re.compile(rb"\x1b\]7777;" + key.encode() + rb";P;([^\x07]*)\x07")
        self._started = f"\x1b]7777;{key};S\x07".encode()
        self._scanned = 0
        env = {**self._env, "OPENHANDS_RAY_KEY": key}
        argv = ["bash", "--noediting", "--rcfile", str(Path(__file__).with_name("bashrc")), "-i"]
        try:
            self._terminal = Terminal(argv, env=env, cwd=self.cwd)
        except OSError as error:
            raise ShellError(f"The shell could not be started in {self.cwd}: {error}") from error
        deadline = time.monotonic() + START_TIMEOUT_S
        with self._terminal.changed:
            prompt = self._wait(deadline, quiet_s=None)
            output = render(bytes(self._terminal.buffer))
            if not isinstance(prompt, Prompt):
                self._terminal.close()
                raise ShellError(f"The shell did not come to its first prompt in {self.cwd}. It said: {output!r}")
            self._terminal.clear()
        self._state = _State.IDLE

    def close(self) -> None:
        """End the shell and what runs in it. Idempotent."""
        self._terminal.close()

    def execute(self, args: Mapping[str, Any], timeout_s: float | None) -> Observation:
        """Run the command of a ``run`` action, or type it into the one that is running.

        Args:
            args: the ``args`` of OpenHands' ``CmdRunAction`` as a dict.
            timeout_s: after how many seconds the command is handed back even if it goes on printing.

        Returns:
            A ``run`` observation, or an ``error`` one when it holds more than one command.
        """
        command = str(args["command"]).strip()
        is_input, hidden = bool(args.get("is_input")), bool(args.get("hidden"))
        if "\0" in command:
            return observations.error("ERROR: A command cannot hold a NUL byte.")
        with self._terminal.changed:
            refused = self._refuse(command, is_input, hidden)
            if refused is not None:
                return refused
            self._send(command, is_input)
            now = time.monotonic()
            deadline = now + timeout_s if timeout_s else None
            quiet_s = None if args.get("blocking") else self._no_change_timeout_s
            self._terminal.last_output = now
            outcome = self._wait(deadline, quiet_s)
            return self._observe(outcome, command, is_input, hidden, timeout_s)

    def _refuse(self, command: str, is_input: bool, hidden: bool) -> Observation | None:
        if self._state is _State.IDLE and (command == "" or is_input):
            verb = "retrieve logs from" if command == "" else "interact with"
            return observations.run(f"ERROR: No previous running command to {verb}.", "", _no_metadata())
        commands = split_commands(command)
        if len(commands) > 1:
            numbered = "\n".join(f"({i}) {each}" for i, each in enumerate(commands, 1))
            return observations.error(
                "ERROR: Cannot execute multiple commands at once.\n"
                "Please run each command separately OR chain them into a single command via && or ;\n"
                f"Provided commands:\n{numbered}"
            )
        if self._state is _State.RUNNING and command and not is_input and not self._finished():
            return self._busy(command, hidden)
        return None

    def _finished(self) -> bool:
        return self._terminal.eof or self._prompt.search(self._terminal.buffer) is not None

    def _busy(self, command: str, hidden: bool) -> Observation:
        suffix = (
            f'\n[Your command "{command}" is NOT executed. '
            "The previous command is still running - You CANNOT send new commands until the previous command is "
            "completed. By setting `is_input` to `true`, you can interact with the current process: "
            f"{_CONTINUE_HINT}]"
        )
        content, prefix = self._new_output(command, is_input=False)
        return observations.run(content, command, _no_metadata(prefix, suffix), hidden)

    def _send(self, command: str, is_input: bool) -> None:
        """Type ``command``; where the shell was left, the observation will say so."""
        if command == "":
            return
        if _is_key(command):
            data = bytes([ord(command[2].upper()) & 0x1F])
        elif is_input:
            data = command.encode("utf-8", "replace") + b"\n"
        else:
            self._finish_previous()
            self._terminal.set_echo(False)
            data = b" eval " + _ansi_c_quote(command) + b"\n"
        self._state = _State.RUNNING
        try:
            self._terminal.write(data)
        except OSError:
            return  # the end of the terminal is what _wait() reports

    def _finish_previous(self) -> None:
        """Drop the prompt of a command that ended while nobody waited for it, and keep what it printed."""
        found = self._prompt.search(self._terminal.buffer)
        if found is not None:
            del self._terminal.buffer[found.start() : found.end()]
            self._scanned = 0
        self._shown = ""

    def _wait(self, deadline: float | None, quiet_s: float | None) -> Prompt | str:
        """Sleep until there is a prompt, the terminal's end, or a time is over.

        Returns:
            The prompt, or one of ``"eof"``, ``"quiet"``, ``"timeout"``.
        """
        terminal = self._terminal
        while True:
            prompt = self._take_prompt()
            if prompt is not None:
                return prompt
            if terminal.eof:
                return "eof"
            now = time.monotonic()
            times = {"quiet": None if quiet_s is None else terminal.last_output + quiet_s, "timeout": deadline}
            ends = {name: end for name, end in times.items() if end is not None}
            for name, end in ends.items():
                if now >= end:
                    return name
            terminal.changed.wait(min(ends.values()) - now if ends else None)

    def _take_prompt(self) -> Prompt | None:
        """Cut the prompt out of the buffer if it has come; look at each byte of output once."""
        buffer = self._terminal.buffer
        if self._scanned > len(buffer):
            self._scanned = 0
        started = buffer.find(self._started, max(0, self._scanned - len(self._started)))
        if started >= 0:
            self._terminal.enable_echo()
            del buffer[started : started + len(self._started)]
        found = self._prompt.search(buffer, max(0, self._scanned - 8192))
        if found is None:
            self._scanned = len(buffer)
            return None
        prompt = Prompt.parse(found.group(1))
        del buffer[found.start() : found.end()]
        self._scanned = 0
        return prompt

    def _observe(
        self, outcome: Prompt | str, command: str, is_input: bool, hidden: bool, timeout_s: float | None
    ) -> Observation:
        if isinstance(outcome, Prompt):
            return self._completed(outcome, command, is_input, hidden)
        if outcome == "eof":
            return self._restarted(command, is_input, hidden)
        if outcome == "quiet":
            reason = f"The command has no new output after {_seconds(self._no_change_timeout_s)} seconds. "
        else:
            reason = f"The command timed out after {timeout_s} seconds. "
        content, prefix = self._new_output(command, is_input)
        return observations.run(content, command, _no_metadata(prefix, f"\n[{reason}{_CONTINUE_HINT}]"))

    def _completed(self, prompt: Prompt, command: str, is_input: bool, hidden: bool) -> Observation:
        self.cwd = prompt.working_dir or self.cwd
        content, _ = self._new_output(command, is_input)
        prefix = self._truncation()
        suffix = f"\n[The command completed with exit code {prompt.exit_code}.{_key_note(command)}]"
        self._end_command()
        return observations.run(content, command, prompt.metadata(prefix, suffix), hidden)

    def _restarted(self, command: str, is_input: bool, hidden: bool) -> Observation:
        """The shell has ended (``exit``, ``exec``, a signal): start another and say so, rather than hang."""
        exit_code = self._terminal.process.wait()
        exit_code = exit_code if exit_code >= 0 else 128 - exit_code
        content, _ = self._new_output(command, is_input)
        self._terminal.close()
        if not Path(self.cwd).is_dir():
            self.cwd = self._env["HOME"]
        self._start()
        self._end_command()
        suffix = (
            f"\n[The command completed with exit code {exit_code}.{_key_note(command)}]"
            f"\n[The shell ended, and a new one was started in {self.cwd}: its variables, functions and background "
            "jobs are lost, files are not.]"
        )
        prompt = Prompt(exit_code, -1, self._env.get("USER", ""), "", self.cwd, self._env["PATH"])
        return observations.run(content, command, prompt.metadata("", suffix), hidden)

    def _end_command(self) -> None:
        self._state = _State.IDLE
        self._shown = ""
        self._terminal.clear()

    def _truncation(self) -> str:
        if not self._terminal.dropped_lines:
            return ""
        kept = min(self._terminal.buffer.count(b"\n"), KEPT_LINES)
        return f"[Previous command outputs are truncated. Showing the last {kept} lines of the output below.]\n"

    def _new_output(self, command: str, is_input: bool) -> tuple[str, str]:
        """Return what was not reported yet, and the prefix that says that it goes on from before."""
        text = render(bytes(self._terminal.buffer))
        new, prefix = text, ""
        if self._shown:
            new = text.removeprefix(self._shown)
            prefix = "[Below is the output of the previous command.]\n"
        self._shown = text
        new = new.lstrip()
        if is_input and not _is_key(command):
            new = new.removeprefix(command).lstrip()  # the terminal's echo
        return new.rstrip(), prefix


def _is_key(command: str) -> bool:
    return len(command) == 3 and command.startswith("C-")


def _key_note(command: str) -> str:
    return f" CTRL+{command[-1].upper()} was sent." if _is_key(command) else ""


def _seconds(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _ansi_c_quote(command: str) -> bytes:
    """Quote ``command`` for bash as ``$'...'``, in lines that a terminal's line discipline (4,096 bytes) can hold."""
    escaped = _SPECIAL.sub(_escape, command).encode("utf-8", "replace")
    if len(escaped) <= _LINE_BYTES:
        return b"$'" + escaped + b"'"
    return b"\\\n".join(b"$'" + part + b"'" for part in _PARTS.findall(escaped))


_LINE_BYTES = 3000
_SPECIAL = re.compile(r"[\x00-\x1f\x7f'\\!]")
# An escape (\ooo) or a UTF-8 sequence is never cut.
_PARTS = re.compile(rb"(?:\\[0-7]{3}|[\x00-\x5b\x5d-\x7f]|[\xc0-\xff][\x80-\xbf]*){1,700}")


def _escape(match: re.Match[str]) -> str:
    return f"\\{ord(match.group()):03o}"


def _no_metadata(prefix: str = "", suffix: str = "") -> dict[str, Any]:
    return {"exit_code": -1, "pid": -1, "prefix": prefix, "suffix": suffix}
