"""The hunt: what it makes of a range and of merges, by runs of a fake; and the whole of it, by asv."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from project import git
from scratch import Scratch

from openhands_ray.cli import main
from openhands_ray.history import find
from openhands_ray.history.errors import EmptyRange
from openhands_ray.history.measure import alone, in_folder_of
from openhands_ray.history.project import Project
from openhands_ray.history.question import Change
from openhands_ray.history.runs import Run
from openhands_ray.history.search import Outcome, Result, Search

WORK = "toy_benchmarks.Work.time_work"
FAILURES = "toy_benchmarks.Work.track_failures"


class Reader:
    """A measurer that reads in the commit itself how much work it would do."""

    def __init__(self, scratch: Scratch) -> None:
        self._folder = scratch.folder

    def run(self, commit: str) -> Run:
        text = git(self._folder, "show", f"{commit}:toy.py")
        return Run(commit, float(text.partition("range(")[2].partition(")")[0]))


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scratch]:
    scratch = Scratch(tmp_path / "project")
    monkeypatch.setenv("HOME", str(scratch.folder))
    with in_folder_of(scratch.folder / "asv.conf.json"):
        yield scratch


def load() -> Project:
    return Project(Path("asv.conf.json"), None, None)


def search_into_merges(scratch: Scratch, first: str) -> tuple[Outcome, list[str], list[str]]:
    project, notes = load(), list[str]()
    search = Search(Change(), Reader(scratch))
    outcome = search.among(find._line(project, f"{first}..main", notes))
    return *find._into_merges(project, search, outcome, notes), notes


# -- ranges ------------------------------------------------------------------------------------------------------------


def test_the_good_end_is_the_parent_of_the_first_candidate(scratch: Scratch) -> None:
    first, second, third = (scratch.commit() for _ in range(3))

    assert find._line(load(), f"{first}..main", []) == [first, second, third]
    assert find._line(load(), "main^!", []) == [second, third]


def test_a_range_back_to_the_first_commit_begins_with_it(scratch: Scratch) -> None:
    commits = [scratch.commit() for _ in range(3)]
    notes: list[str] = []

    assert find._line(load(), "main", notes) == commits
    assert "first commit of the repository" in notes[0]


def test_an_empty_range_is_an_error(scratch: Scratch) -> None:
    first, last = scratch.commit(), scratch.commit()

    with pytest.raises(EmptyRange, match="holds no commit"):
        find._line(load(), "main..main", [])
    with pytest.raises(EmptyRange, match=f"ends are swapped: try {first}..{last}"):
        find._line(load(), f"{last}..{first}", [])
    with pytest.raises(EmptyRange, match="nothing but a first commit"):
        find._line(load(), first, [])


# -- merges ------------------------------------------------------------------------------------------------------------


def test_the_commit_is_found_within_the_merge(scratch: Scratch) -> None:
    first = scratch.commit()
    branch, merge = scratch.branch([1.0, 1.0, 2.0, 2.0])
    scratch.commit(2.0)

    outcome, merges, notes = search_into_merges(scratch, first)

    assert (outcome.suspects, merges, notes) == ((branch[2],), [merge], [])


def test_a_branch_within_a_branch_is_followed(scratch: Scratch) -> None:
    first = scratch.commit()
    git(scratch.folder, "checkout", "--quiet", "-b", "outer")
    scratch.commit()
    git(scratch.folder, "checkout", "--quiet", "-b", "inner")
    culprit = scratch.commit(2.0)
    scratch.commit(2.0)
    git(scratch.folder, "checkout", "--quiet", "outer")
    git(scratch.folder, "merge", "--quiet", "--no-ff", "-m", "Merge inner", "inner")
    git(scratch.folder, "checkout", "--quiet", "main")
    git(scratch.folder, "merge", "--quiet", "--no-ff", "-m", "Merge outer", "outer")

    outcome, merges, _ = search_into_merges(scratch, first)

    assert outcome.suspects == (culprit,)
    assert merges == [git(scratch.folder, "rev-parse", "main"), git(scratch.folder, "rev-parse", "outer")]


def test_a_merge_that_is_slow_by_itself_is_the_answer(scratch: Scratch) -> None:
    first = scratch.commit()
    scratch.branch([1.0, 1.0])
    text = (scratch.folder / "toy.py").read_text()
    (scratch.folder / "toy.py").write_text(text.replace("range(20000)", "range(40000)"))
    git(scratch.folder, "commit", "--quiet", "--all", "--amend", "--no-edit")

    outcome, merges, _ = search_into_merges(scratch, first)

    merge = git(scratch.folder, "rev-parse", "main")
    assert (outcome.suspects, merges) == ((merge,), [merge])


def test_a_branch_that_was_slow_where_it_began_is_said_so(scratch: Scratch) -> None:
    slow = scratch.commit(2.0)
    fast = scratch.commit(1.0)
    git(scratch.folder, "checkout", "--quiet", "-b", "topic", slow)
    (scratch.folder / "other").touch()
    git(scratch.folder, "add", "--force", "other")
    git(scratch.folder, "commit", "--quiet", "-m", "Another file")
    git(scratch.folder, "checkout", "--quiet", "main")
    git(scratch.folder, "merge", "--quiet", "--no-commit", "--no-ff", "topic")
    git(scratch.folder, "checkout", slow, "--", "toy.py")
    git(scratch.folder, "commit", "--quiet", "-m", "Merge, and take the slow side")
    merge = git(scratch.folder, "rev-parse", "main")

    outcome, merges, notes = search_into_merges(scratch, fast)

    assert (outcome.suspects, merges) == ((merge,), [])
    assert "within its branch no single commit is" in notes[0]


def test_a_plain_commit_is_left_as_it_is(scratch: Scratch) -> None:
    first, culprit = scratch.commit(), scratch.commit(2.0)

    outcome, merges, notes = search_into_merges(scratch, first)

    assert (outcome.suspects, merges, notes) == ((culprit,), [], [])


# -- what asv has stored -----------------------------------------------------------------------------------------------


def test_where_a_stored_result_was_far_worse_in_between_a_range_is_suggested(scratch: Scratch) -> None:
    commits = [scratch.commit(factor) for factor in (1.0, 1.0, 2.0, 1.0)]
    outcome = Search(Change(), Reader(scratch)).among(commits)
    stored: dict[str, float | None] = {commits[1]: 20000.0, commits[2]: 40000.0}

    assert outcome.result is Result.NONE
    assert find._suggestion(commits, Change(), outcome, stored) == f"{commits[0][:8]}..{commits[2][:8]}"
    assert find._suggestion(commits, Change(), outcome, {commits[1]: 21000.0}) is None


# -- the whole ---------------------------------------------------------------------------------------------------------


def test_the_culprit_is_found_behind_a_commit_that_cannot_be_built(scratch: Scratch) -> None:
    good, broken, culprit = scratch.commit(), scratch.commit(2.0, broken=True), scratch.commit(2.0)

    status, found = scratch.hunt("main~2..main", WORK)

    assert (status, found["result"]) == (0, "found")
    assert (found["before"], found["suspects"], found["culprit"]) == (good, [broken, culprit], None)
    assert found["step"]["ratio"]["lower"] > 1
    assert found["confidence"] >= 0.99
    (failure,) = [each for each in found["measured"] if each["failure"]]
    assert (failure["commit"], failure["message"]) == (broken, "error: toy cannot be built")
    assert found["runs"] == found["runs_made_now"] > 10
    assert "<svg" in Path(found["evidence"]).read_text()
    assert not (scratch.folder / ".asv/results").exists()

    answer = scratch.find("main~2..main", WORK)

    assert answer.returncode == 0
    assert "the culprit is one of these 2" in answer.stdout
    assert f"{broken[:8]} Change 2 (cannot be built or installed: error: toy cannot be built)" in answer.stdout
    assert f"{found['runs']} runs, 0 of them now" in answer.stdout
    assert "of an earlier hunt" in answer.stderr
    assert "measuring" not in answer.stderr


def test_an_interrupted_hunt_goes_on_where_it_was(scratch: Scratch) -> None:
    for failures in (0, 5):
        scratch.commit(failures=failures)
    with subprocess.Popen(
        scratch.command("find", "main^!", FAILURES),
        cwd=scratch.folder,
        env=scratch.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        # The second line of this kind is written when one run is kept.
        list(zip(range(2), (line for line in process.stderr if "measuring" in line), strict=False))
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()

    assert process.returncode == 130
    assert "The same command goes on from here" in error

    status, found = scratch.hunt("main^!", FAILURES)

    assert (status, found["culprit"]) == (0, git(scratch.folder, "rev-parse", "main"))
    assert 0 < found["runs"] - found["runs_made_now"] < found["runs"]


def test_what_asv_has_stored_shows_the_way_and_stays_as_it_was(scratch: Scratch) -> None:
    commits = [scratch.commit(failures=0 if number < 5 else 5) for number in range(9)]
    for arguments in (["machine", "--yes"], ["run", f"{commits[0]}..main", "--bench", FAILURES]):
        subprocess.run(
            [sys.executable, "-m", "asv", *arguments],
            cwd=scratch.folder,
            env=scratch.variables,
            check=True,
            capture_output=True,
        )
    stored = scratch.folder / ".asv/results"
    before = {path: path.read_bytes() for path in stored.rglob("*.json")}

    status, found = scratch.hunt(f"{commits[0]}..main", FAILURES)

    assert (status, found["culprit"]) == (0, commits[5])
    assert {each["commit"] for each in found["measured"]} == {commits[0], commits[4], commits[5], commits[8]}
    assert len(before) == 10  # eight results, the machine and the benchmarks
    assert {path: path.read_bytes() for path in stored.rglob("*.json")} == before


def test_nothing_is_named_where_nothing_has_changed(scratch: Scratch) -> None:
    for _ in range(3):
        scratch.commit(failures=5)

    status, found = scratch.hunt("main~2..main", FAILURES)

    assert (status, found["result"], found["suspects"]) == (3, "no regression", [])
    assert found["commits_measured"] == 2


def on_a_terminal(scratch: Scratch, *arguments: str) -> tuple[int, str]:
    """Runs the command on a terminal, and returns its status and all that was written there."""
    master, slave = pty.openpty()
    written = b""
    with subprocess.Popen(
        scratch.command(*arguments), cwd=scratch.folder, env=scratch.variables, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        with suppress(OSError):  # it is an error where a file would be at its end
            while block := os.read(master, 65536):
                written += block
    os.close(master)
    return process.returncode, written.decode()


def test_a_limit_that_was_exceeded_already_is_said_so(scratch: Scratch) -> None:
    for _ in range(2):
        scratch.commit(failures=5)

    status, shown = on_a_terminal(scratch, "find", "main~1..main", FAILURES, "--above", "1")

    assert status == 3
    assert "both ends, about" in shown
    assert "5 of 5 runs exceeded 1 %, against 5 of 5 before" in shown
    assert "already at the good end" in shown


def test_the_commit_at_which_the_benchmark_fails_is_found(scratch: Scratch) -> None:
    for failing in (False, True):
        scratch.commit(failing=failing)

    status, found = scratch.hunt("main^!", WORK, "--failing")

    assert (status, found["culprit"]) == (0, git(scratch.folder, "rev-parse", "main"))
    assert found["measured"][1]["failure"] is None  # it was measured: it fails


def test_a_range_of_which_nothing_can_be_built_is_an_error(scratch: Scratch) -> None:
    for _ in range(3):
        scratch.commit(broken=True)

    answer = scratch.find("main~2..main", WORK)

    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith("error: asv cannot discover the benchmarks")
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["main^!", "Work.time_wrok"], f"There is no benchmark 'Work.time_wrok'. Did you mean {WORK}"),
        (["main^!", "time_work_of"], "means 2 benchmarks; name one of them:"),
        (["nonsense..main", WORK], "git does not know the range"),
        (["main..main", WORK], "holds no commit"),
        (["main^!", WORK, "--config", "other/asv.conf.json"], "There is no other/asv.conf.json"),
        (["main^!", WORK, "-a", "repeat=often"], "An attribute cannot be set"),
    ],
)
def test_an_error_is_clear(
    scratch: Scratch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    scratch.commit()
    scratch.commit()

    assert main(["find", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error


def test_two_hunts_do_not_share_an_environment(scratch: Scratch) -> None:
    scratch.commit()
    scratch.commit()
    with alone(scratch.folder / ".asv/find"):
        answer = scratch.find("main^!", WORK)

    assert answer.returncode == 1
    assert "error: Another hunt is running" in answer.stderr
