from __future__ import annotations

import pytest

from openhands_ray.worker.commands import split_commands


@pytest.mark.parametrize(
    ("script", "commands"),
    [
        ("", [""]),
        ("  \n ", [""]),
        ("ls", ["ls"]),
        ("a; b && c | d", ["a; b && c | d"]),
        ("a\nb", ["a", "b"]),
        ("a \\\n b", ["a \\\n b"]),
        ("for i in 1 2\ndo\necho $i\ndone", ["for i in 1 2\ndo\necho $i\ndone"]),
        ("cat <<E\n1\n2\nE", ["cat <<E\n1\n2\nE"]),
        ("echo 'a\nb'", ["echo 'a\nb'"]),
        ("echo 'open\nquote", ["echo 'open\nquote"]),
        ("# a comment\necho 1", ["echo 1"]),  # OpenHands refuses it as two commands
        ("case x in\nx) echo;;\nesac", ["case x in\nx) echo;;\nesac"]),
    ],
)
def test_split(script: str, commands: list[str]) -> None:
    assert split_commands(script) == commands


@pytest.mark.oracle
@pytest.mark.parametrize(
    "script",
    [
        "a\nb",
        "a\n\nb # c\nc",
        "cat <<E\n1\nE\necho",
        "if x\nthen y\nfi",
        "x=1\ny=2 z",
        "[[ a ]]\nb",
        "a &\nb",
    ],
)
def test_as_openhands_splits(script: str) -> None:
    from openhands.runtime.utils.bash import split_bash_commands

    assert split_commands(script) == split_bash_commands(script)
