from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers import _session


@pytest.mark.long
def test_a_peer_leaves_the_current_folder_as_it_was() -> None:
    before = Path.cwd()

    with _session("CLIRuntime"):
        assert Path.cwd() != before

    assert Path.cwd() == before
