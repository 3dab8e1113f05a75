"""What cannot be a recorded sequence of actions, and is compared with OpenHands by tests of its own.

Each row names the test that shows it; what it is held against is OpenHands' own code, run beside ours or before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Row:
    """A behaviour, what of OpenHands it was compared with, and the test: ``file::function``."""

    behaviour: str
    oracle: str
    test: str


ROWS = [
    Row(
        "whole workflows of 1 to 73 actions by OpenHands' controller: the observations and the files at the end",
        "LocalRuntime, recorded; anew in `make test-long`",
        "oracle/test_workflows.py::test_a_workflow_ends_as_on_openhands_local_runtime",
    ),
    Row(
        "`python -m openhands.core.main` with a recorded trajectory",
        "its own entry point",
        "client/test_replay.py::test_openhands_replays_a_trajectory",
    ),
    Row(
        "MCP: the tools of servers in the session, their answers, errors and pictures",
        "its proxy (`make test-long`)",
        "client/test_mcp.py::test_one_server_answers_as_behind_openhands_own_proxy",
    ),
    Row(
        "MCP: several servers, one that cannot be started, one that quits",
        "its proxy (`make test-long`)",
        "client/test_mcp.py::test_several_servers_and_what_is_left_at_the_end",
    ),
    Row(
        "the order of the statuses, attaching, two runtimes with one id",
        "LocalRuntime (`make test-long`)",
        "client/test_lifecycle.py::test_the_status_is_told_as_by_openhands_own",
    ),
    Row(
        "`add_env_vars`, values of all kinds, in shell and kernel",
        "LocalRuntime (`make test-long`)",
        "client/test_lifecycle.py::test_values_of_all_kinds_are_what_openhands_makes_of_them",
    ),
    Row(
        "changes, diffs, branch, clone, setup script, hooks, microagents",
        "LocalRuntime (`make test-long`)",
        "client/test_git.py::test_changes_diffs_scripts_hooks_and_microagents",
    ),
    Row(
        "the edit by a language model",
        "its mixin on its own executor",
        "client/test_llm_edit.py::test_the_edit_is_the_one_that_openhands_makes",
    ),
    Row(
        "actions that no session is asked for: thoughts, rejected, awaiting confirmation, unknown",
        "its client",
        "client/test_failures.py::test_an_action_that_no_session_is_asked_for",
    ),
    Row(
        "the classes and texts of errors that callers match",
        "its exceptions",
        "client/test_failures.py::test_each_of_our_errors_has_openhands_class",
    ),
    Row(
        "`subscribe_to_shell_stream`",
        "the interface of its Runtime",
        "client/test_shell_stream.py::test_a_subscriber_sees_the_lines_while_they_are_printed",
    ),
    Row(
        "generated scripts are split into commands alike",
        "its `split_bash_commands`",
        "worker/test_commands.py::test_as_openhands_splits",
    ),
]

#: Deliberate differences that no recorded answer can show: the line of documentation, and the test that shows ours.
DIFFERENCES = {
    "MCP servers": (
        "Each server keeps its process and its state between calls, and one that is added later is offered too: "
        "OpenHands starts all of them anew for each call where there are several, and goes on with its first proxy.",
        "client/test_mcp.py::test_a_server_that_is_added_later_is_offered_too",
    ),
    "variables in `.bashrc`": (
        "`~/.bashrc` gets what the shell got; OpenHands loses the quotes, and its shell hangs at a single one.",
        "client/test_lifecycle.py::test_values_of_all_kinds_are_what_openhands_makes_of_them",
    ),
    "pause": (
        "`pause()` stops a session's processes and `resume()` lets them go on; OpenHands' Docker runtime ends them.",
        "client/test_lifecycle.py::test_pause_and_resume",
    ),
    "overlay": (
        "A volume with `overlay` is a copy of the session's own; OpenHands ignores it unless a folder is set for it.",
        "worker/test_volumes.py::test_a_copy_of_its_own",
    ),
}


def exists(test: str) -> bool:
    """Return whether the test that a row names is there."""
    file, _, function = test.partition("::")
    return f"def {function}(" in (TESTS / file).read_text("utf-8")
