from __future__ import annotations

from pathlib import Path

import pytest

from openhands_ray.history.errors import TriageInvalid
from openhands_ray.history.triage import Triage

COMMIT = "1f2e3d4c" * 5
ENTRY = """
[[acknowledged]]
benchmark = "actions.File.time_write"
commit = "1f2e3d4c"
reason = "A write is on disk before it is answered."
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "regressions.toml"


def test_without_a_file_nothing_is_acknowledged(path: Path) -> None:
    assert Triage.load(path).acknowledged("actions.File.time_write", COMMIT) is None


def test_an_entry_gives_its_reason_for_its_benchmark_and_commit(path: Path) -> None:
    path.write_text(ENTRY)

    triage = Triage.load(path)

    assert triage.acknowledged("actions.File.time_write", COMMIT) == "A write is on disk before it is answered."
    assert triage.acknowledged("actions.File.time_write", "0" * 40) is None
    assert triage.acknowledged("actions.File.time_read", COMMIT) is None
    assert triage.acknowledged("actions.File.time_write2", COMMIT) is None


def test_a_name_without_parameters_stands_for_all_of_them(path: Path) -> None:
    path.write_text(ENTRY)

    assert Triage.load(path).acknowledged("actions.File.time_write('a', 2)", COMMIT)


def test_a_name_with_parameters_stands_for_these_alone(path: Path) -> None:
    path.write_text(ENTRY.replace("time_write", "time_write(1)"))

    assert Triage.load(path).acknowledged("actions.File.time_write(1)", COMMIT)
    assert Triage.load(path).acknowledged("actions.File.time_write(2)", COMMIT) is None


def test_an_entry_about_no_regression_is_idle(path: Path) -> None:
    path.write_text(ENTRY)
    triage = Triage.load(path)

    assert triage.idle([("actions.File.time_write(1)", COMMIT)]) == []
    assert triage.idle([("actions.File.time_read", COMMIT)]) == list(triage.entries)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[acknowledged]\n", "line 1"),
        ("[[acknowledge]]\nbenchmark = 'b'\n", "'acknowledge' is not known here"),
        ("acknowledged = [{benchmark = 'b'}]\n", r"below a line \[\[acknowledged\]\]"),
        ("acknowledged = 3\n", r"below a line \[\[acknowledged\]\]"),
        (ENTRY + ENTRY, "at line 7 repeats the one at line 2"),
        (ENTRY.replace("reason", "reasons"), "at line 2 has an unknown key 'reasons'"),
        (ENTRY.replace('"A write is on disk before it is answered."', '" "'), "at line 2 lacks its reason"),
        (ENTRY + ENTRY.replace('commit = "1f2e3d4c"', ""), "at line 7 lacks its commit"),
        (ENTRY.replace("1f2e3d4c", "HEAD"), "names the commit 'HEAD': give 7 to 40 digits"),
        (ENTRY.replace('"1f2e3d4c"', "12345678"), "at line 2 lacks its commit, a text"),
    ],
)
def test_a_bad_file_is_refused_by_its_line(path: Path, text: str, message: str) -> None:
    path.write_text(text)

    with pytest.raises(TriageInvalid, match=message) as refused:
        Triage.load(path)
    assert str(refused.value).startswith("regressions.toml")


def test_a_file_that_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(TriageInvalid, match="cannot be read"):
        Triage.load(path)
