"""What every benchmark keeps to, so that its history can be read."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, discovered_benchmarks, run_python

FOLDER = ROOT / "benchmarks"

#: All that a benchmark may take from the package: an old commit must have it under the same name, or be n/a.
PUBLIC = {"RayRuntime", "Settings"}


@pytest.fixture(scope="module")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return discovered_benchmarks(tmp_path_factory.mktemp("discovered"))


def test_each_has_a_name_for_people_and_no_two_the_same(discovered: list[dict[str, Any]]) -> None:
    names = [each["pretty_name"] for each in discovered]
    assert all(names)
    assert len(set(names)) == len(names)


def test_each_states_its_version(discovered: list[dict[str, Any]]) -> None:
    # asv's own is the hash of the code, which would start a new history with every comment.
    assert {each["name"] for each in discovered if len(each["version"]) > 3} == set()


def test_times_are_in_seconds_and_what_is_tracked_has_a_unit(discovered: list[dict[str, Any]]) -> None:
    units = {"time": {"seconds"}, "track": {"seconds", "MB", "ratio", "%", "left"}}
    assert {each["name"] for each in discovered if each["unit"] not in units[each["type"]]} == set()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: str(path.stem))
def test_only_public_names_are_used(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "openhands_ray":
            used |= {alias.name for alias in node.names}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "openhands_ray":
            used.add(node.attr)
    assert used <= PUBLIC


#: Does with each class of benchmarks in a module what asv does where a setup says that it is not for now.
SKIPPED = """
import inspect, math, sys
from asv_runner.discovery import disc_benchmarks
skipped = []
for benchmark in disc_benchmarks(sys.argv[1], ignore_import_errors=False):
    classes = [each for each in type(benchmark.func.__self__).__mro__ if each.__module__.startswith("benchmarks.")]
    source = "".join(map(inspect.getsource, classes))
    if "only_on_request()" in source or "not_when_quick()" in source:
        benchmark.set_param_idx(math.prod(map(len, benchmark.params)) - 1)  # the last ones are the largest
        assert benchmark.do_setup(), benchmark.name
        benchmark.do_teardown()
        skipped.append(benchmark.name)
print(*skipped)
"""


def test_what_is_not_asked_for_is_skipped_and_does_not_fail() -> None:
    skipped = run_python(SKIPPED, str(FOLDER), BENCHMARK_ALL="0", BENCHMARK_QUICK="1").stdout.splitlines()[-1].split()
    assert "initialization.FirstPage.time_first_page" in skipped
    assert {name.split(".")[0] for name in skipped} == {
        "actions", "concurrency", "growth", "initialization", "isolation", "peers", "ratios", "resources"
    }  # fmt: skip
