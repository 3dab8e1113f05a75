"""What is told of hunts whose runs a fake has made."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from test_search import Fake, Level, step

from openhands_ray.history.find import Hunt, Wanted
from openhands_ray.history.find_report import Progress, as_json, print_hunt, write_evidence
from openhands_ray.history.project import Benchmark
from openhands_ray.history.runs import Failure, Run
from openhands_ray.history.search import Search

BENCHMARK = Benchmark("module.Class.time_it", "seconds", "time", "1", 60.0)


class Hashes:
    """Gives a fake's commits names that look like hashes."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake

    def run(self, commit: str) -> Run:
        run = self._fake.run(commit.strip("f"))
        return Run(commit, run.value, run.samples, run.failure, "error: no [compiler]" if run.failure else "")


def hunt(tmp_path: Path, levels: Sequence[Level], noise: float = 0.01, **wanted: Any) -> Hunt:
    question = Wanted("A..B", "x", **wanted)
    commits = [f"{index}".rjust(2, "f").ljust(40, "f") for index in range(len(levels))]
    outcome = Search(question.question(BENCHMARK), Hashes(Fake(levels, noise))).among(commits)
    return Hunt(
        wanted=question,
        benchmark=BENCHMARK,
        machine="bench",
        environment="virtualenv",
        commits=commits,
        outcome=outcome,
        merges=[],
        notes=["a [note]"],
        subjects={commit: f"Change <{index}> [x]" for index, commit in enumerate(commits)},
        kept=0,
        made=20,
        spent_s=100.0,
        folder=tmp_path,
    )


def printed(found: Hunt) -> str:
    console = Console(file=io.StringIO(), width=120)
    print_hunt(found, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_culprit_is_named_with_its_size_and_the_evidence(tmp_path: Path) -> None:
    text = printed(hunt(tmp_path, step(8, 5, 2.0)))

    assert "Found: f5ffffff Change <5> [x]" in text
    assert "2 times (1.9" in text
    assert "beside f4ffffff Change <4> [x]" in text
    assert "Confidence 99 %" in text
    assert "Note: a [note]" in text
    assert [line.split()[0] for line in text.splitlines() if " before it " in line or " culprit " in line] == [
        "f4ffffff",
        "f5ffffff",
    ]
    assert "of 9" in text


def test_those_that_hide_it_are_named_with_the_reason(tmp_path: Path) -> None:
    levels = step(8, 5, 2.0)
    levels[4] = Failure.BUILD

    text = printed(hunt(tmp_path, levels))

    assert "the culprit is one of these 2" in text
    assert "f4ffffff Change <4> [x] (cannot be built or installed: error: no [compiler])" in text
    assert "Stepped over: f4ffffff" in text


def test_no_regression_is_said_with_what_would_have_been_seen(tmp_path: Path) -> None:
    found = hunt(tmp_path, step(8, 5, 1.0))
    found.suggestion = "aaaaaaaa..bbbbbbbb"

    text = printed(found)

    assert "There is no regression between f0ffffff" in text
    assert "A change of 5% or more would have been seen" in text
    assert "hunt in aaaaaaaa..bbbbbbbb" in text


def test_noise_is_said_so(tmp_path: Path) -> None:
    text = printed(hunt(tmp_path, step(8, 5, 1.02), noise=0.5))

    assert "Undecided: nobody is named" in text
    assert "do not tell it from the noise" in text


def test_a_gradual_change_is_told_level_by_level(tmp_path: Path) -> None:
    text = printed(hunt(tmp_path, [1.02**index for index in range(9)], noise=0.002))

    assert "Undecided: nobody is named" in text
    assert "That is not the whole change" in text
    assert "    f0ffffff Change <0> [x]: 1.00s" in text


def test_one_of_two_steps_says_where_the_rest_is(tmp_path: Path) -> None:
    text = printed(hunt(tmp_path, [1.0] * 3 + [1.5] * 3 + [2.0] * 3))

    assert "of the whole change of the range; there is more in" in text


def test_a_part_that_has_recovered_is_said_so(tmp_path: Path) -> None:
    text = printed(hunt(tmp_path, [1.0] * 3 + [2.0] * 3 + [1.3] * 3))

    assert "At the end of the range it has partly recovered: from 1.00s" in text
    assert "there is more" not in text


def test_a_fall_is_told_alike(tmp_path: Path) -> None:
    text = printed(hunt(tmp_path, [2.0] * 3 + [1.5] * 3 + [1.0] * 3, decrease=True))

    assert "of the whole change of the range; there is more in" in text


def test_noise_alone_is_no_rest(tmp_path: Path) -> None:
    text = printed(hunt(tmp_path, step(8, 5, 2.0), noise=0.1))

    assert "Found: f5ffffff" in text
    assert "there is more" not in text
    assert "recovered" not in text


def test_a_limit_is_told_in_its_unit(tmp_path: Path) -> None:
    text = printed(hunt(tmp_path, step(4, 2, 2.0), above=1.5))

    assert "5 of 5 runs exceeded 1.50s, against 0 of 5 before" in text


def test_failures_are_counted(tmp_path: Path) -> None:
    text = printed(hunt(tmp_path, [1.0, 1.0, Failure.RUN, Failure.RUN], failing=True))

    assert "Found: f2ffffff" in text
    assert "5 of 5 runs failed, against 0 of 5 before" in text


@pytest.mark.parametrize("levels", [step(8, 5, 2.0), step(8, 5, 1.0), [1.0, 1.0, Failure.BUILD, 2.0]])
def test_the_answer_for_machines_has_no_value_that_json_lacks(tmp_path: Path, levels: list[Level]) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = hunt(tmp_path, levels)
    answer = json.loads(as_json(found), parse_constant=refuse)

    assert answer["result"] == found.outcome.result.value
    assert answer["suspects"] == list(found.outcome.suspects)
    assert answer["ends"]["good"] == found.commits[0]
    assert [each["commit"] for each in answer["measured"]] == sorted(found.outcome.runs, key=list(found.commits).index)


def test_the_picture_is_a_file_in_the_folder_of_the_hunt(tmp_path: Path) -> None:
    path = write_evidence(hunt(tmp_path, step(8, 5, 2.0)))

    assert path.parent == tmp_path
    assert "the culprit is f5ffffff" in path.read_text()


def test_progress_is_one_line_for_each_commit_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO(), width=120)
    progress = Progress(console)
    progress.begins(["a" * 40, "b" * 40], BENCHMARK, 3, Path("folder"))
    for left in (4, 3, 2):
        progress.measures("b" * 40, "middle", left, spent_s=60.0, made=2)
    progress.end()

    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines == [
        "Hunting module.Class.time_it among 1 commit after aaaaaaaa, up to bbbbbbbb",
        "Going on with 3 runs of an earlier hunt for the same (--again discards them)",
        "measuring bbbbbbbb: middle, about 2 min left",
    ]
