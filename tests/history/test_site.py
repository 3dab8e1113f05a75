"""The published site in a real browser that can reach nothing but the site itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright import sync_api
from project import Project, benchmark

from openhands_ray.history import assets
from openhands_ray.history.errors import AssetsUnavailable

SLOW = "actions.File.time_write"
STEADY = "actions.File.time_read"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A published project of eight commits, the fifth of which makes one benchmark slower."""
    try:
        assets.fetch()
    except AssetsUnavailable as error:
        pytest.skip(str(error))
    known = [benchmark(SLOW, title="file write"), benchmark(STEADY, title="file read")]
    project = Project(tmp_path_factory.mktemp("site") / "project", known)
    for number in range(8):
        project.commit({SLOW: 0.002 if number < 4 else 0.006, STEADY: 0.002})
    command = [sys.executable, "-m", "asv", "publish", "--no-pull"]
    published = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert published.returncode == 0, published.stdout + published.stderr
    return project


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(project: Project) -> Iterator[str]:
    """The site's address, which is below a path, as on a host of pages."""
    served = project.folder / "served"
    (served / "some").mkdir(parents=True)
    (served / "some" / "path").symlink_to(project.folder / ".asv/html")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/some/path/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: sync_api.Browser, address: str) -> Iterator[sync_api.Page]:
    """A page that fails its test after any console error, and any request that leaves the site."""
    page = browser.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.on("request", lambda request: None if request.url.startswith(address) else problems.append(request.url))
    page.goto(address, wait_until="networkidle")
    yield page
    page.wait_for_load_state("networkidle")
    page.close()
    assert problems == []


def test_the_grid_draws_a_graph_for_each_benchmark(page: sync_api.Page) -> None:
    page.locator("#summarygrid-display canvas").nth(1).wait_for()

    assert page.locator("#summarygrid-display").inner_text().count("file ") == 2


def test_the_list_shows_the_newest_values_and_the_change(page: sync_api.Page) -> None:
    page.get_by_role("link", name="Benchmark list").click()

    row = page.locator("#summarylist-body tr", has_text="file write")
    row.wait_for()
    assert "6.00" in row.inner_text()
    assert "200" in row.inner_text()  # per cent more than before


def test_the_regressions_name_the_benchmark_and_the_commit(page: sync_api.Page, project: Project) -> None:
    page.get_by_role("link", name="Regressions").click()

    row = page.locator("#regressions-body tbody tr").first
    row.wait_for()
    assert SLOW in row.inner_text()
    assert project.commits[4][:8] in row.inner_text()
    assert page.locator("#regressions-body tbody tr").count() == 1


def test_the_graph_of_a_benchmark_draws(page: sync_api.Page, address: str) -> None:
    page.goto(f"{address}#{SLOW}")

    page.locator("#main-graph canvas").first.wait_for()
    page.locator("#overview canvas").first.wait_for()


def test_the_page_of_criteria_shows_only_when_it_is_chosen(page: sync_api.Page) -> None:
    display = page.locator("#criteria-display")
    assert not display.is_visible()

    page.get_by_role("link", name="Success criteria").click()

    display.wait_for(state="visible")
    assert "Average action" in display.inner_text()
    assert not page.locator("#summarygrid-display").is_visible()
    page.get_by_role("link", name="Benchmark grid").click()
    page.locator("#summarygrid-display").wait_for(state="visible")
    assert not display.is_visible()


def test_a_commit_leads_to_a_page_of_the_site(page: sync_api.Page, project: Project, address: str) -> None:
    commit = project.commits[4]

    page.goto(f"{address}commits.html#{commit}")

    assert "Change 4 <&>" in page.locator(f"[id='{commit}']").inner_text()


def test_the_list_of_regressions_is_that_of_asv(project: Project) -> None:
    (regression,) = project.published("regressions.json")["regressions"]
    revision_to_hash = project.published("index.json")["revision_to_hash"]

    name, *_, jumps = regression
    assert name == SLOW
    assert [revision_to_hash[str(jump[1])] for jump in jumps] == [project.commits[4]]
