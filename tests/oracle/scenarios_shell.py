"""Commands in the session's shell."""

from __future__ import annotations

from scenario import Scenario, run

SCENARIOS = [
    Scenario(
        "output and exit code",
        "what a command prints, its exit code and where it ran",
        (
            run("echo hello"),
            run("false"),
            run("(exit 42)"),
            run("no-such-command-x"),
            run("printf 'no newline'"),
            run("echo to stderr >&2"),
            run("true"),
        ),
    ),
    Scenario(
        "state",
        "folder, variables, functions and aliases live on",
        (
            run("mkdir -p sub && cd sub && v=1"),
            run("pwd; echo $v"),
            run("f() { echo in f $1; }"),
            run("f 2"),
            run("alias ll='echo alias'"),
            run("ll x"),
            run("cd /nowhere"),
            run("cd .."),
            run("pwd"),
        ),
    ),
]
