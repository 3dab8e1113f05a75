"""What is published for programs: the feed, and the JSON of regressions."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from project import CONFIGURATION, MakeProject, Project
from site_example import ACCEPTED, CLUSTER, COMMAND, PASSING, READ, REASON, RECOVERY, SLOWER, TOO_LARGE, WRITE, example

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return example(tmp_path_factory.mktemp("feed") / "project")


def published(project: Project) -> tuple[int, str]:
    command = [sys.executable, "-m", "asv", "publish", "--no-pull"]
    ended = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def feed(project: Project) -> ET.Element:
    return ET.parse(project.folder / ".asv/html/regressions.xml").getroot()


def entry(feed: ET.Element, title: str) -> ET.Element:
    (found,) = [each for each in feed.findall(f"{ATOM}entry") if title in each.findtext(f"{ATOM}title", "")]
    return found


def test_the_feed_is_one_that_readers_take(feed: ET.Element) -> None:
    assert feed.tag == f"{ATOM}feed"
    entries = feed.findall(f"{ATOM}entry")
    for each in [feed, *entries]:
        for required in ("id", "title", "updated"):
            assert each.findtext(f"{ATOM}{required}"), required
    ids = [each.findtext(f"{ATOM}id") for each in entries]
    assert len(set(ids)) == len(ids)
    times = [each.findtext(f"{ATOM}updated", "") for each in entries]
    assert times == sorted(times, reverse=True)
    assert feed.findtext(f"{ATOM}updated") == times[0]
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert links == {"self": "regressions.xml", "alternate": "index.html#/regressions"}
    assert all(link.get("href", "").startswith("index.html#") for link in feed.iterfind(f"{ATOM}entry/{ATOM}link"))


def test_the_feed_has_asv_s_regressions_and_the_criteria_that_changed(feed: ET.Element, project: Project) -> None:
    titles = [each.findtext(f"{ATOM}title", "") for each in feed.findall(f"{ATOM}entry")]

    assert len(titles) == 4
    assert entry(feed, COMMAND)
    assert entry(feed, CLUSTER)
    assert f"Success criterion failed: Cluster memory at {project.commits[TOO_LARGE][:8]}" in titles


def test_an_acknowledged_regression_says_why(feed: ET.Element) -> None:
    assert f"Acknowledged: {REASON}" in entry(feed, WRITE).findtext(f"{ATOM}content", "")
    assert "Acknowledged" not in entry(feed, COMMAND).findtext(f"{ATOM}content", "")


def test_times_are_utc_wherever_the_site_is_made(
    project: Project, feed: ET.Element, monkeypatch: pytest.MonkeyPatch
) -> None:
    def updated(root: ET.Element) -> list[str]:
        return [each.findtext(f"{ATOM}updated", "") for each in root.findall(f"{ATOM}entry")]

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    command = [sys.executable, "-m", "asv", "publish", "--no-pull", "--html-dir", "elsewhere"]
    subprocess.run(command, cwd=project.folder, check=True, capture_output=True)

    elsewhere = ET.parse(project.folder / "elsewhere/regressions.xml").getroot()
    assert updated(elsewhere) == updated(feed)
    assert f"Acknowledged: {REASON}" in entry(elsewhere, WRITE).findtext(f"{ATOM}content", "")


def test_the_json_has_each_regression_with_its_status(project: Project) -> None:
    history = {each["benchmark"]: each for each in project.published("regressions.json")["history"]}

    assert {name: each["status"] for name, each in history.items()} == {
        COMMAND: "open",
        CLUSTER: "open",
        WRITE: "acknowledged",
        READ: "recovered",
    }
    assert history[COMMAND]["commit"] == project.commits[SLOWER]
    assert history[COMMAND]["size"] == pytest.approx(1.15, abs=0.1)
    assert 0 < history[COMMAND]["noise"] < 0.05
    assert history[WRITE]["commit"] == project.commits[ACCEPTED]
    assert history[WRITE]["reason"] == REASON
    assert history[READ]["commit"] == project.commits[PASSING]
    assert history[READ]["recovered"] == project.commits[RECOVERY]


def test_a_bad_file_of_acknowledgements_stops_the_publication_with_its_line(make_project: MakeProject) -> None:
    project = make_project([])
    project.commit({})
    (project.folder / "regressions.toml").write_text("[[acknowledged]]\nbenchmark = 'b'\n")

    status, printed = published(project)

    assert status == 1
    assert "regressions.toml: the entry at line 1 lacks its commit" in printed
    assert "Traceback" not in printed


def test_an_entry_about_no_regression_is_named(make_project: MakeProject) -> None:
    project = make_project([])
    project.commit({})
    (project.folder / "regressions.toml").write_text(
        "[[acknowledged]]\nbenchmark = 'a.B.time_misspelt'\ncommit = '1234567'\nreason = 'because'\n"
    )

    status, printed = published(project)

    assert status == 0
    assert "the entry at line 1 is about no regression" in printed


@pytest.mark.parametrize(("name", "key"), [("criteria.json", "criteria"), ("regressions.json", "history")])
def test_every_field_is_documented(project: Project, name: str, key: str) -> None:
    content = project.published(name)
    fields = content.keys() | content[key][0].keys() | content[key][0].get("history", [{}])[0].keys()

    documented = set(re.findall(r"`(\w+)`", (CONFIGURATION.parent / "docs/history.md").read_text("utf-8")))
    assert fields - documented == set()
