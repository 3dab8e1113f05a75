"""One Chromium under Playwright: runs an action of BrowserGym, waits until the page is quiet, takes a snapshot.

Importing this module loads Playwright and BrowserGym (about one second), so only the browser's own thread does it,
when a session browses for the first time. Playwright's synchronous API is bound to the thread that started it: every
method here runs on that one thread.

BrowserGym's own environment is not used, since it starts a second Chromium for a chat that nobody reads, slows every
action down by 1 s and then sleeps 0.5 s. Its action set and its extraction of a page are used as they are.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import playwright.sync_api as playwright
from browsergym.core.action.base import execute_python_code
from browsergym.core.action.highlevel import HighLevelActionSet
from browsergym.core.constants import BROWSERGYM_ID_ATTRIBUTE, EXTRACT_OBS_MAX_TRIES
from browsergym.core.observation import (
    MarkingError,
    _post_extract,
    _pre_extract,
    extract_dom_extra_properties,
    extract_dom_snapshot,
    extract_merged_axtree,
)

from openhands_ray.worker.browser import BrowserUnavailable

VIEWPORT = playwright.ViewportSize(width=1280, height=720)
"""Pixels: the window of BrowserGym's open-ended task."""

SETTLE_S = 1.5
"""Seconds that a page may take to become quiet after an action: what BrowserGym always waits as OpenHands configures
it (``slow_mo`` of 1 s, then a sleep of 0.5 s). Whatever shows there by then shows here too."""

DOM_LOADED_MS = 3000
"""Milliseconds to wait for a document's DOM, per document: BrowserGym's own limit."""

SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

SWITCHES = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""A session's network is closed by default: Chromium should not try to reach its maker."""

NOT_WAITED_FOR = frozenset({"eventsource", "manifest", "media", "ping", "websocket"})
"""Kinds of requests that last as long as they like, or that change nothing on the page."""

TRANSIENT = (
    "Cannot mark a child frame without a bid",
    "Cannot read properties of undefined",
    "Execution context was destroyed",
    "Frame has been detached",
    "Frame was detached",
    "Frame with the given frameId is not found",
)
"""Errors of an extraction that a navigation crossed: BrowserGym tries again after these."""

# Runs in each document before its own scripts. It reports which tab is in use (Playwright knows no active tab), and
# keeps the due times of the one-shot timers that the page has set. Timers set by timers are left out: that is how
# pages poll. A Proxy keeps name, length and text of the native functions.
WATCH_PAGE = """
(() => {
  const activated = () => window.openhands_ray_page_activated();
  const events = ["focus", "focusin", "load", "pageshow", "mousemove", "mouseup", "mousedown", "wheel", "keyup",
                  "keydown", "input", "touchstart", "touchend"];
  activated();
  for (const name of events) window.addEventListener(name, activated, {capture: true});
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") activated();
  }, {capture: true});

  const due = new Map();
  const native = {set: window.setTimeout, frame: window.requestAnimationFrame};
  let inTimer = false;
  window.setTimeout = new Proxy(native.set, {apply(target, self, args) {
    const [callback, delay, ...rest] = args;
    if (typeof callback !== "function" || inTimer) return Reflect.apply(target, self, args);
    const run = function (...values) {
      due.delete(id);
      inTimer = true;
      try { callback.apply(this, values); } finally { inTimer = false; }
    };
    const id = Reflect.apply(target, self, [run, delay, ...rest]);
    due.set(id, performance.now() + (Number(delay) || 0));
    return id;
  }});
  for (const name of ["clearTimeout", "clearInterval"]) {
    window[name] = new Proxy(window[name], {apply(target, self, args) {
      due.delete(args[0]);
      return Reflect.apply(target, self, args);
    }});
  }
  const quiet = (ms) => {
    const limit = performance.now() + ms;
    return document.readyState === "complete" && ![...due.values()].some((time) => time <= limit);
  };
  Object.defineProperty(window, "openhands_ray_quiet", {value: (ms) => new Promise((resolve) => {
    const answer = () => resolve(quiet(ms));
    native.frame.call(window, () => native.frame.call(window, answer));
    native.set.call(window, answer, 100);  // where no frames are drawn
  })});
})();
"""

QUIET = "(ms) => window.openhands_ray_quiet ? window.openhands_ray_quiet(ms) : true"

# The element that has the focus, inside shadow roots too: its bid, and whether the search goes on inside a frame.
FOCUSED = """
(attribute) => {
  let element = document.activeElement;
  while (element && element.shadowRoot) element = element.shadowRoot.activeElement;
  const mayHoldFrame = (tag) => /^(iframe|frame|object|embed|fencedframe)$/i.test(tag);
  return element && [element.getAttribute(attribute), mayHoldFrame(element.tagName)];
}
"""

FOCUSED_ELEMENT = """
() => {
  let element = document.activeElement;
  while (element && element.shadowRoot) element = element.shadowRoot.activeElement;
  return element;
}
"""


class BrowserLost(RuntimeError):
    """Chromium has died. `started` tells whether the action had begun by then."""

    def __init__(self, started: bool) -> None:
        super().__init__("The browser has stopped.")
        self.started = started


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a page shows after an action, in BrowserGym's terms."""

    url: str
    open_pages_urls: list[str]
    active_page_index: int
    focused_element_bid: str | None
    dom: dict[str, Any]
    axtree: dict[str, Any] | None
    """None unless it was asked for."""
    element_properties: dict[str, Any]
    screenshot: bytes
    """PNG."""
    action_error: str
    """Empty when the action succeeded."""


class Chromium:
    """One Chromium process with one context: its tabs, its cookies, and the tab in use."""

    def __init__(self, executable: str | None, folder: Path, downloads: Path, navigation_timeout_s: float) -> None:
        """Start it. `folder` takes its cache and its settings, `downloads` what it downloads.

        Raises BrowserUnavailable.
        """
        self._timeout_s = navigation_timeout_s
        self._downloads = downloads
        self._to_code = HighLevelActionSet().to_python_code
        self._used: list[playwright.Page] = []
        """The open tabs, the most recently used last."""
        self._opening: set[playwright.Page] = set()
        """Tabs that have not reported themselves yet."""
        self._requests: set[playwright.Request] = set()
        """On their way since the action began."""
        self._navigations: set[playwright.Request] = set()
        """Of these, the documents of tabs that have no answer yet."""
        self._downloading = 0
        """Downloads that the action has begun."""
        self._crashed = False
        self._endings: list[Callable[[], None]] = []
        try:
            self._playwright = playwright.sync_playwright().start()
            self._endings.append(self._playwright.stop)
            self._playwright.selectors.set_test_id_attribute(BROWSERGYM_ID_ATTRIBUTE)
            browser = self._launch(executable, folder)
            self._endings.append(browser.close)
            self._context = self._new_context(browser)
            self._endings.append(self._context.close)
            self.page = self._context.new_page()
        except BaseException:
            self.close()
            raise

    def _launch(self, executable: str | None, folder: Path) -> playwright.Browser:
        """The browser that is named, or else Playwright's own, or else the system's."""
        options: dict[str, Any] = {
            "args": [*SWITCHES, f"--disk-cache-dir={folder / 'cache'}"],
            "downloads_path": self._downloads,
            "env": {**os.environ, "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder), "TMPDIR": str(folder)},
        }
        try:
            return self._playwright.chromium.launch(executable_path=executable or self._find(), **options)
        except playwright.Error as error:
            raise BrowserUnavailable(f"Chromium does not start on this node: {error}") from error

    def _find(self) -> str | None:
        """The system's Chromium, or None where Playwright has one of its own to launch."""
        # <browsers>/chromium-<revision>/<platform>/<program>, beside it chromium_headless_shell-<revision>.
        browsers = Path(self._playwright.chromium.executable_path).parents[2]
        return None if any(browsers.glob("chromium*-*")) else _system_browser()

    def _new_context(self, browser: playwright.Browser) -> playwright.BrowserContext:
        context = browser.new_context(viewport=VIEWPORT, accept_downloads=True)
        context.set_default_timeout(self._timeout_s * 1000)
        context.expose_binding("openhands_ray_page_activated", lambda source: self._activate(source["page"]))
        context.add_init_script(WATCH_PAGE)
        context.on("page", self._on_page)
        context.on("request", self._on_request)
        context.on("response", self._on_response)
        context.on("requestfinished", self._on_request_end)
        context.on("requestfailed", self._on_request_end)
        return context

    def _on_page(self, page: playwright.Page) -> None:
        self._opening.add(page)
        page.on("close", self._on_close)
        page.on("crash", self._on_crash)
        page.on("download", self._on_download)

    def _on_close(self, page: playwright.Page) -> None:
        self._opening.discard(page)

    def _on_crash(self, page: playwright.Page) -> None:
        self._crashed = True

    def _on_download(self, download: playwright.Download) -> None:
        self._downloading += 1
        self._opening.discard(download.page)

    def _on_request(self, request: playwright.Request) -> None:
        if request.resource_type not in NOT_WAITED_FOR:
            self._requests.add(request)
        if request.is_navigation_request() and not _in_child_frame(request):
            self._navigations.add(request)

    def _on_response(self, response: playwright.Response) -> None:
        self._navigations.discard(response.request)

    def _on_request_end(self, request: playwright.Request) -> None:
        self._requests.discard(request)
        self._navigations.discard(request)

    def _activate(self, page: playwright.Page) -> None:
        self._opening.discard(page)
        if page in self._used:
            self._used.remove(page)
        self._used.append(page)
        self.page = page

    def close(self) -> None:
        """End Chromium and Playwright's driver, whatever state they are in."""
        while self._endings:
            with contextlib.suppress(Exception):
                self._endings.pop()()

    def step(self, action: Any, *, with_axtree: bool) -> Snapshot:
        """Run `action`, a text of one or several of BrowserGym's calls, and look at the page once it is quiet.

        What goes wrong in the action is part of the snapshot. Raises BrowserLost, or Playwright's error where the
        page cannot be read.
        """
        self._require_alive(started=False)
        self._requests.clear()
        self._navigations.clear()
        self._downloading = 0
        deadline = time.monotonic() + self._timeout_s
        error = self._run(action)
        try:
            self._require_alive(started=True)
            unanswered = self._finish_navigation(deadline)
            self._settle()
            self._finish_downloads()
            self._wait_for_documents()
            self._choose_page()
            return self._snapshot(error or unanswered, with_axtree)
        except BrowserLost:
            raise
        except Exception:
            self._require_alive(started=True)
            raise

    def _require_alive(self, started: bool) -> None:
        """Deliver the events that wait, by one cheap round trip. Raises BrowserLost."""
        try:
            self._context.cookies("http://localhost")
        except Exception as error:
            raise BrowserLost(started) from error
        if self._crashed:
            raise BrowserLost(started)

    def _run(self, action: Any) -> str:
        """The error of the action as BrowserGym words it, or nothing."""
        try:
            execute_python_code(
                self._to_code(action),
                self.page,
                send_message_to_user=_require_text,
                report_infeasible_instructions=_require_text,
            )
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _finish_navigation(self, deadline: float) -> str:
        """Wait until each document that a tab asked for is answered; at the deadline stop them and return the error.

        Chromium holds back every script that is sent to a page while it waits for its next document, so without this
        the observation would wait for as long as the server does.
        """
        for remaining_s in _until(deadline):
            if not self._navigations:
                return ""
            with contextlib.suppress(playwright.TimeoutError):
                self._context.wait_for_event("response", timeout=min(remaining_s * 1000, 50))
        if not self._navigations:
            return ""
        unanswered = ", ".join(request.url for request in self._navigations)
        for page in self._context.pages:
            session = self._context.new_cdp_session(page)
            session.send("Page.stopLoading")
            session.detach()
        self._navigations.clear()
        self._requests.clear()
        return f"TimeoutError: Timeout {self._timeout_s * 1000:.0f}ms exceeded while waiting for {unanswered}"

    def _settle(self) -> None:
        """Until the tab in use has loaded, awaits no answer or timer, and has drawn two frames; at most `SETTLE_S`."""
        for remaining_s in _until(time.monotonic() + SETTLE_S):
            quiet = False
            # A navigation in between ends the call: then look at the next document.
            with contextlib.suppress(playwright.Error):
                quiet = self.page.evaluate(QUIET, remaining_s * 1000)
            if self.page.is_closed() or self._crashed:
                return
            if quiet and not self._requests and not self._opening:
                return

    def _finish_downloads(self) -> None:
        """Until the files of the downloads that this action began are whole, or the navigation's timeout has passed."""
        if not self._downloading:
            return
        for _ in _until(time.monotonic() + self._timeout_s):
            if not any(self._downloads.glob("*.crdownload")):
                return
            self.page.evaluate(QUIET, 0)

    def _wait_for_documents(self) -> None:
        for page in self._context.pages:
            for frame in page.frames:
                with contextlib.suppress(playwright.Error):
                    frame.wait_for_load_state("domcontentloaded", timeout=DOM_LOADED_MS)

    def _choose_page(self) -> None:
        """Leave a closed tab for the one used before it; there is always one open."""
        pages = self._context.pages
        self._used = [page for page in self._used if page in pages]
        if self.page not in pages:
            self.page = self._used[-1] if self._used else self._context.new_page()

    def _snapshot(self, action_error: str, with_axtree: bool) -> Snapshot:
        for tries_left in reversed(range(EXTRACT_OBS_MAX_TRIES)):
            try:
                # Elements get their bids here, and lose the traces of it in their ARIA attributes below.
                _pre_extract(self.page, tags_to_mark="all", lenient=tries_left == 0)
                dom = extract_dom_snapshot(self.page)
                axtree = extract_merged_axtree(self.page) if with_axtree else None
                focused = _focused_bid(self.page)
                properties = extract_dom_extra_properties(dom)
                break
            except (playwright.Error, MarkingError) as error:
                if not tries_left or not any(text in str(error) for text in TRANSIENT):
                    raise
                _post_extract(self.page)
                self._settle()
        _post_extract(self.page)
        pages = self._context.pages
        return Snapshot(
            url=self.page.url,
            open_pages_urls=[page.url for page in pages],
            active_page_index=pages.index(self.page),
            focused_element_bid=focused,
            dom=dom,
            axtree=axtree,
            element_properties=properties,
            screenshot=self._screenshot(),
            action_error=action_error,
        )

    def _screenshot(self) -> bytes:
        """The viewport as Chromium encodes it: PNG without alpha. Playwright's own call would wait for fonts first."""
        session = self._context.new_cdp_session(self.page)
        answer = session.send("Page.captureScreenshot", {"format": "png"})
        session.detach()
        return base64.b64decode(answer["data"])


def _system_browser() -> str:
    for name in SYSTEM_BROWSERS:
        if path := shutil.which(name):
            return path
    raise BrowserUnavailable(
        "No Chromium on this node. Install it there with `playwright install --with-deps chromium`, or as the system's "
        f"package `chromium`; looked for Playwright's own, then on PATH for {', '.join(SYSTEM_BROWSERS)}."
    )


def _until(deadline: float) -> Iterator[float]:
    """The seconds that remain, until none do."""
    while (remaining := deadline - time.monotonic()) > 0:
        yield remaining


def _in_child_frame(request: playwright.Request) -> bool:
    try:
        return request.frame.parent_frame is not None
    except playwright.Error:  # the tab is not there yet, so this is its own document
        return False


def _require_text(text: object) -> None:
    """Messages to the user stay with the action that holds them; BrowserGym refuses anything but text."""
    if not isinstance(text, str):
        # An agent reads the name of the class too.
        raise ValueError(f"Forbidden value: {text} is not a string")


def _focused_bid(page: playwright.Page) -> str | None:
    """The bid of the element with the focus, in whichever frame it is. As BrowserGym's, which needs 65 ms more."""
    frame: playwright.Page | playwright.Frame | None = page
    bid: str | None = ""
    while frame:
        focused = frame.evaluate(FOCUSED, BROWSERGYM_ID_ATTRIBUTE)
        if focused is None:
            break
        bid, may_hold_frame = focused
        element = frame.evaluate_handle(FOCUSED_ELEMENT).as_element() if may_hold_frame else None
        frame = element.content_frame() if element else None
    return bid
