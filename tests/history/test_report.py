from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api
from project import Project, Samples, benchmark
from served import BROWSER

from openhands_ray.cli import main
from openhands_ray.history import asv_log, markdown

START = "initialization.Initialization.time_runtime_initialization"
WRITE = "actions.File.time_write"
READ = "actions.File.time_read"
BROWSE = "actions.Browser.time_browse"
MEMORY = "resources.Memory.track_cluster"
FAILURES = "reliability.Reliability.track_failure_rate"
CATEGORIES = "reliability.Failures.track_rate"

RESULTS: dict[str, Any] = {
    START: 3.0,
    WRITE: Samples([0.002, 0.0021, 0.0019, 0.002, 0.002]),
    READ: 0.004,
    BROWSE: None,
    MEMORY: 150.0,
    FAILURES: 4.0,
    CATEGORIES: [0.0, 20.0],
}

# As asv prints it, of two commits.
LOG = """\
[ 0.00%] · For toy commit {other} <main~1>:
[50.00%] ··· actions.Browser.time_browse                      failed
[50.00%] ···· RuntimeError: of another commit
[50.00%] · For toy commit {commit} <main>:
[50.00%] ·· Benchmarking bare-py3.12
[58.33%] ··· actions.Browser.time_browse                      failed
[58.33%] ···· Traceback (most recent call last):
                File "x.py", line 99, in <module>
                  main()
              RuntimeError: no <browser> | here
              asv: benchmark failed (exit status 1)

[66.67%] ··· actions.File.time_sizes                          1/2 failed
[66.67%] ··· ====== ========
              size
             ------ --------
               1     failed
               2      2ms
             ====== ========
             For parameters: 1
             Traceback (most recent call last):
             ValueError: one

[66.67%] ···· For parameters: 1
              Traceback (most recent call last):
              ValueError: one
              asv: benchmark failed (exit status 1)

[75.00%] ··· actions.File.time_gone                          failed
[75.00%] ··· actions.File.time_write                     721±4μs
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    units = {MEMORY: "MB", FAILURES: "%", CATEGORIES: "%"}
    known = [
        benchmark(
            name, units.get(name, "seconds"), params=[["'timeout'", "'worker lost'"]] if name == CATEGORIES else ()
        )
        for name in (*RESULTS, "actions.Command.time_never_run")
    ]
    project = Project(tmp_path / "project", known)
    project.commit(RESULTS | {BROWSE: 0.5})
    project.commit(RESULTS)
    monkeypatch.chdir(project.folder)
    return project


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["report", *arguments]) == 0
    return capsys.readouterr().out


def section(text: str, heading: str) -> str:
    return text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_the_report_has_all_of_its_parts_in_order(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    text = report(capsys)

    assert text.startswith(f"# Validation report of {project.commits[1][:8]}\n")
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["Summary", "Success criteria", "Averages by category", "Operations", "Errors", "Machine"]


def test_the_summary_counts(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    summary = section(report(capsys), "Summary")

    assert "**Worse beside" in summary
    assert "| success criteria held | 2 of 5 |" in summary
    assert "| benchmarks measured | 7 of 9 |" in summary
    assert "| failed | 1 |" in summary
    assert "| not run | 1 |" in summary


def test_an_average_is_over_the_operations_of_a_class_that_have_a_value(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    averages = section(report(capsys), "Averages by category")

    assert "| actions.File | 2 | 3.00ms | 2.00ms | 4.00ms |" in averages
    assert "| resources.Memory | 1 | 150 MB | 150 MB | 150 MB |" in averages
    assert "actions.Browser" not in averages


def test_operations_have_their_value_noise_and_verdict(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    operations = section(report(capsys), "Operations")

    assert r"| actions.File.time\_write | 2.00±0ms | 2.00±0ms | +0 % | +40 % | same |" in operations
    assert r"| actions.Browser.time\_browse | 500ms | failed | - | +75 % | **broken** |" in operations


def test_errors_are_told_by_category_and_by_benchmark(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    log = project.folder / "log"
    log.write_text(LOG.format(other=project.commits[0][:8], commit=project.commits[1][:8]))

    with_log, without = section(report(capsys, "--log", "log"), "Errors"), section(report(capsys), "Errors")

    assert "| timeout | 0 % |\n| worker lost | 20 % |" in with_log
    assert r"| actions.Browser.time\_browse | RuntimeError: no \<browser\> \| here |" in with_log
    assert r"| actions.Browser.time\_browse | not kept |" in without
    assert r"Not run: actions.Command.time\_never\_run." in with_log


def test_the_log_that_make_bench_keeps_is_read_unasked(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (project.folder / ".asv/asv.log").write_text(LOG.format(other="0" * 8, commit=project.commits[1][:8]))

    assert "RuntimeError: no" in report(capsys)
    assert "RuntimeError: no" not in report(capsys, "HEAD~1")


def test_the_machine_is_told(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    machine = section(report(capsys), "Machine")

    assert "| machine | bench |" in machine
    assert "| Python | 3.12 |" in machine
    assert "| environment | virtualenv-py3.12 |" in machine


def test_it_says_that_there_were_no_errors(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    every = dict.fromkeys(project.benchmarks, 0.001) | {CATEGORIES: [math.nan, math.nan]}
    project.commit(every)

    assert section(report(capsys), "Errors").strip() == "None."


def test_mistakes_are_errors(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["nonsense"], "no commit 'nonsense'"),
        (["--log", "missing"], "log of asv cannot be read"),
        (["--output", "missing/report.md"], "cannot be written"),
        (["--machine", "other"], "no results of machine 'other'"),
    ):
        assert main(["report", *arguments]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium")
def test_the_html_is_one_file_that_a_browser_shows(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (project.folder / ".asv/asv.log").write_text(LOG.format(other="0" * 8, commit=project.commits[1][:8]))
    assert report(capsys, "--html", "--output", "report.html") == ""

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 375, "height": 800})
        said: list[str] = []
        requested: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: requested.append(request.url))
        page.goto((project.folder / "report.html").as_uri())
        title, headings = page.title(), page.locator("h2").all_inner_texts()
        cells = page.locator("td").all_inner_texts()
        wider = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        page.screenshot(path=str(project.folder / "report.png"), full_page=True)
        browser.close()

    assert title == f"Validation report of {project.commits[1][:8]}"
    assert headings[0] == "Summary"
    assert "RuntimeError: no <browser> | here" in cells
    assert said == []
    assert requested == [(project.folder / "report.html").as_uri()]
    assert not wider


def test_html_in_a_name_is_shown_and_not_obeyed() -> None:
    page = markdown.page("a <b>", markdown.escape("<script>alert(1)</script> `x` **y** | z"))

    assert "<script>" not in page
    assert "<title>a &lt;b&gt;</title>" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; `x` **y** | z" in page


# -- asv's log ---------------------------------------------------------------------------------------------------------


def test_the_last_line_of_each_failed_benchmark_is_found() -> None:
    log = LOG.format(other="0" * 8, commit="a" * 8)

    names = {
        f"actions.{name}" for name in ("Browser.time_browse", "File.time_sizes", "File.time_gone", "File.time_write")
    }

    assert asv_log.failures(log, "a" * 40, names) == {
        "actions.Browser.time_browse": "RuntimeError: no <browser> | here",
        "actions.File.time_sizes": "ValueError: one",
        "actions.File.time_gone": "",
    }
    assert asv_log.failures(log, "0" * 40, names) == {"actions.Browser.time_browse": "RuntimeError: of another commit"}
    assert asv_log.failures("", "a" * 40, names) == asv_log.failures(log, "b" * 40, names) == {}


def test_of_a_long_name_asv_prints_only_the_end() -> None:
    log = f"""\
[ 0.00%] · For toy commit {"a" * 8} <main>:
[50.00%] ··· ...n.Initialization.time_runtime_initialization         failed
[50.00%] ···· RuntimeError: planted
"""

    assert asv_log.failures(log, "a" * 40, {START, WRITE}) == {START: "RuntimeError: planted"}


def test_of_several_runs_in_a_log_the_last_one_counts() -> None:
    log = LOG.format(other="0" * 8, commit="a" * 8)
    again = f"[50.00%] · For toy commit {'a' * 8} <main>:\n[58.33%] ··· actions.Browser.time_browse    2ms\n"

    names = {BROWSE, WRITE, "actions.File.time_gone"}
    assert asv_log.failures(log + again, "a" * 40, names).keys() == {"actions.File.time_gone"}
