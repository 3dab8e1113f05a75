"""What the summary says of a project, by what was measured."""

from __future__ import annotations

from openhands_ray.history.criteria import CRITERIA, Judgement, Verdict
from openhands_ray.history.results import Series
from openhands_ray.history.site.criteria_page import page, summary
from openhands_ray.history.site.overview import Commit, Overview
from openhands_ray.history.timeline import Point, Timeline

OLD, NEW = "0" * 40, "1" * 40
COMMITS = (Commit(NEW, "2024-01-02", "Count <b> & c"), Commit(OLD, "2024-01-01", "Start"))
HELD, FAILED, UNMEASURED = Verdict.HELD, Verdict.FAILED, Verdict.UNMEASURED


def timeline(number: int, verdict: Verdict, machine: str = "bench", commit: str = NEW) -> Timeline:
    value = None if verdict is UNMEASURED else 0.5 * CRITERIA[number].budget
    judgement = Judgement(CRITERIA[number], verdict, value, "of <i>")
    return Timeline(CRITERIA[number], Series(machine, "virtualenv-py3.12"), (Point(commit, 0, judgement),))


def headline(*timelines: Timeline) -> str:
    text = summary(Overview("project", COMMITS, timelines, ()), "h1")
    return text.partition('class="site-headline">')[2].partition("</h1>")[0]


def test_when_all_is_well() -> None:
    assert headline(timeline(0, HELD), timeline(1, HELD)) == "All 2 success criteria hold"


def test_what_fails_is_named_before_what_was_not_measured() -> None:
    found = headline(timeline(0, UNMEASURED), timeline(1, FAILED), timeline(2, FAILED))

    assert found == "2 of 3 success criteria fail: Average action, Maximum operation"


def test_what_was_not_measured_is_not_taken_for_well() -> None:
    found = headline(timeline(0, UNMEASURED), timeline(1, HELD))

    assert found == "1 of 2 success criteria not measured: Runtime initialization"


def test_of_several_machines_the_one_is_named() -> None:
    found = headline(timeline(0, HELD, "one"), timeline(0, FAILED, "two"))

    assert found == "1 of 2 success criteria fails: Runtime initialization on two"


def test_a_machine_that_did_not_measure_the_newest_commit_does_not_judge_it() -> None:
    timelines = (timeline(0, FAILED, "gone", OLD), timeline(0, HELD), timeline(1, HELD))
    overview = Overview("project", COMMITS, timelines, ())

    assert "All 2 success criteria hold" in summary(overview, "h1")
    assert [series.machine for series in overview.series] == ["bench", "gone"]


def test_nothing_measured_is_said() -> None:
    assert "Nothing has been measured yet" in page(Overview("project", (), (), ()))


def test_what_git_and_benchmarks_say_is_escaped() -> None:
    content = page(Overview("project", COMMITS, (timeline(0, HELD),), ()))

    assert "Count &lt;b&gt; &amp; c" in content
    assert "of &lt;i&gt;" in content
