"""OpenHands' AgentSkills in the kernel, before and after one is used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from openhands_ray.worker import skills
from openhands_ray.worker.ipython import IPython


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IPython]:
    folder = tmp_path_factory.mktemp("skills")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LOG_LEVEL": "ERROR"}
    own = IPython(environment, str(folder), with_skills=True)
    yield own
    own.close()


def text(kernel: IPython, code: str, cwd: str = "/") -> str:
    return str(kernel.execute({"code": code, "include_extra": False}, cwd, 60)["content"])


@pytest.mark.parametrize(
    ("code", "expected"), [("open_file('x')", True), ("reopen_file('x')", False), ("x = 1", False)]
)
def test_a_cell_that_names_a_skill(code: str, expected: bool) -> None:
    assert skills.named(code) is expected


def test_it_costs_nothing_until_one_is_used(kernel: IPython, tmp_path: Path) -> None:
    assert text(kernel, "callable(globals()['open_' + 'file'])") == "True"
    assert text(kernel, "import sys; 'openhands' in sys.modules") == "False"
    text(kernel, "def find_" + "file(): return 'my own'")
    (tmp_path / "a.txt").write_text("content")
    shown = text(kernel, "globals()['open_' + 'file']('a.txt')", cwd=str(tmp_path))
    assert "1|content" in shown
    assert text(kernel, "search_file('cont')", cwd=str(tmp_path)).startswith("[Found 1 matches")


def test_the_names_are_those_of_the_installed_openhands(kernel: IPython) -> None:
    assert text(kernel, f"print(*__import__({skills.MODULE!r}, fromlist=['x']).__all__)").split() == list(skills.NAMES)


def test_what_the_session_defined_itself_stays(kernel: IPython) -> None:
    text(kernel, "def search_dir(term): return 'my own ' + term")
    assert text(kernel, "search_dir('x')") == "'my own x'"


def test_without_openhands_a_call_says_so(tmp_path: Path) -> None:
    own = IPython({"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, str(tmp_path), with_skills=True)
    text(own, "import sys; sys.modules['openhands'] = None")  # as if it were not installed
    shown = text(own, "open_file('x')")
    assert "RuntimeError: open_file() is a part of OpenHands, which cannot be imported on this session's node" in shown
    assert text(own, "1") == "1"
    own.close()
