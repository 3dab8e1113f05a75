"""What OpenHands does with git in a session: the same as in its own runtime, whose answers are recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from git_work import everything, run, write
from local_runtime import ask
from support import ROOT

from openhands_ray.worker.sandbox import sandbox_problem

if TYPE_CHECKING:
    from conftest import MakeRuntime

RECORDED = json.loads((ROOT / "tests/data/git.json").read_text("utf-8"))


def test_changes_diffs_scripts_hooks_and_microagents(make_runtime: MakeRuntime) -> None:
    told: list[tuple[str, str]] = []
    runtime = make_runtime(status_callback=lambda _, status, text: told.append((status.name, text)))
    del told[:]
    assert everything(runtime) == RECORDED
    setting_up = [("SETTING_UP_WORKSPACE", "Setting up workspace...")] * 2
    assert told == [*setting_up, *[("SETTING_UP_GIT_HOOKS", "Setting up git hooks...")] * 2]
    runtime.close()


def test_without_a_repository(make_runtime: MakeRuntime) -> None:
    import asyncio

    from openhands.core.config import OpenHandsConfig

    runtime = make_runtime(config=OpenHandsConfig(init_git_in_empty_workspace=True))
    runtime.maybe_run_setup_script()
    runtime.maybe_setup_git_hooks()
    assert asyncio.run(runtime.clone_or_init_repo(None, None, None)) == ""
    assert run(runtime, "git rev-parse --show-toplevel; git config --global safe.directory") == "/workspace\n/workspace"
    run(runtime, "git commit -q --allow-empty -m first")
    assert runtime.get_workspace_branch() == run(runtime, "git branch --show-current")
    run(runtime, "mkdir .git/hooks -p; echo 'echo mine' > .git/hooks/pre-commit; mkdir .openhands")
    write(runtime, "/workspace/.openhands/pre-commit.sh", "echo checked\n")
    runtime.maybe_setup_git_hooks()
    assert run(runtime, "cat .git/hooks/pre-commit.local") == "echo mine"
    assert "checked" in run(runtime, "git commit --allow-empty -m second")
    run(runtime, "truncate -s 2M large")
    with pytest.raises(ValueError, match="error_in_git_diff"):
        runtime.get_git_diff("large", "/workspace")
    runtime.close()


@pytest.mark.long
@pytest.mark.oracle
@pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))
@pytest.mark.timeout(900)
def test_openhands_own_runtime_does_the_same() -> None:
    """Its shell loses an answer now and then, so it has three attempts; each behaviour must be seen in one of them."""
    attempts: list[dict[str, Any]] = []
    for _ in range(3):
        attempts.append(ask("git"))
        missing = [key for key in RECORDED if all(each.get(key, ...) != RECORDED[key] for each in attempts)]
        if not missing:
            return
    pytest.fail(f"{missing}: {[{key: each.get(key) for key in missing} for each in attempts]}")
