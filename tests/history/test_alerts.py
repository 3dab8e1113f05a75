from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from project import Project, benchmark
from support import ROOT

from openhands_ray.cli import main
from openhands_ray.history.alerts import Issue, Regression, issues, plan, regressions
from openhands_ray.history.errors import AlertsFailed
from openhands_ray.history.triage import Acknowledgement, Triage

WRITE = "actions.File.time_write"
READ = "actions.File.time_read"
SIZES = "growth.Payload.track_read"

A, B, C = "a" * 40, "b" * 40, "c" * 40


def regression(commit: str, benchmark: str = WRITE, **changes: Any) -> Regression:
    values = {"since": None, "before": 0.002, "after": 0.006, "unit": "seconds", "where": "", "link": f"#{benchmark}?"}
    return Regression(benchmark=benchmark, commit=commit, **{**values, **changes})


def body(*its: Regression) -> str:
    """What the issue of these regressions says."""
    (call,) = (call for call in plan(its, []) if call[:2] == ["issue", "create"])
    return call[call.index("--body") + 1]


def issue(
    commit: str, number: int = 7, *, text: str | None = None, open: bool = True, left_alone: bool = False
) -> Issue:
    return Issue(number, commit, open, left_alone, text if text is not None else body(regression(commit)))


def verbs(calls: list[list[str]]) -> list[str]:
    return [" ".join(call[1:3]) if call[1] != "create" else " ".join(call[:2]) for call in calls]


def test_each_commit_gets_one_issue_that_names_all_of_its_benchmarks() -> None:
    calls = plan([regression(A, READ, after=0.003), regression(A), regression(B)], [])

    assert verbs(calls) == ["label create", "issue create", "issue create"]
    text = calls[1][calls[1].index("--body") + 1]
    assert WRITE in text
    assert READ in text
    assert "+200 %" in text
    assert f"openhands-ray find {A}~1..{A} {WRITE}" in text
    title = calls[1][calls[1].index("--title") + 1]
    assert title == f"Slower since aaaaaaaa: {WRITE} +200 % and 1 more"


def test_nothing_is_done_twice() -> None:
    assert plan([regression(A)], [issue(A)]) == []
    # GitHub ends lines as mail does.
    assert plan([regression(A)], [issue(A, text=body(regression(A)).replace("\n", "\r\n") + "\r\n")]) == []


def test_an_issue_is_closed_when_its_commit_has_no_regression_any_more() -> None:
    calls = plan([regression(A)], [issue(A, 7), issue(B, 8), issue(C, 9, open=False)])

    assert verbs(calls) == ["close 8"]


def test_an_issue_is_brought_up_to_date_when_its_benchmarks_are_others() -> None:
    calls = plan([regression(A), regression(A, READ)], [issue(A)])

    assert verbs(calls) == ["edit 7"]
    assert READ in calls[0][-1]


def test_a_regression_that_returns_reopens_its_issue() -> None:
    assert verbs(plan([regression(A)], [issue(A, open=False)])) == ["reopen 7"]


def test_what_people_closed_as_not_planned_stays_closed() -> None:
    assert plan([regression(A), regression(A, READ)], [issue(A, open=False, left_alone=True)]) == []


def test_an_acknowledged_regression_has_no_issue() -> None:
    triage = Triage((Acknowledgement(WRITE, A[:8], "It is safe now.", 1),))

    assert plan([regression(A)], [], triage=triage) == []
    assert verbs(plan([regression(A)], [issue(A)], triage=triage)) == ["close 7"]
    assert verbs(plan([regression(B)], [], triage=triage)) == ["label create", "issue create"]


def test_commits_that_were_not_measured_are_named() -> None:
    text = body(regression(B, since=A))

    assert "any commit after aaaaaaaa" in text
    assert f"find {A}..{B} " in text


def test_links_lead_to_the_site() -> None:
    (_, call) = plan([regression(A)], [], "https://example.org/history/")

    assert f"[{WRITE}](https://example.org/history/#{WRITE}?)" in call[-1]


def test_only_issues_of_ours_are_read() -> None:
    listed = [
        {"number": 1, "state": "OPEN", "stateReason": "", "body": "Something else"},
        {"number": 2, "state": "OPEN", "stateReason": "", "body": body(regression(A))},
        {"number": 3, "state": "CLOSED", "stateReason": "NOT_PLANNED", "body": body(regression(B))},
        {"number": 4, "state": "CLOSED", "stateReason": "COMPLETED", "body": body(regression(C))},
    ]

    found = issues(listed)

    assert [(each.number, each.commit, each.open, each.left_alone) for each in found] == [
        (2, A, True, False),
        (3, B, False, True),
        (4, C, False, False),
    ]
    with pytest.raises(AlertsFailed, match="stateReason"):
        issues([{"number": 2, "state": "CLOSED", "body": body(regression(A))}])


# -- with what asv publishes -------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Eight commits; the fifth makes one benchmark slower, and another one at one of its parameters."""
    known = [benchmark(WRITE), benchmark(READ), benchmark(SIZES, params=[["1", "'a b'"]])]
    project = Project(tmp_path / "project", known)
    for number in range(8):
        slow = number >= 4
        project.commit({WRITE: 0.006 if slow else 0.002, READ: 0.002, SIZES: [0.002, 0.01 if slow else 0.002]})
    publish(project)
    monkeypatch.chdir(project.folder)
    return project


def publish(project: Project) -> None:
    command = [sys.executable, "-m", "asv", "publish", "--no-pull"]
    # Without the site's scripts, which would be fetched.
    configuration = project.configuration.read_text().replace('".openhands_ray.history.publisher"', "")
    project.configuration.write_text(configuration)
    subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=True)


def test_the_regressions_are_those_that_asv_found(project: Project) -> None:
    found = regressions(project.folder / ".asv/html")

    assert {each.benchmark: (each.commit, each.since) for each in found} == {
        WRITE: (project.commits[4], None),
        f"{SIZES}('a b')": (project.commits[4], None),
    }
    assert {each.benchmark: each.size for each in found} == {WRITE: "+200 %", f"{SIZES}('a b')": "+400 %"}
    assert all(each.unit == "seconds" for each in found)


def test_a_dry_run_prints_what_a_shell_could_run(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (project.folder / "issues.json").write_text("[]")

    assert main(["alerts", "--dry-run", "--issues", "issues.json"]) == 0

    label, create = (shlex.split(call) for call in capsys.readouterr().out.split("\ngh "))
    assert label[:3] == ["gh", "label", "create"]
    assert create[:2] == ["issue", "create"]
    assert project.commits[4] in create[-1]


def test_issues_follow_the_history(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = _hub(project.folder / "hub", monkeypatch)

    assert main(["alerts"]) == 0
    (opened,) = hub.issues()
    assert opened["state"] == "OPEN"
    assert opened["title"].startswith(f"Slower since {project.commits[4][:8]}: ")
    assert main(["alerts"]) == 0
    assert hub.issues() == [opened]

    for _ in range(4):
        project.commit({WRITE: 0.002, READ: 0.002, SIZES: [0.002, 0.002]})
    publish(project)
    assert main(["alerts"]) == 0
    assert [(each["state"], each["stateReason"]) for each in hub.issues()] == [("CLOSED", "COMPLETED")]


def test_an_error_of_gh_is_one_clear_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(project.folder))
    assert main(["alerts"]) == 1
    assert "error: gh is missing" in capsys.readouterr().err

    _hub(project.folder / "hub", monkeypatch, broken=True)
    assert main(["alerts"]) == 1
    assert "`gh issue list` failed: HTTP 403" in capsys.readouterr().err


def test_without_a_site_it_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "--site", str(tmp_path)]) == 1
    assert "asv publish" in capsys.readouterr().err
    (tmp_path / "index.json").write_text("{}")
    (tmp_path / "regressions.json").write_text('{"regressions": [[]]}')
    assert main(["alerts", "--site", str(tmp_path)]) == 1
    assert "not as asv writes it" in capsys.readouterr().err


def test_it_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from openhands_ray.cli import main; "
        f"sys.exit(main(['alerts', '--site', {str(tmp_path)!r}]))"
    )
    answer = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)

    assert answer.returncode == 1
    assert "asv publish" in answer.stderr


# A gh that keeps issues in a file, as the service does.
_GH = """\
#!{python}
import json, sys
from pathlib import Path

store = Path({store!r})
issues = json.loads(store.read_text())
subject, verb, *rest = sys.argv[1:]
if {broken}:
    sys.exit("HTTP 403: no")
options = dict(zip(rest, rest[1:], strict=False))
if (subject, verb) == ("issue", "list"):
    fields = options["--json"].split(",")
    print(json.dumps([{{field: issue[field] for field in fields}} for issue in issues]))
elif (subject, verb) == ("issue", "create"):
    new = {{"number": len(issues) + 1, "state": "OPEN", "stateReason": ""}}
    issues.append({{**new, "title": options["--title"], "body": options["--body"]}})
elif (subject, verb) == ("issue", "close"):
    issues[int(rest[0]) - 1] |= {{"state": "CLOSED", "stateReason": options["--reason"].upper()}}
elif (subject, verb) != ("label", "create"):
    sys.exit(f"unknown: {{sys.argv[1:]}}")
store.write_text(json.dumps(issues))
"""


class _Hub:
    def __init__(self, store: Path) -> None:
        self._store = store

    def issues(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._store.read_text())
        return found


def _hub(folder: Path, monkeypatch: pytest.MonkeyPatch, *, broken: bool = False) -> _Hub:
    folder.mkdir()
    store = folder / "issues.json"
    store.write_text("[]")
    gh = folder / "gh"
    gh.write_text(_GH.format(python=sys.executable, store=str(store), broken=broken))
    gh.chmod(gh.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return _Hub(store)
