"""The names of keys, as tmux knows them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from openhands_ray.worker.keys import encode, is_special

NAMES = [
    *("Up", "Down", "Left", "Right", "Home", "End", "PageUp", "PPage", "NPage", "PgDn", "IC", "DC", "Insert", "Delete"),
    *(f"F{n}" for n in range(1, 13)),
    *("Enter", "escape", "TAB", "Space", "BSpace", "BTab", "KP0", "KP*", "KPEnter"),
    *("C-c", "c-x", "C-[", "C-?", "C-2", "C-/", "C-Space", "^A", "^a", "M-x", "M-Enter", "C-M-a", "M-é"),
    *("C-Up", "S-Left", "M-F1", "C-S-Home", "C-End", "M-DC", "S-F5", "C-PageUp"),
    *("0x41", "0xe9", "Upper", "ab", "C-ab", "F13x", "M-", "kp", "é", "x", "Up Down"),
]


@pytest.fixture(scope="module")
def tmux() -> Iterator[list[str]]:
    program = shutil.which("tmux")
    if program is None:
        pytest.skip("tmux is not installed")
    with tempfile.TemporaryDirectory(prefix="tmux-") as folder:
        command = [program, "-S", f"{folder}/socket", "-f", "/dev/null"]
        yield command
        subprocess.run([*command, "kill-server"], check=False, capture_output=True)


@pytest.mark.oracle
def test_a_key_sends_what_tmux_sends(tmux: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    os.mkfifo(out)
    script = f"stty raw -echo; tmux -S {tmux[2]} wait-for -S ready; exec cat >{out}"
    subprocess.run([*tmux, "new-session", "-d", script], check=True, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
    subprocess.run([*tmux, "wait-for", "ready"], check=True, timeout=20)
    typed = b""
    with out.open("rb", buffering=0) as pipe:
        for name in NAMES:
            subprocess.run([*tmux, "send-keys", name], check=True)
            subprocess.run([*tmux, "send-keys", "-l", "|"], check=True)
        while typed.count(b"|") < len(NAMES):
            typed += pipe.read(4096)
    found = typed.split(b"|")[:-1]
    expected = [encode(name) if encode(name) is not None else name.encode() for name in NAMES]
    assert dict(zip(NAMES, found, strict=True)) == dict(zip(NAMES, expected, strict=True))


def test_a_program_may_ask_for_other_cursor_keys() -> None:
    assert encode("Up", application_cursor=True) == b"\x1bOA"
    assert encode("C-Up", application_cursor=True) == b"\x1b[1;5A"
    assert encode("Home", application_cursor=True) == b"\x1b[1~"


@pytest.mark.parametrize(("command", "special"), [("C-c", True), ("C-\\", True), ("c-c", False), ("C-Up", False)])
def test_only_some_are_keys_without_enter(command: str, special: bool) -> None:
    assert is_special(command) is special
