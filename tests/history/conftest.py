from __future__ import annotations

from pathlib import Path

import pytest
from project import MakeProject, Project


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    return lambda benchmarks: Project(tmp_path / "project", benchmarks)
