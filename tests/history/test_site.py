"""The published site in a real browser that can reach nothing but the site itself."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright import sync_api
from project import Project
from served import BROWSER, chromium, served
from site_example import (
    ACCEPTED,
    COMMAND,
    COMMITS,
    PASSING,
    PAYLOAD,
    PEER,
    RATIO,
    READ,
    REASON,
    RECOVERY,
    SLOWER,
    TOO_LARGE,
    WRITE,
    example,
)

from openhands_ray.history import assets
from openhands_ray.history.errors import AssetsUnavailable
from openhands_ray.history.site.values import human

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium")

#: What comes after ``index.html#``, and what must be seen there.
PAGES = {
    "/": "#summarygrid-display canvas",
    "/summarylist": "#summarylist-body tbody tr",
    "/regressions": "#regressions-body tbody tr",
    "/criteria": "#criteria-display tbody tr",
    "/peers": "#peers-display tbody tr",
    COMMAND: "#main-graph canvas",
    RATIO: "#main-graph canvas",
    PEER: "#main-graph canvas",
    PAYLOAD: "#main-graph canvas",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    try:
        assets.fetch()
    except AssetsUnavailable as error:
        pytest.skip(str(error))
    return example(tmp_path_factory.mktemp("site") / "project")


@pytest.fixture(scope="module")
def address(project: Project) -> Iterator[str]:
    with served(project.folder / ".asv/html") as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def options() -> dict[str, object]:
    """Returns what the page is opened with; a test may be given others."""
    return {}


@pytest.fixture
def page(browser: sync_api.Browser, address: str, options: dict[str, object]) -> Iterator[sync_api.Page]:
    """A page that fails its test after any console error, and any request that fails or leaves the site."""
    page = browser.new_page(**options)  # type: ignore[arg-type]
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.extend(_failed(request)))
    page.on("request", lambda request: None if request.url.startswith(address) else problems.append(request.url))
    page.goto(address)
    page.locator(PAGES["/"]).first.wait_for()
    yield page
    page.wait_for_load_state("networkidle")
    page.close()
    assert problems == []


def _failed(request: sync_api.Request) -> list[str]:
    """Returns the request, unless it was broken off because the test went on to another page."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"failed: {request.url}: {request.failure}"]


def show(page: sync_api.Page, name: str) -> None:
    page.evaluate("$('#main-graph').empty()")  # or the graph of the page before would be taken for the new one
    page.goto(f"{page.url.partition('#')[0]}#{name}")
    page.locator(PAGES[name]).first.wait_for()


PHONE = pytest.mark.parametrize("options", [{"viewport": {"width": 390, "height": 844}}], ids=["phone"])
DARK = pytest.mark.parametrize("options", [{"color_scheme": "dark"}], ids=["dark"])


def test_the_grid_draws_a_graph_for_each_benchmark(page: sync_api.Page) -> None:
    page.locator("#summarygrid-display canvas").nth(1).wait_for()

    assert page.locator("#summarygrid-display").inner_text().count("File ") == 3


def test_the_grid_starts_with_what_is_wrong(page: sync_api.Page, project: Project) -> None:
    summary = page.locator("#site-overview")

    assert "1 of 5 success criteria fails: Cluster memory" in summary.inner_text()
    assert f"The newest of {COMMITS} measured commits is {project.commits[-1][:8]}" in summary.inner_text()
    summary.get_by_role("link", name="2 open regressions").click()
    page.locator("#regressions-judged").wait_for()


def test_the_list_shows_the_newest_values_and_the_change(page: sync_api.Page) -> None:
    page.get_by_role("link", name="Benchmark list").click()

    row = page.locator("#summarylist-body tr", has=page.get_by_role("link", name="File write", exact=True))
    row.wait_for()
    assert "3.4" in row.inner_text()
    assert "+6" in row.inner_text()  # some 60 % more than before


def test_asv_lists_the_regressions_that_last(page: sync_api.Page, project: Project) -> None:
    page.get_by_role("link", name="Regressions", exact=True).click()

    rows = page.locator("#regressions-body tbody tr")
    rows.first.wait_for()
    assert sorted(row.split("\t")[0] for row in rows.all_inner_texts()) == [
        COMMAND,
        WRITE,
        "resources.Memory.track_cluster",
    ]
    rows.filter(has_text=COMMAND).get_by_role("link", name=project.commits[SLOWER][:8]).click()
    page.wait_for_url("**/commits.html*")
    assert f"Change {SLOWER} <&>" in page.locator("tr", has=page.locator(":target")).inner_text()


def test_each_regression_is_judged(page: sync_api.Page, project: Project) -> None:
    show(page, "/regressions")
    section = page.locator("#regressions-judged")
    rows = section.locator("tbody tr")

    first, second, third = rows.all_inner_texts()[:3]
    assert COMMAND in first
    assert "open" in first
    assert project.commits[SLOWER][:8] in first
    assert "±" in first
    assert "Cluster memory" in second
    assert "acknowledged" in third
    assert REASON in third

    section.get_by_text("1 regression that recovered").click()
    passed = rows.filter(has_text=READ)
    assert project.commits[PASSING][:8] in passed.inner_text()
    assert f"recovered\nin {project.commits[RECOVERY][:8]}" in passed.inner_text()

    section.get_by_text("Accept a regression for good").click()
    assert f'commit = "{project.commits[SLOWER][:8]}"' in section.locator("pre").inner_text()


def test_a_regression_leads_to_its_graph(page: sync_api.Page, project: Project) -> None:
    show(page, "/regressions")

    page.locator("#regressions-judged").get_by_role("link", name="Simple command").click()

    page.locator("#main-graph canvas").first.wait_for()
    assert f"#{COMMAND}?commits={project.commits[SLOWER]}" in page.url
    assert page.locator("#title").inner_text() == COMMAND


def test_the_criteria_that_fail_come_first(page: sync_api.Page, project: Project) -> None:
    show(page, "/criteria")
    rows = page.locator("#criteria-display tbody tr")

    assert [name.split("\n")[0] for name in rows.locator("th").all_inner_texts()] == [
        "Cluster memory",
        "Maximum operation",
        "Runtime initialization",
        "Average action",
        "Failure rate",
    ]
    first = rows.first.inner_text()
    assert "failed" in first
    assert "< 200 MB" in first
    assert "106 %" in first
    assert f"failed since {project.commits[TOO_LARGE][:8]}" in first
    assert f"held since {project.commits[0][:8]}" in rows.last.inner_text()
    assert rows.first.get_by_role("img", name="Cluster memory over 24 commits").is_visible()


def test_the_page_of_criteria_shows_only_when_it_is_chosen(page: sync_api.Page) -> None:
    display = page.locator("#criteria-display")
    assert not display.is_visible()

    page.get_by_role("link", name="Success criteria").click()

    display.wait_for(state="visible")
    sync_api.expect(page).to_have_title("Success criteria · openhands-ray")
    assert not page.locator("#summarygrid-display").is_visible()
    page.get_by_role("link", name="Benchmark grid").click()
    page.locator("#summarygrid-display").wait_for(state="visible")
    assert not display.is_visible()
    page.go_back()
    display.wait_for(state="visible")


def test_the_links_of_our_pages_lead_somewhere(page: sync_api.Page, address: str) -> None:
    ours = page.locator("#site-overview, .site-page")
    links = ours.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    files = {link.partition("#")[0] for link in links} - {""}

    assert files >= {"commits.html", "criteria.json", "regressions.json", "regressions.xml"}
    assert [file for file in files if page.request.get(address + file).status != 200] == []


def test_the_peers_are_in_one_graph(page: sync_api.Page) -> None:
    show(page, "/peers")
    row = page.locator("#peers-display tbody tr", has_text="simple command")
    assert "\u00d7 3" in row.inner_text()  # hundreds of times ours

    row.get_by_role("link").click()

    page.locator("#main-graph .legendLabel").first.wait_for()
    legend = page.locator("#main-graph .legendLabel").all_inner_texts()
    assert [label.rpartition("-")[2] for label in legend] == ["RayRuntime", "LocalRuntime", "CLIRuntime"]


def test_a_ratio_has_the_line_of_its_reference(page: sync_api.Page) -> None:
    show(page, RATIO)

    options = "$('#main-graph').data('plot').getOptions()"
    assert page.evaluate(f"{options}.grid.markings.map((each) => each.yaxis)") == [{"from": 1, "to": 1}]
    assert page.evaluate(f"{options}.yaxes[0].min") == 0
    show(page, COMMAND)
    assert page.evaluate(f"{options}.grid.markings") == []


def test_the_axis_has_the_unit_of_what_is_large(page: sync_api.Page) -> None:
    for name, unit, tick in ((COMMAND, "milliseconds", "4"), (PAYLOAD, "kilobytes", "40"), (RATIO, "ratio", "1.5")):
        show(page, name)

        assert page.evaluate("$('#main-graph').data('plot').getOptions().yaxes[0].axisLabel") == unit
        assert tick in page.locator("#main-graph .flot-y-axis .flot-tick-label").all_inner_texts()


def test_values_read_the_same_on_asv_s_pages_and_on_ours(page: sync_api.Page) -> None:
    values = [(1.234, "ratio"), (48200, "bytes"), (1234.0, "MB"), (0, "%"), (0.99996, "unit"), (1e-5, "MB"), (-2.5, "")]
    times = [(0.00123, "seconds"), (0.99996, "seconds"), (31.0, "seconds"), (-5.4e-6, "seconds")]

    shown = page.evaluate("pairs => pairs.map(([value, unit]) => $.asv.pretty_unit(value, unit))", [*values, *times])

    assert shown == [
        *(human(value, unit) for value, unit in values),
        *(human(value, unit).replace(" ", "").replace("µ", "μ") for value, unit in times),
    ]


@PHONE
def test_no_page_is_wider_than_a_phone_or_below_its_navigation(page: sync_api.Page) -> None:
    for name, content in PAGES.items():
        show(page, name)

        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        navigation, shown = page.locator("#nav").bounding_box(), page.locator(content).first.bounding_box()
        assert navigation is not None
        assert shown is not None
        assert shown["y"] >= navigation["height"] - 1, name


@PHONE
def test_the_page_of_commits_is_not_wider_than_a_phone(page: sync_api.Page, address: str) -> None:
    page.goto(f"{address}commits.html")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


TEXTS = {
    "/": [".site-headline", ".benchmark-text", ".navbar-text", "#nav li > a"],
    "/summarylist": ["#summarylist-body td a", "#summarylist-body th", "#summarylist-body .value span"],
    "/regressions": ["#regressions-judged th", "#regressions-body td", "#regressions-body button"],
    "/criteria": ["#criteria-display h1", "#criteria-display td", "#criteria-display small"],
    "/peers": ["#peers-display td", "#peers-display a"],
    COMMAND: [".panel-heading", ".nav-header", "#main-graph .flot-text", ".axisLabels"],
}

LUMINANCE = """(element) => {
    const style = getComputedStyle(element);
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
    const ground = (element) => channels(getComputedStyle(element).backgroundColor);
    let behind = element;
    while (behind.parentElement && ground(behind)[3] === 0) behind = behind.parentElement;
    return [luminance(channels(style.color)), luminance(ground(behind))];
}"""


@DARK
def test_in_the_dark_text_is_light(page: sync_api.Page) -> None:
    for name, selectors in TEXTS.items():
        show(page, name)
        for selector in selectors:
            text, ground = page.locator(selector).first.evaluate(LUMINANCE)
            assert text > 120, (name, selector)
            assert ground < 80, (name, selector)


def test_the_keyboard_reaches_the_content_first_and_then_each_page(page: sync_api.Page) -> None:
    order = []
    for _ in range(8):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert order[0] == "Skip to the content"
    assert order[3:] == ["Benchmark grid", "Benchmark list", "Regressions", "Success criteria", "Peers"]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    page.keyboard.press("Enter")
    page.locator("#peers-display").wait_for(state="visible")
    page.wait_for_function("document.activeElement.getAttribute('aria-current') === 'page'")


def test_the_content_can_be_skipped_to(page: sync_api.Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#site-overview') !== null")


def test_asv_s_own_controls_take_the_keyboard(page: sync_api.Page) -> None:
    show(page, COMMAND)
    scale = page.locator("#log-scale")
    page.wait_for_function("document.getElementById('log-scale').tabIndex === 0")

    scale.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**y-axis-scale=log**")
    page.wait_for_function("document.getElementById('log-scale').getAttribute('aria-pressed') === 'true'")

    tree = page.locator("#graphdisplay-navigation")
    for group in ("actions", "File"):
        button = tree.get_by_role("button", name=group, exact=True)
        assert button.get_attribute("aria-expanded") == "false"
        button.focus()
        page.keyboard.press("Space")
    tree.get_by_role("link", name="File write").wait_for(state="visible")


def test_tables_can_be_sorted_by_keyboard(page: sync_api.Page) -> None:
    show(page, "/summarylist")
    heading = page.get_by_role("columnheader", name="Value")
    page.wait_for_function("document.querySelector('#summarylist-body th').tabIndex === 0")

    heading.focus()
    page.keyboard.press("Enter")

    page.wait_for_function("document.querySelector('#summarylist-body th.asc, th.desc').textContent === 'Value'")


@pytest.mark.parametrize("name", ["/", "/regressions", "/criteria", "/peers"])
def test_a_screen_reader_finds_its_way(page: sync_api.Page, name: str) -> None:
    show(page, name)

    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_role("navigation", name="Pages").count() == 1
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("heading", level=1).first.is_visible()
    for table in page.get_by_role("table").filter(has=page.locator("caption")).all():
        assert table.get_by_role("columnheader").count() >= 4
        assert table.get_by_role("rowheader").count() == table.locator("tbody tr").count()
    titles = page.locator("main svg[role=img] title").all_text_contents()
    assert len(titles) == page.locator("main svg[role=img]").count()
    assert all(titles)


def test_asv_s_list_of_regressions_is_as_it_was(project: Project) -> None:
    published = project.published("regressions.json")
    revision_to_hash = project.published("index.json")["revision_to_hash"]

    assert {
        (name, revision_to_hash[str(jump[1])]) for name, *_, jumps in published["regressions"] for jump in jumps
    } == {
        (COMMAND, project.commits[SLOWER]),
        (WRITE, project.commits[ACCEPTED]),
        ("resources.Memory.track_cluster", project.commits[TOO_LARGE]),
    }


def test_the_data_for_machines_are_json_that_any_reader_takes(project: Project) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for path in (project.folder / ".asv/html").rglob("*.json"):
        json.loads(path.read_text("utf-8"), parse_constant=refuse)
    criteria = project.published("criteria.json")
    assert criteria["held"] is False
    assert criteria["commit"] == project.commits[-1]
    first = criteria["criteria"][0]
    assert (first["name"], first["verdict"], first["since"]) == (
        "Cluster memory",
        "failed",
        project.commits[TOO_LARGE],
    )
    assert first["used"] == pytest.approx(first["value"] / 200)
    assert [point["commit"] for point in first["history"]] == project.commits
