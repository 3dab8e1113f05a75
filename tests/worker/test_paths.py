from __future__ import annotations

import pytest

from openhands_ray.worker.paths import Paths

PROCESS = Paths("/workspace", "/tmp/s/workspace")
SANDBOX = Paths("/workspace", "/workspace")


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/workspace", "/tmp/s/workspace"),
        ("/workspace/", "/tmp/s/workspace"),
        ("/workspace/a/b", "/tmp/s/workspace/a/b"),
        ("/workspace/a/../b", "/tmp/s/workspace/b"),
        ("/workspace/../etc/x", "/workspace/../etc/x"),
        ("/workspaces/a", "/workspaces/a"),
        ("/tmp/a", "/tmp/a"),
    ],
)
def test_a_plain_process_maps_the_workspace(path: str, real: str) -> None:
    assert PROCESS.real(path) == real


@pytest.mark.parametrize("path", ["/workspace", "/workspace/a/../b", "/tmp/x"])
def test_a_sandbox_maps_nothing(path: str) -> None:
    assert SANDBOX.real(path) == path
