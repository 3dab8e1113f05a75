"""Ten thousand actions and a thousand sessions: all succeed, nothing grows, nothing is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from soak_document import document, grown
from support import ROOT, figures_of


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_actions_and_sessions_succeed_and_leave_and_cost_nothing(tmp_path: Path) -> None:
    figures = figures_of("soak.py", tmp_path, "--actions", "10000", "--sessions", "1000")
    for part in ("actions", "sessions"):
        assert figures[part]["succeeded"] == figures[part]["count"]
    assert grown(figures) == []
    assert set(figures["left"].values()) == {0}


def test_the_document_is_that_of_its_figures() -> None:
    figures = json.loads((ROOT / "docs/soak.json").read_text())
    assert (ROOT / "docs/soak.md").read_text() == document(figures), "make it anew: make soak"
    assert grown(figures) == []
