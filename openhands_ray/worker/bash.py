"""The persistent shell of a session.

One interactive bash on a pty. A command is typed as it is, and answered by exactly one prompt: an escape sequence that
no program can forge, since it carries a random key. Nothing on the way of a command waits on a clock: the thread sleeps
until the terminal has something new.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any

from openhands_ray.worker import keys, observations
from openhands_ray.worker.commands import LINE_BYTES, Script, parse, typed
from openhands_ray.worker.observations import Observation
from openhands_ray.worker.prompt import RCFILE, Prompt, Prompts
from openhands_ray.worker.screen import render, rows_of, show
from openhands_ray.worker.stream import OutputStream
from openhands_ray.worker.terminal import Terminal

#: Seconds without new output after which a command that does not block is handed back. From OpenHands' ActionExecutor.
NO_CHANGE_TIMEOUT_S = 10

#: How long a new shell may take until its first prompt, and one that lost its prompt until it has it again.
START_TIMEOUT_S = 30

#: What OpenHands tells the agent that it can do with a command that still runs.
_CONTINUE_HINT = (
    "You may wait longer to see additional output by sending empty command '', "
    "send other commands to interact with the current process, "
    'send keys ("C-c", "C-z", "C-d") to interrupt/kill the previous command before sending your new command, '
    "or use the timeout parameter in execute_bash for future commands."
)

_CONTINUED = "[Below is the output of the previous command.]\n"


#: Keys that do something even if no command runs: a new prompt, the end of the shell.
_ENDING_KEYS = ("c-c", "c-d")


class _State(Enum):
    IDLE = auto()
    RUNNING = auto()


class ShellError(Exception):
    """The shell could not be started."""


class BashSession:
    """A bash that lives from one action to the next."""

    def __init__(
        self,
        cwd: str,
        env: Mapping[str, str],
        *,
        no_change_timeout_s: float = NO_CHANGE_TIMEOUT_S,
        stream: OutputStream | None = None,
    ) -> None:
        """Start the shell in ``cwd``; ``stream`` gets what it prints.

        Raises:
            ShellError: it did not come to its first prompt.
        """
        self._env = {**env, "TERM": "tmux-256color"}
        self._no_change_timeout_s = no_change_timeout_s
        self._stream = stream or OutputStream()
        self._state = _State.IDLE
        self._command = ""  # the one that runs
        self._echo = b""  # what the terminal shows of it, until that is found and cut
        self._reported = ""  # what was shown when an observation was last made of it
        self.cwd = cwd
        self._start()
        self._terminal.leave()

    def _start(self) -> None:
        self._prompts = Prompts()
        self._scanned, self._dropped_lines = 0, 0  # up to where the buffer was looked at, and what went before it
        env = {**self._env, "OPENHANDS_RAY_KEY": self._prompts.key}
        argv = ["/bin/bash", "--noediting", "--rcfile", str(RCFILE), "-i"]
        try:
            self._terminal = Terminal(argv, env=env, cwd=self.cwd)
        except OSError as error:
            raise ShellError(f"The shell could not be started in {self.cwd}: {error}") from error
        self._terminal.attend()
        prompt = self._wait(time.monotonic() + START_TIMEOUT_S, quiet_s=None)
        output = render(bytes(self._terminal.buffer))
        if not isinstance(prompt, Prompt):
            self._terminal.close()
            raise ShellError(f"The shell did not come to its first prompt in {self.cwd}. It said: {output!r}")
        self._terminal.clear()
        self._terminal.on_output = self._stream.feed
        self._prompt = prompt
        self._state = _State.IDLE

    @property
    def pid(self) -> int:
        return self._terminal.process.pid

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

        Raises:
            ShellError: the shell had ended, and no other can be started now.
        """
        command = str(args["command"]).strip()
        is_input, hidden = bool(args.get("is_input")), bool(args.get("hidden"))
        script = parse(command)
        if self._terminal.closed:  # the last time, no new one could be started
            self._start()
        else:
            self._terminal.attend()
        terminal = self._terminal
        try:
            if self._state is _State.RUNNING:
                terminal.read(0)
            answer = self._answer_at_once(script, command, is_input, hidden)
            if answer is not None:
                return answer
            if command and not is_input and terminal.process.poll() is not None:
                return self._restarted(command, hidden, ran=False)
            terminal.write(self._prepare(script, command, is_input))
            terminal.last_output = now = time.monotonic()
            quiet_s = None if args.get("blocking") else self._no_change_timeout_s
            outcome = self._wait(now + timeout_s if timeout_s else None, quiet_s)
            if outcome in ("quiet", "timeout") and self._lost_its_prompt():
                outcome = self._repair(outcome)
            return self._observe(outcome, command, hidden, timeout_s)
        finally:
            self._terminal.leave()

    def _answer_at_once(self, script: Script, command: str, is_input: bool, hidden: bool) -> Observation | None:
        """Return the observation of what is not to be typed, or None."""
        if self._state is _State.IDLE and (command == "" or is_input):
            verb = "retrieve logs from" if command == "" else "interact with"
            return observations.run(f"ERROR: No previous running command to {verb}.", "", _no_metadata())
        commands = script.commands
        if len(commands) > 1:
            numbered = "\n".join(f"({i}) {each}" for i, each in enumerate(commands, 1))
            return observations.error(
                "ERROR: Cannot execute multiple commands at once.\n"
                "Please run each command separately OR chain them into a single command via && or ;\n"
                f"Provided commands:\n{numbered}"
            )
        if "\0" in command:
            return observations.error("embedded null byte")
        if not command.isascii():
            try:
                command.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError as error:
                return observations.error(str(error))
        if self._state is _State.RUNNING and command and not is_input and not self._finished():
            return self._busy(command, hidden)
        if self._state is _State.IDLE and keys.is_special(command) and command.lower() not in _ENDING_KEYS:
            return self._key_at_the_prompt(command, hidden)
        return None

    def _key_at_the_prompt(self, command: str, hidden: bool) -> Observation:
        """Answer a key that would only move in the line that is being typed; there is none."""
        suffix = f"\n[The command completed with exit code {self._prompt.exit_code}.{_key_note(command)}]"
        prefix = "" if command.lower() == "c-l" else _truncated(1)
        return observations.run("", command, self._prompt.metadata(prefix, suffix), hidden)

    def _finished(self) -> bool:
        return self._terminal.eof or self._prompts.pattern.search(self._terminal.buffer) is not None

    def _busy(self, command: str, hidden: bool) -> Observation:
        suffix = (
            f'\n[Your command "{command}" is NOT executed. '
            "The previous command is still running - You CANNOT send new commands until the previous command is "
            "completed. By setting `is_input` to `true`, you can interact with the current process: "
            f"{_CONTINUE_HINT}]"
        )
        content, prefix = self._continued(command)
        return observations.run(content, command, _no_metadata(prefix, suffix), hidden)

    def _prepare(self, script: Script, command: str, is_input: bool) -> bytes:
        """Return what to type for ``command``."""
        if command == "":
            return b""
        if is_input or keys.is_special(command):
            # What ended while nobody looked takes no input: the shell would run it.
            return b"" if self._state is _State.RUNNING and self._finished() else self._input(command)
        self._finish_previous()
        self._terminal.repair()
        data = typed(script)
        self._command, self._echo = command, data.replace(b"\n", b"\r\n")
        self._stream.expect(self._echo)
        self._state = _State.RUNNING
        return data

    def _input(self, command: str) -> bytes:
        buffer = self._terminal.buffer
        application = buffer.rfind(b"\x1b[?1h") > buffer.rfind(b"\x1b[?1l")
        data = keys.encode(command, application_cursor=application)
        if data is None:
            data = command.encode("utf-8", "surrogateescape")
        if self._state is _State.IDLE:  # a key that ends the shell
            self._command, self._echo, self._state = command, b"", _State.RUNNING
        return data if keys.is_special(command) else data + b"\r"

    def _finish_previous(self) -> None:
        """Drop the prompt of a command that ended while nobody waited for it, and keep what it printed."""
        found = self._prompts.pattern.search(self._terminal.buffer)
        if found is not None:
            self._cut_echo()
            self._terminal.cut(found.start(), found.end())
            self._scanned = 0
        self._reported = ""

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
            quiet = None if quiet_s is None else terminal.last_output + quiet_s
            if quiet is not None and now >= quiet:
                return "quiet"
            if deadline is not None and now >= deadline:
                return "timeout"
            ends = [end for end in (quiet, deadline) if end is not None]
            terminal.read(min(ends) - now if ends else None)

    def _take_prompt(self) -> Prompt | None:
        """Cut the prompt out of the buffer if it has come; look at each byte of output once."""
        buffer, mark = self._terminal.buffer, self._prompts.mark
        if self._terminal.dropped_lines != self._dropped_lines or self._scanned > len(buffer):
            self._dropped_lines, self._scanned = self._terminal.dropped_lines, 0
        at = buffer.find(mark, self._scanned)
        found = None if at < 0 else self._prompts.pattern.search(buffer, max(0, at - len(mark)))
        if found is None:
            self._scanned = at if at >= 0 else max(0, len(buffer) - len(mark))
            return None
        prompt = Prompt.parse(found.group(1))
        self._terminal.cut(found.start(), found.end())
        self._scanned = 0
        return prompt

    def _lost_its_prompt(self) -> bool:
        """Return whether the shell waits for a command, but has no prompt any more (``unset PS1 PROMPT_COMMAND``).

        It has read all of the last command, runs none, and reads its terminal in the way that it reads commands.
        """
        pid = self._terminal.process.pid
        begun = self._terminal.dropped_lines or self._prompts.started in self._terminal.buffer
        if not begun or self._terminal.foreground() != pid:
            return False
        with contextlib.suppress(OSError):  # not everywhere may one look
            return Path(f"/proc/{pid}/syscall").read_text().split()[1::2][:2] == ["0x0", "0x400"]
        return False

    def _repair(self, outcome: Prompt | str) -> Prompt | str:
        self._cut_echo()
        at = len(self._terminal.buffer)
        self._terminal.write(self._prompts.repair())
        prompt = self._wait(time.monotonic() + START_TIMEOUT_S, quiet_s=None)
        del self._terminal.buffer[at:]
        return prompt if isinstance(prompt, Prompt) else outcome

    def _observe(self, outcome: Prompt | str, command: str, hidden: bool, timeout_s: float | None) -> Observation:
        if isinstance(outcome, Prompt):
            return self._completed(outcome, command, hidden)
        if outcome == "eof":
            return self._restarted(command, hidden)
        if outcome == "quiet":
            reason = f"The command has no new output after {_seconds(self._no_change_timeout_s)} seconds. "
        else:
            reason = f"The command timed out after {timeout_s} seconds. "
        content, prefix = self._continued(command)
        return observations.run(content, command, _no_metadata(prefix, f"\n[{reason}{_CONTINUE_HINT}]"))

    def _completed(self, prompt: Prompt, command: str, hidden: bool) -> Observation:
        self._prompt = prompt
        self.cwd = prompt.working_dir or self.cwd
        content, prefix = self._ended(command)
        suffix = f"\n[The command completed with exit code {prompt.exit_code}.{_key_note(command)}]"
        return observations.run(content, command, prompt.metadata(prefix, suffix), hidden)

    def _restarted(self, command: str, hidden: bool, *, ran: bool = True) -> Observation:
        """The shell has ended (``exit``, ``exec``, a signal): start another and say so, rather than hang."""
        exit_code = self._terminal.process.wait()
        exit_code = exit_code if exit_code >= 0 else 128 - exit_code
        content, _ = self._ended(command)
        self._terminal.close()
        if not Path(self.cwd).is_dir():
            self.cwd = self._env["HOME"]
        self._start()
        said = f"The command completed with exit code {exit_code}.{_key_note(command)}]\n[The shell ended"
        if not ran:  # it may count on variables that are lost
            exit_code, said = -1, "The shell had ended before this command, which was not run"
        suffix = (
            f"\n[{said}, and a new one was started in {self.cwd}: its variables, functions and background "
            "jobs are lost, files are not.]"
        )
        self._prompt.exit_code = exit_code
        metadata = self._prompt.metadata("", suffix)
        self._prompt.exit_code = 0
        return observations.run(content, command, metadata, hidden)

    def _ended(self, command: str) -> tuple[str, str]:
        """Return the output of the command that has ended, and what OpenHands says before it; forget both."""
        text, shown = self._shown(prompt=True)
        prefix = "" if self._reported or shown is None else _truncated(len(f"{shown}\n".splitlines()))
        content = self._new(text, command)
        self._state = _State.IDLE
        self._reported = ""
        self._terminal.clear()
        return content, prefix

    def _continued(self, command: str) -> tuple[str, str]:
        """Return what was not reported yet, and what OpenHands says before it if there was more before."""
        text, _ = self._shown(prompt=False)
        content = self._new(text, command)
        prefix, self._reported = _CONTINUED if self._reported else "", text
        return content, prefix

    def _shown(self, *, prompt: bool) -> tuple[str, str | None]:
        """Return what the terminal shows from the command on; and, where the command has gone from it, again."""
        self._cut_echo()
        terminal = self._terminal
        terminal.trim()
        rows = rows_of(self._command)
        shown = show(bytes(terminal.buffer), rows, dropped_lines=terminal.dropped_lines, prompt=prompt)
        if not shown.complete:
            return shown.text.rstrip("\n"), shown.text
        return f"{self._command}\n{shown.text}".rstrip("\n"), None

    def _new(self, text: str, command: str) -> str:
        new = text.removeprefix(self._reported) if self._reported else text
        return new.lstrip().removeprefix(command).lstrip().rstrip()

    def _cut_echo(self) -> None:
        if not self._echo:
            return
        at, length = self._terminal.buffer.find(self._echo), len(self._echo)
        if at < 0 and length > LINE_BYTES:  # the terminal has echoed no more than it could hold
            at, length = 0, self._terminal.buffer.find(self._prompts.started)
        if at >= 0 and length >= 0:
            self._terminal.cut(at, at + length)
            self._echo = b""


def _truncated(lines: int) -> str:
    return f"[Previous command outputs are truncated. Showing the last {lines} lines of the output below.]\n"


def _key_note(command: str) -> str:
    return f" CTRL+{command[-1].upper()} was sent." if keys.is_special(command) else ""


def _seconds(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _no_metadata(prefix: str = "", suffix: str = "") -> dict[str, Any]:
    return {"exit_code": -1, "pid": -1, "prefix": prefix, "suffix": suffix}
