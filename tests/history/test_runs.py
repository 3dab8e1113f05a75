from __future__ import annotations

from pathlib import Path

import pytest

from openhands_ray.history.runs import Failure, Journal, Run

KEY = {"benchmark": "actions.File.time_write(1, 'a/b')", "good": "a", "bad": "b"}
RUNS = [
    Run("a", 1.5, (1.4, 1.5, 1.6), duration_s=2.0, started_at=1000.0),
    Run("b", failure=Failure.BUILD, message="error: no such package"),
    Run("a", 1.6, (1.6,)),
]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path, KEY)
    for run in RUNS:
        journal.append(run)
    return journal


def test_a_new_hunt_has_no_runs(tmp_path: Path) -> None:
    journal = Journal(tmp_path, KEY)

    assert journal.kept == 0
    assert journal.next("a") is None
    assert not journal.folder.exists()


def test_a_hunt_for_the_same_gets_each_run_again_once_and_in_order(journal: Journal, tmp_path: Path) -> None:
    again = Journal(tmp_path, dict(reversed(KEY.items())))

    assert again.kept == 3
    assert [again.next("a"), again.next("b"), again.next("a")] == [RUNS[0], RUNS[1], RUNS[2]]
    assert again.next("a") is None
    assert not again.holds("a")


def test_another_hunt_gets_none(journal: Journal, tmp_path: Path) -> None:
    assert Journal(tmp_path, KEY | {"good": "c"}).kept == 0


def test_the_own_runs_are_not_given_back(journal: Journal) -> None:
    assert journal.next("a") is None


@pytest.mark.parametrize("lost", [1, 20, 100])
def test_a_line_that_was_not_finished_is_lost_and_no_other(journal: Journal, tmp_path: Path, lost: int) -> None:
    journal.path.write_bytes(journal.path.read_bytes()[:-lost])
    again = Journal(tmp_path, KEY)
    # Without its end of line a line is whole.
    assert again.kept == (3 if lost == 1 else 2)

    again.append(RUNS[1])

    assert Journal(tmp_path, KEY).kept == again.kept + 1


def test_runs_can_be_forgotten(journal: Journal, tmp_path: Path) -> None:
    again = Journal(tmp_path, KEY)
    again.forget()

    assert not again.holds("a")
    assert Journal(tmp_path, KEY).kept == 0


def test_only_what_ran_may_pass_another_time() -> None:
    assert [failure for failure in Failure if Run("a", failure=failure).may_pass_again] == [
        Failure.RUN,
        Failure.TIMEOUT,
    ]
