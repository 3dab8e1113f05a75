"""The browser of a session: OpenHands' `browse` and `browse_interactive` in one Chromium.

`Browser` takes the plain arguments of an action and returns the plain dict of the observation that OpenHands would
give. Importing this module costs nothing: Playwright, BrowserGym and Pillow are loaded when the browser starts, on a
thread of its own, because Playwright's synchronous API answers only to the thread that started it.

Where it differs from OpenHands 1.6, and why:

- It waits for the page (load, requests, timers, two frames) instead of for 1.5 s; 1.5 s is the most it waits.
- `browse` takes `file:`, `data:` and `about:` addresses and the paths of files that exist; upstream puts its working
  folder before anything that does not start with "http", which no browser can open.
- An action that fails is answered with its error; upstream raises until something has been downloaded, since it lists
  a folder that is not there yet.
- A browser that died or hung is replaced and the agent is told; upstream times out (120 s) on every later action.

What an agent can see only of a race or an accident:

- A navigation that gets no answer, such as a clicked link's, is stopped at its timeout and reported as an error;
  upstream hangs, since Chromium holds scripts back until the answer comes.
- A download that an action began is whole before it is copied; upstream copies what is there after 1.5 s.
- Files of downloads are numbered and reported oldest first; upstream takes them in the folder's order.
- Each page is converted to text afresh; upstream's one converter carries unfinished markup over to the next page.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import queue
import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from openhands_ray.worker import observations

if TYPE_CHECKING:
    from openhands_ray.worker.chromium import Chromium, Snapshot

log = logging.getLogger(__name__)

BROWSE = "browse"
BROWSE_INTERACTIVE = "browse_interactive"

NAVIGATION_TIMEOUT_S = 100.0
"""Seconds for a page to load: OpenHands configures BrowserGym with 100,000 ms."""

ACTION_TIMEOUT_S = 120.0
"""Seconds for an action and its observation: OpenHands' `BrowserEnv.step`."""

CLOSE_TIMEOUT_S = 5.0
"""Seconds that Chromium has to end by itself before it is killed."""

NO_BROWSER = "Browser functionality is not supported or disabled."
"""OpenHands' answer where its browser did not start."""

LOST_BEFORE = (
    "The browser had stopped since the last action, so this action was not run. A new browser is ready with one blank "
    "page; the tabs, cookies and logins of the old one are lost."
)
LOST_DURING = (
    "The browser stopped during this action, which may have taken effect; it is not repeated. The next action starts a "
    "new browser with one blank page; the tabs, cookies and logins of the old one are lost."
)
HUNG = (
    "Browser environment took too long to respond. It was stopped; the action may have taken effect. The next action "
    "starts a new browser with one blank page; the tabs, cookies and logins of the old one are lost."
)

NO_PAGE: dict[str, Any] = {
    "url": "",
    "screenshot": "",
    "screenshot_path": None,
    "set_of_marks": "",
    "error": True,
    "goal_image_urls": [],
    "open_pages_urls": [],
    "active_page_index": -1,
    "dom_object": {},
    "axtree_object": {},
    "extra_element_properties": {},
    "last_browser_action": "",
    "last_browser_action_error": "",
    "focused_element_bid": "",
    "filter_visible_only": False,
}
"""The fields of an observation that has no page: OpenHands' defaults."""


class BrowserUnavailable(RuntimeError):
    """There is no Chromium that starts here; the text says what to install."""


class Browser:
    """One session's browser. Its methods may be called from any thread; they take turns."""

    def __init__(
        self,
        workspace: str,
        downloads: str,
        *,
        executable: str | None = None,
        temporary: str | None = None,
        navigation_timeout_s: float = NAVIGATION_TIMEOUT_S,
        action_timeout_s: float = ACTION_TIMEOUT_S,
    ) -> None:
        """Start nothing yet.

        `workspace` takes screenshots and copies of downloads, `downloads` the downloads themselves. `executable` is a
        Chromium to use instead of Playwright's own or the system's. `temporary` is where to make the temporary folder.
        """
        self._workspace = Path(workspace)
        self._downloads = Path(downloads)
        self._executable = executable
        self._temporary = temporary
        self._navigation_timeout_s = navigation_timeout_s
        self._action_timeout_s = action_timeout_s
        self._reported: set[str] = set()
        """Names of downloads that the agent has been told of."""
        self._turn = threading.RLock()
        self._thread: _Thread | None = None
        self._chromium: Chromium | None = None
        self._folder: Path | None = None

    def start(self) -> None:
        """Start Chromium unless it has started. Raises BrowserUnavailable where there is none to start."""
        with self._turn:
            if self._chromium is not None:
                return
            self._downloads.mkdir(parents=True, exist_ok=True)
            # A short name: Chromium makes a socket in it, whose path may have 107 bytes.
            self._folder = Path(tempfile.mkdtemp(prefix="browser-", dir=self._temporary))
            self._thread = _Thread()
            try:
                self._chromium = self._thread.submit(self._new_chromium, self._folder).result(self._action_timeout_s)
            except BaseException:
                self._discard()
                raise

    def start_in_background(self) -> None:
        """Start Chromium in a thread; an action that comes before it is there waits for it.

        Where it does not start, the first action tries again, and says why.
        """
        threading.Thread(target=self._start_quietly, name="browser-start", daemon=True).start()

    def _start_quietly(self) -> None:
        try:
            self.start()
        except Exception as error:  # whatever it is, the session goes on
            log.warning("The browser could not be started ahead of need: %s", error)

    def execute(self, action: str, args: dict[str, Any]) -> dict[str, Any]:
        """Run one action with OpenHands' `args` of it, and return the dict of its observation.

        What goes wrong on a page, or with the browser, is an observation too. Raises ValueError for another action,
        TypeError for an address that is no text.
        """
        script, asked_url = self._script(action, args)
        with self._turn:
            try:
                self.start()
            except BrowserUnavailable as error:
                return observations.error(f"{NO_BROWSER} {error}")
            try:
                snapshot = self._step(script, action == BROWSE_INTERACTIVE or bool(args.get("return_axtree")))
                observation = self._observation(action, script, snapshot, bool(args.get("return_axtree")))
            except Exception as error:
                observation = _failure(action, asked_url, self._explain(error))
            if action == BROWSE_INTERACTIVE and observation["extras"]["error"]:
                return self._downloaded(script) or observation
            return observation

    def close(self) -> None:
        """End Chromium and remove what it left. The browser may be started again."""
        with self._turn:
            self._discard()

    def _script(self, action: str, args: dict[str, Any]) -> tuple[Any, str]:
        """BrowserGym's call for an action, and the address it asks for. BrowserGym refuses calls that are no text."""
        if action == BROWSE_INTERACTIVE:
            return args["browser_actions"], ""
        if action == BROWSE:
            if not isinstance(args["url"], str):
                raise TypeError(f"url is a text, not {args['url']!r:.100}")
            url = self._address(args["url"])
            return f'goto("{url}")', url
        raise ValueError(f"Invalid action type: {action}")

    def _address(self, url: str) -> str:
        if url.startswith("http") or re.match(r"(file|data|about|blob|view-source|chrome):", url):
            return url
        with contextlib.suppress(OSError, ValueError):
            path = self._workspace / url
            if url and path.exists():
                return path.resolve().as_uri()
        return os.path.abspath(os.curdir) + url

    def _new_chromium(self, folder: Path) -> Chromium:
        from openhands_ray.worker import browser_observation, chromium  # noqa: F401  both are heavy: load both now

        return chromium.Chromium(self._executable, folder, self._downloads, self._navigation_timeout_s)

    def _step(self, script: Any, with_axtree: bool) -> Snapshot:
        assert self._thread is not None
        assert self._chromium is not None
        step = self._thread.submit(self._chromium.step, script, with_axtree=with_axtree)
        return step.result(self._action_timeout_s)

    def _explain(self, error: Exception) -> str:
        """The text for an agent. A browser that is lost is replaced on the way."""
        from openhands_ray.worker.chromium import BrowserLost

        if isinstance(error, TimeoutError) and not str(error):
            _kill_processes_of(self._folder)  # it would not hear that it should close
            self._discard()
            return HUNG
        if not isinstance(error, BrowserLost):
            return str(error)
        self._discard()
        if error.started:
            return LOST_DURING
        self.start()
        return LOST_BEFORE

    def _observation(self, action: str, script: Any, page: Snapshot, return_axtree: bool) -> dict[str, Any]:
        from openhands_ray.worker import browser_observation as seen

        extras = NO_PAGE | {
            "url": page.url,
            "trigger_by_action": action,
            "screenshot": seen.data_url(page.screenshot),
            "screenshot_path": self._save_screenshot(page.screenshot),
            "set_of_marks": seen.data_url(seen.set_of_marks(page.screenshot, page.element_properties)),
            "error": bool(page.action_error),
            "open_pages_urls": page.open_pages_urls,
            "active_page_index": page.active_page_index,
            "axtree_object": page.axtree or {},
            "extra_element_properties": page.element_properties,
            "last_browser_action": script,
            "last_browser_action_error": page.action_error,
            "focused_element_bid": page.focused_element_bid,
        }
        if action == BROWSE:
            content = seen.text_after_visit(extras, seen.page_text(page.dom))
        else:
            content = seen.text_after_interaction(extras)
        if not return_axtree:
            extras |= {"axtree_object": {}, "extra_element_properties": {}}
        return {"observation": BROWSE, "content": content, "extras": extras}

    def _save_screenshot(self, png: bytes) -> str:
        folder = self._workspace / ".browser_screenshots"
        folder.mkdir(exist_ok=True)
        path = folder / f"screenshot_{datetime.datetime.now():%Y%m%d_%H%M%S_%f}.png"
        path.write_bytes(png)
        return str(path)

    def _downloaded(self, script: Any) -> dict[str, Any] | None:
        """The observation of a download that the agent does not know of yet, its file copied into the workspace."""
        files = [path for path in self._downloads.iterdir() if path.suffix != ".crdownload"]
        new = [path for path in files if path.name not in self._reported and path.is_file()]
        if not new:
            return None
        source = min(new, key=lambda path: path.stat().st_mtime_ns)
        self._reported.add(source.name)
        target = self._workspace / f"file_{len(self._reported)}{_extension(source)}"
        shutil.copy(source, target)
        return {
            "observation": "download",
            "content": f"Execution of the previous action {script} resulted in a file download. "
            f"The downloaded file is saved at location: {target}",
            "extras": {"file_path": str(target)},
        }

    def _discard(self) -> None:
        """Leave no process, no thread and no folder of the present Chromium."""
        thread, chromium, folder = self._thread, self._chromium, self._folder
        self._thread = self._chromium = self._folder = None
        if thread is not None:
            if chromium is not None and not _done(thread.submit(chromium.close)):
                _kill_processes_of(folder)
            thread.stop()
        if folder is not None:
            _kill_processes_of(folder)
            shutil.rmtree(folder, ignore_errors=True)


class _Thread:
    """One thread that runs calls in the order they come."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        # A daemon, so that a page that hangs cannot keep the session's process from ending.
        self._thread = threading.Thread(target=self._work, name="browser", daemon=True)
        self._thread.start()

    def submit[**P, T](self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._calls.put((future, lambda: function(*args, **kwargs)))
        return future

    def stop(self) -> None:
        """End the thread after the calls before this one; wait for it as long as Chromium may take to close."""
        self._calls.put(None)
        self._thread.join(CLOSE_TIMEOUT_S)

    def _work(self) -> None:
        while (job := self._calls.get()) is not None:
            future, call = job
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)


def _done(future: Future[Any]) -> bool:
    try:
        future.result(CLOSE_TIMEOUT_S)
    except TimeoutError:
        return False
    return True


def _kill_processes_of(folder: Path | None) -> None:
    """Kill the Chromium that keeps its cache in `folder`; its helpers end with it. Playwright removes its profile."""
    mark = f"--disk-cache-dir={folder}"
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any(argument.startswith(mark) for argument in process.cmdline()):
                process.kill()
                process.wait(CLOSE_TIMEOUT_S)


def _extension(path: Path) -> str:
    """The extension that the content of a file suggests, with its dot, or nothing."""
    import puremagic

    try:
        return str(puremagic.magic_file(str(path))[0].extension).strip()
    except Exception:
        return ""


def _failure(action: str, url: str, message: str) -> dict[str, Any]:
    """The observation of an action that could not be observed."""
    from openhands_ray.worker import browser_observation as seen

    extras = NO_PAGE | {"url": url, "trigger_by_action": action, "last_browser_action_error": message}
    content = seen.text_after_visit(extras, message) if action == BROWSE else seen.text_after_interaction(extras)
    return {"observation": BROWSE, "content": content, "extras": extras}
