"""The prompt of a session's shell: an escape sequence with a random key, which tells how the last command ended."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Sets the prompt; it reads the key from the environment.
RCFILE = Path(__file__).with_name("bashrc")

_SEPARATOR = re.compile(r"\x1f|\\037")


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
        code, pid, username, hostname, folder, path = _SEPARATOR.split(body.decode("utf-8", "replace"), maxsplit=5)
        return cls(int(code), int(pid or -1), username, hostname, folder, path)

    def metadata(self, prefix: str, suffix: str) -> dict[str, Any]:
        return {
            "exit_code": self.exit_code,
            "pid": self.pid,
            "username": self.username,
            "hostname": self.hostname,
            "working_dir": self.working_dir,
            "py_interpreter_path": _python(self.search_path),
            "prefix": prefix,
            "suffix": suffix,
        }


def _python(search_path: str) -> str:
    """Return what ``which python`` says."""
    for folder in search_path.split(":"):
        path = f"{folder or '.'}/python"
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return ""


class Prompts:
    """The prompts of one shell."""

    def __init__(self) -> None:
        self.key = secrets.token_hex(16)
        key = self.key.encode()
        #: What is printed when a command has been read and starts.
        self.started = b"\x1b]7777;" + key + b";S\x07"
        # A shell that is not bash shows the escapes as they are written, and what it expands between them.
        #: In every prompt, and quickly found.
        self.mark = key + b";P;"
        fields = rb"(\d+(?:\x1f|\\037)[^\x07]*?)(?:\x07\r*\n|\\a\\n)"
        self.pattern = re.compile(rb"(?:\x1b|\\e)\]7777;" + self.mark + fields)

    def repair(self) -> bytes:
        """Return a command that sets the prompt again, changes no ``$?`` and is not in the history."""
        fields = r"$?\037${!-}\037\u\037\h\037$PWD\037$PATH\a\n"
        command = rf"PROMPT_COMMAND='{{ PS1='\''\e]7777;{self.key};P;{fields}'\''; }} 2>/dev/null'"
        again = 'export PROMPT_COMMAND; history -d -1; eval "unset __status; (exit $__status)"'
        return f"__status=$?; {command}; {again}\n".encode()
