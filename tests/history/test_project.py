from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import git
from scratch import Scratch

from openhands_ray.history.errors import AmbiguousBenchmark, ConfigurationMissing, UnknownBenchmark, UnknownCommit
from openhands_ray.history.measure import in_folder_of
from openhands_ray.history.project import Project, choose

NAMES = [
    "actions.Command.time_simple_command",
    "actions.File.time_read",
    "actions.File.time_write",
    "actions.LargeFile.time_write(1)",
    "actions.LargeFile.time_write(10)",
]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("actions.File.time_write", "actions.File.time_write"),
        ("simple", "actions.Command.time_simple_command"),
        ("actions.LargeFile.time_write(10)", "actions.LargeFile.time_write(10)"),
        (r"Large.*\(1\)", "actions.LargeFile.time_write(1)"),
    ],
)
def test_a_benchmark_is_named_whole_or_by_what_only_it_matches(wanted: str, name: str) -> None:
    assert choose(wanted, NAMES) == name


@pytest.mark.parametrize("wanted", ["actions.File.time_wrote", "time_wirte", "actions.Files.time_write"])
def test_near_names_are_suggested(wanted: str) -> None:
    with pytest.raises(UnknownBenchmark, match=r"Did you mean .*actions\.File\.time_write"):
        choose(wanted, NAMES)


def test_all_names_are_listed_where_none_is_near() -> None:
    with pytest.raises(UnknownBenchmark, match=r"There are: actions\.Command"):
        choose("xyz(", NAMES)


def test_several_are_listed() -> None:
    with pytest.raises(
        AmbiguousBenchmark, match=r"means 2 benchmarks(.|\n)*File\.time_read\n  actions\.File\.time_write"
    ):
        choose("actions.File", NAMES)


def test_the_combinations_of_parameters_are_listed() -> None:
    with pytest.raises(AmbiguousBenchmark, match=r"time_write\(1\)\n  actions\.LargeFile\.time_write\(10\)"):
        choose("actions.LargeFile.time_write", NAMES)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scratch]:
    scratch = Scratch(tmp_path / "project")
    monkeypatch.setenv("HOME", str(scratch.folder))  # where asv keeps what it knows of machines
    with in_folder_of(scratch.folder / "asv.conf.json"):
        yield scratch


def load(scratch: Scratch, environment: str | None = None) -> Project:
    return Project(Path("asv.conf.json"), None, environment)


def configure(scratch: Scratch, **values: object) -> None:
    path = scratch.folder / "asv.conf.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_range_is_read_along_first_parents_oldest_first(scratch: Scratch) -> None:
    first, second = scratch.commit(), scratch.commit()
    branch, merge = scratch.branch([1.0, 1.0])
    project = load(scratch)

    assert project.commits(f"{first}..main") == [second, merge]
    assert project.commits(f"{merge}^1..{merge}^2") == branch
    assert (project.parent(merge), project.parent(merge, 2), project.parent(merge, 3)) == (second, branch[-1], None)
    assert project.parent(first) is None


def test_a_range_that_git_does_not_know_is_an_error(scratch: Scratch) -> None:
    scratch.commit()

    with pytest.raises(UnknownCommit, match=r"range 'nonsense\.\.main'.*nonsense"):
        load(scratch).commits("nonsense..main")


def test_a_machine_that_asv_does_not_know_is_noted_once(scratch: Scratch) -> None:
    scratch.commit()

    assert "as `asv machine --yes` does" in load(scratch).notes[0]
    assert load(scratch).notes == []
    (name,) = set(json.loads((scratch.folder / ".asv-machine.json").read_text())) - {"version"}
    assert load(scratch).machine.machine == name


def test_a_tool_of_the_configuration_that_is_missing_is_an_error(scratch: Scratch) -> None:
    scratch.commit()
    configure(scratch, build_command=["{conf_dir}/.tools/bin/uv build"])

    with pytest.raises(ConfigurationMissing, match=r"builds with uv, which is missing at .*: run `make setup`"):
        load(scratch)


def test_of_several_environments_one_must_be_named(scratch: Scratch) -> None:
    scratch.commit()
    configure(scratch, matrix={"env": {"MODE": ["a", "b"]}})

    with pytest.raises(ConfigurationMissing, match=r"Choose one by --environment: \S+MODEa, \S+MODEb"):
        load(scratch)
    name = next(iter(load(scratch, f"bare-py{_version()}-MODEb").environment.env_vars.values()))
    assert name == "b"


def test_an_environment_that_is_not_there_is_an_error(scratch: Scratch) -> None:
    scratch.commit()

    with pytest.raises(ConfigurationMissing, match="nonsense"):
        load(scratch, "nonsense")


def _version() -> str:
    import sys

    return f"{sys.version_info.major}.{sys.version_info.minor}"


def test_the_folder_of_hunts_lies_beside_the_results(scratch: Scratch) -> None:
    scratch.commit()

    assert load(scratch).folder == scratch.folder.resolve() / ".asv/find"
    assert git(scratch.folder, "status", "--short") == ""
