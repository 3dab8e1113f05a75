"""The browser of a session, in a real Chromium, against a small site on 127.0.0.1.

What it answers where nothing breaks is compared with OpenHands: ``tests/oracle/scenarios_browser.py``.
"""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import LocalSession, gone
from web_site import Site, serve

from openhands_ray.worker.browser import HUNG, LOST_BEFORE, LOST_DURING, Browser, BrowserUnavailable

pytestmark = [pytest.mark.alone, pytest.mark.timeout(60)]

Observation = dict[str, Any]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serve() as site:
        yield site


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for the tests that leave it usable."""
    folder = tmp_path_factory.mktemp("shared")
    browser = Browser(str(folder), str(folder / ".downloads"))
    yield browser
    browser.close()


@pytest.fixture
def browser(shared: Browser) -> Browser:
    shared.execute("browse", {"url": "about:blank"})
    return shared


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder with a short path: Chromium makes sockets below it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def own(tmp_path: Path, temporary: Path) -> Iterator[Browser]:
    """A browser for the tests that break it, with short limits."""
    limits = {"navigation_timeout_s": 1.0, "action_timeout_s": 40.0}
    browser = Browser(str(tmp_path), str(tmp_path / "downloads"), temporary=str(temporary), **limits)  # type: ignore[arg-type]
    yield browser
    browser.close()


def interact(browser: Browser, text: str) -> Observation:
    return browser.execute("browse_interactive", {"browser_actions": text, "return_axtree": True})


def visit(browser: Browser, url: str) -> Observation:
    return browser.execute("browse", {"url": url, "return_axtree": False})


def chromiums(below: int | None = None, folder: str = "") -> list[psutil.Process]:
    """The Chromium processes below a process (this one), without the dead that nobody has waited for."""
    found = []
    for process in psutil.Process(below).children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE and f"--disk-cache-dir={folder}" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return [process for process in found if "--type=" not in " ".join(process.cmdline())]


def kill_chromium_of(folder: Path) -> None:
    for process in chromiums():
        if f"--disk-cache-dir={folder}" in " ".join(process.cmdline()):
            process.send_signal(signal.SIGKILL)
            process.wait()


def test_importing_it_loads_nothing_heavy_and_no_openhands() -> None:
    program = (
        "import sys, openhands_ray.worker.browser as b;"
        "heavy = {'browsergym', 'playwright', 'PIL', 'numpy', 'html2text', 'openhands'};"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_browsing_never_imports_openhands(tmp_path: Path) -> None:
    program = (
        "import sys; from openhands_ray.worker.browser import Browser;"
        f"b = Browser({str(tmp_path)!r}, {str(tmp_path / 'd')!r}); b.execute('browse', {{'url': 'about:blank'}});"
        "b.close(); print([name for name in sys.modules if name.split('.')[0] == 'openhands'])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_the_screenshot_is_saved_in_the_workspace(browser: Browser, site: Site) -> None:
    extras = visit(browser, f"{site.url}/")["extras"]
    kind, data = extras["screenshot"].split(",", 1)
    assert kind == "data:image/png;base64"
    assert Path(extras["screenshot_path"]).read_bytes() == base64.b64decode(data)
    assert Path(extras["screenshot_path"]).parent.name == ".browser_screenshots"
    assert extras["set_of_marks"].startswith("data:image/png")
    assert extras["set_of_marks"] != extras["screenshot"]


def test_several_calls_in_one_action_and_what_follows_from_them(browser: Browser, site: Site) -> None:
    visit(browser, f"{site.url}/")
    content = interact(browser, 'fill("10", "far")\nclick("15")')["content"]
    assert "[Action executed successfully.]" in content
    for text in ("went far", "'later'", "'fetched'"):  # at once, by a timer of 300 ms, by an answer after 200 ms
        assert text in content


def test_an_unknown_action_is_refused(browser: Browser) -> None:
    with pytest.raises(ValueError, match="Invalid action type: fly"):
        browser.execute("fly", {})


@pytest.mark.parametrize("url", [5, None, ["http://127.0.0.1"]])
def test_an_address_that_is_no_text_is_refused(browser: Browser, url: Any) -> None:
    with pytest.raises(TypeError, match="url is a text, not "):
        visit(browser, url)


def test_local_files_by_address_and_by_path(own: Browser, tmp_path: Path) -> None:
    page = tmp_path / "a page.html"
    page.write_text("<h1>local</h1>")
    for url in (page.as_uri(), str(page), "a page.html"):
        assert "local" in visit(own, url)["content"]


def test_a_page_that_never_answers_is_left_after_the_timeout(own: Browser, site: Site) -> None:
    extras = visit(own, f"{site.url}/never")["extras"]
    assert extras["last_browser_action_error"].startswith("TimeoutError: Page.goto: Timeout 1000ms exceeded.")
    assert "Second" in visit(own, f"{site.url}/second")["content"]


@pytest.mark.parametrize("link", ["4", "5"], ids=["same tab", "new tab"])
def test_a_link_that_never_answers_is_left_after_the_timeout(own: Browser, site: Site, link: str) -> None:
    visit(own, f"{site.url}/trap")
    extras = interact(own, f'click("{link}")')["extras"]
    assert extras["last_browser_action_error"].startswith("TimeoutError: ")
    assert "Second" in visit(own, f"{site.url}/second")["content"]


def test_a_page_that_hangs_is_stopped_and_the_browser_replaced(own: Browser, site: Site) -> None:
    own._action_timeout_s = 6.0
    assert visit(own, f"{site.url}/spin")["extras"]["last_browser_action_error"] == HUNG
    assert "Second" in visit(own, f"{site.url}/second")["content"]


def test_a_page_that_crashes_takes_its_browser_with_it(own: Browser, site: Site) -> None:
    visit(own, f"{site.url}/")
    assert interact(own, 'goto("chrome://crash")')["extras"]["last_browser_action_error"] == LOST_DURING
    assert "Second" in visit(own, f"{site.url}/second")["content"]


def test_a_download_is_whole_before_it_is_copied(browser: Browser, site: Site) -> None:
    observation = interact(browser, f'goto("{site.url}/slow-file")')
    assert Path(observation["extras"]["file_path"]).read_bytes() == b"x" * 200_000


def test_a_browser_killed_between_actions_is_replaced_and_nothing_replayed(
    own: Browser, site: Site, temporary: Path
) -> None:
    visit(own, f"{site.url}/")
    kill_chromium_of(temporary)
    visits = len(site.visits)
    observation = visit(own, f"{site.url}/second")
    assert observation["extras"]["last_browser_action_error"] == LOST_BEFORE
    assert LOST_BEFORE in observation["content"]
    assert len(site.visits) == visits
    assert "Second" in visit(own, f"{site.url}/second")["content"]


def test_a_browser_killed_during_an_action_says_that_it_may_have_run(own: Browser, temporary: Path) -> None:
    own.start()
    killer = threading.Timer(0.3, kill_chromium_of, [temporary])
    killer.start()
    extras = interact(own, "noop(5000)")["extras"]
    killer.join()
    assert extras["last_browser_action_error"] == LOST_DURING
    assert not interact(own, "noop(1)")["extras"]["error"]


def test_one_chromium_serves_calls_from_any_thread(own: Browser, site: Site) -> None:
    before = len(chromiums())
    contents: list[str] = []
    threads = [
        threading.Thread(target=lambda: contents.append(visit(own, f"{site.url}/second")["content"])) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(chromiums()) == before + 1
    assert len(contents) == 2
    assert all("Second" in content for content in contents)


def wait_for_chromium(below: int | None = None, folder: str = "") -> psutil.Process:
    while not (found := chromiums(below, folder)):
        time.sleep(0.05)
    (chromium,) = found
    return chromium


def test_it_can_be_started_before_it_is_needed(own: Browser, site: Site, temporary: Path) -> None:
    own.start_in_background()
    chromium = wait_for_chromium(folder=str(temporary))
    assert "Second" in visit(own, f"{site.url}/second")["content"]
    assert chromiums(folder=str(temporary)) == [chromium]


def test_one_that_does_not_start_ahead_says_so_when_it_is_needed(tmp_path: Path) -> None:
    browser = Browser(str(tmp_path), str(tmp_path / "downloads"), executable="/nonexistent")
    browser.start_in_background()
    assert visit(browser, "about:blank")["observation"] == "error"
    browser.close()


@pytest.mark.parametrize("browser", [True, False])
def test_a_session_has_it_from_its_start_only_if_asked(isolation: str, browser: bool) -> None:
    session = LocalSession(isolation, browser=browser)
    executor = session.actor.info()["executor_pid"]
    processes = [wait_for_chromium(executor)] if browser else []
    assert session.output("echo on") == "on"
    assert chromiums(executor) == processes
    session.close()
    assert gone(processes)


def test_close_leaves_no_process_and_no_folder(own: Browser, temporary: Path) -> None:
    before = {path.name for path in Path(tempfile.gettempdir()).glob("playwright*")}
    running = len(chromiums())
    own.start()
    own.start()
    own.close()
    own.close()
    assert len(chromiums()) == running
    assert not any(temporary.iterdir())
    assert {path.name for path in Path(tempfile.gettempdir()).glob("playwright*")} <= before


def test_without_a_chromium_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    browser = Browser(str(tmp_path), str(tmp_path / "downloads"))
    with pytest.raises(BrowserUnavailable, match="playwright install"):
        browser.start()
    observation = visit(browser, "about:blank")
    assert observation["observation"] == "error"
    assert observation["content"].startswith("Browser functionality is not supported or disabled. No Chromium on this")
    browser.close()
