"""OpenHands' own browser in a process of its own: runs a list of actions and writes the observations.

    python upstream_browser.py <actions> <workspace> <downloads> <answers> <browsers> <chromium>

The actions are a file with a JSON list of [action, args], the answers one with a list of
{"seconds": ..., "observation": dict}. Only this program imports OpenHands.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def link_chromium(folder: Path, chromium: str) -> None:
    """Give Playwright a Chromium under the names that it looks for in `folder` (PLAYWRIGHT_BROWSERS_PATH)."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        paths = [playwright.chromium.executable_path]
        try:
            playwright.chromium.launch()
        except Error as error:  # it says where it looked for its headless shell
            paths += [word for word in str(error).split() if word.startswith(str(folder))]
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(chromium)


async def run(executor: SimpleNamespace, action: str, args: dict[str, Any]) -> dict[str, Any]:
    from openhands.events.action import BrowseInteractiveAction, BrowseURLAction
    from openhands.events.serialization import event_to_dict
    from openhands.runtime.action_execution_server import ActionExecutor

    start = time.perf_counter()
    if action == "browse":
        observation = await ActionExecutor.browse(executor, BrowseURLAction(**args))
    else:
        observation = await ActionExecutor.browse_interactive(executor, BrowseInteractiveAction(**args))
    return {"seconds": time.perf_counter() - start, "observation": event_to_dict(observation)}


async def nothing() -> None:
    """The browser of this program is ready when it is asked."""


def main(actions: str, workspace: str, downloads: str, answers: str, browsers: str, chromium: str) -> None:
    link_chromium(Path(browsers), chromium)

    from openhands.runtime import action_execution_server
    from openhands.runtime.browser.browser_env import BrowserEnv

    # Upstream copies downloads to /workspace, whatever the workspace is: not on the machine that runs the tests.
    action_execution_server.shutil = SimpleNamespace(copy=lambda source, target: None)
    browser = BrowserEnv()
    executor = SimpleNamespace(
        browser=browser,
        initial_cwd=workspace,
        downloads_directory=downloads,
        downloaded_files=[],
        _ensure_browser_ready=nothing,
    )

    async def run_all() -> list[dict[str, Any]]:
        return [await run(executor, action, args) for action, args in json.loads(Path(actions).read_text())]

    try:
        Path(answers).write_text(json.dumps(asyncio.run(run_all())))
    finally:
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
