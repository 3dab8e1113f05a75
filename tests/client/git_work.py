"""One piece of work with git, for any of OpenHands' runtimes: what it did and saw, without the names of its folders."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

FILES = {
    ".openhands/setup.sh": 'export FROM_SETUP="set up in $PWD"\ntouch set-up\n',
    ".openhands/pre-commit.sh": "#!/bin/bash\necho checked >> checked\n",
    ".openhands/microagents/repo.md": "---\nname: repo\ntype: repo\nagent: CodeActAgent\n---\nOf the repository.\n",
    ".openhands/microagents/deep/knowledge.md": (
        "---\nname: knowing\ntype: knowledge\nagent: CodeActAgent\ntriggers:\n- word\n---\nKnowledge.\n"
    ),
    ".openhands_instructions": "Be kind.\n",
    "kept": "one\ntwo\n",
    "gone": "gone\n",
    "old": "renamed\n" * 9,
    "ünï": "u\n",
}


def run(runtime: Any, command: str) -> str:
    from openhands.events.action import CmdRunAction

    observation = runtime.run_action(CmdRunAction(command))
    assert observation.exit_code == 0, observation
    return str(observation.content)


def show(runtime: Any, command: str) -> str:
    """Return what a command prints; OpenHands' own shell says nothing now and then, so it is asked again."""
    return next(filter(None, (run(runtime, command) for _ in range(4))))


def changes(runtime: Any, folder: str) -> Any:
    """Return the changes; with the same care."""
    return next(found for _ in range(4) if (found := runtime.get_git_changes(folder)) is not None)


def write(runtime: Any, path: str, content: str) -> None:
    from openhands.events.action import FileWriteAction

    assert runtime.run_action(FileWriteAction(path, content)).observation == "write"


def diff(runtime: Any, name: str, folder: str) -> Any:
    """Return the two sides of a file; with the same care."""
    for _ in range(3):
        with contextlib.suppress(ValueError):
            return runtime.get_git_diff(name, folder)
    return runtime.get_git_diff(name, folder)


def everything(runtime: Any) -> dict[str, Any]:
    """Return all that git and OpenHands made of a repository with ``FILES``."""
    seen, stopped = seen_until(runtime)
    if stopped is not None:
        raise stopped
    return seen


def seen_until(runtime: Any) -> tuple[dict[str, Any], Exception | None]:
    """Return the same as far as it came, and what stopped it."""
    seen: dict[str, Any] = {}
    root, home = str(runtime.workspace_root), show(runtime, "echo ~")
    stopped = None
    try:
        _work(runtime, root, home, seen)
    except Exception as error:
        stopped = error
    return {name: _without(each, root, home) for name, each in seen.items()}, stopped


def _work(runtime: Any, root: str, home: str, seen: dict[str, Any]) -> None:
    seen["without a repository"] = changes(runtime, root)
    seen["no branch"] = runtime.get_workspace_branch()
    _publish(runtime, f"{home}/remote/project", FILES)
    _publish(runtime, f"{home}/remote/.openhands", {"microagents/org.md": "---\nname: org\ntype: repo\n---\nOf all.\n"})
    run(runtime, f"cd {root}")

    async def address(repository: str, is_optional: bool = False) -> str:
        return f"file://{home}/remote/{repository.rsplit('/', maxsplit=1)[-1]}"

    runtime.provider_handler.get_authenticated_git_url = address
    seen["cloned"] = asyncio.run(runtime.clone_or_init_repo(None, "owner/project", "main"))
    repository = f"{root}/project"
    seen["folder of the shell"] = show(runtime, "pwd")
    seen["remote"] = show(runtime, "git remote get-url origin")
    seen["branch"] = runtime.get_workspace_branch("project")
    runtime.maybe_run_setup_script()
    seen["setup"] = show(runtime, 'echo "$FROM_SETUP"; ls set-up')
    seen["changes after the setup"] = changes(runtime, repository)
    runtime.maybe_setup_git_hooks()
    write(runtime, f"{repository}/kept", "one\nthree\n")
    write(runtime, f"{repository}/new", "new\n")
    run(runtime, "rm gone; git mv old renamed; git commit -qm 'Change it' kept; cat checked")
    seen["changes"] = changes(runtime, repository)
    seen["changes seen from above"] = changes(runtime, root)
    seen["diffs"] = {name: diff(runtime, name, repository) for name in ("kept", "new", "ünï")}
    seen["diff of what is gone"] = _raised(lambda: runtime.get_git_diff("gone", repository))
    runtime.maybe_setup_git_hooks()
    seen["hook"] = show(runtime, "cat .git/hooks/pre-commit; ls .git/hooks | grep -v sample")
    seen["microagents"] = _microagents(runtime, None)
    seen["microagents of the repository"] = _microagents(runtime, "owner/project")
    seen["what is left"] = show(runtime, f"ls -A {root}")


def _publish(runtime: Any, path: str, files: dict[str, str]) -> None:
    run(runtime, f"git init -q -b main {path} && cd {path}")
    for name, content in files.items():
        run(runtime, f"mkdir -p '{path}/{name.rpartition('/')[0]}'")
        write(runtime, f"{path}/{name}", content)
    run(runtime, "git add -A && git commit -qm first")


def _microagents(runtime: Any, repository: str | None) -> list[list[str]]:
    found = runtime.get_microagents_from_selected_repo(repository)
    return sorted([each.name, each.type.value, each.content.strip()] for each in found)


def _raised(ask: Any) -> str:
    try:
        return str(ask())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _without(value: Any, root: str, home: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(each, root, home) for key, each in value.items()}
    if isinstance(value, list):
        return [_without(each, root, home) for each in value]
    return value.replace(root, "<root>").replace(home, "<home>") if isinstance(value, str) else value
