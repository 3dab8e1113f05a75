"""``sandbox.volumes`` and its older relatives, as OpenHands reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from openhands_ray.config import Settings
from openhands_ray.errors import SettingsError
from openhands_ray.worker.sandbox import sandbox_problem

if TYPE_CHECKING:
    from conftest import MakeRuntime


def volumes(text: str | None, **options: Any) -> list[tuple[str, str, bool, bool]]:
    from openhands.core.config import OpenHandsConfig

    from openhands_ray.client.volumes import volumes

    config = OpenHandsConfig(**options)
    config.sandbox.volumes = text
    fields = ("source", "target", "writable", "copied")
    return [tuple(each[field] for field in fields) for each in volumes(config)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, []),
        ("", []),
        ("/a:/b", [("/a", "/b", True, False)]),
        ("/a:/b:rw, /c:/d:ro", [("/a", "/b", True, False), ("/c", "/d", False, False)]),
        ("/a:/b:overlay", [("/a", "/b", True, True)]),
        ("/a:/b:ro+z", [("/a", "/b", False, False)]),
    ],
)
def test_what_is_understood(text: str | None, expected: list[Any]) -> None:
    assert volumes(text) == expected


@pytest.mark.parametrize(
    "text", ["/a", "/a:/b:rw:x", "a:/b", "./a:/b", "volume:a:/b", "/a:b", "/a:/b:readonly", "/a:/b:"]
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="volume"):
        volumes(text)


def test_the_older_settings() -> None:
    assert volumes(None, workspace_base="some") == [(os.path.abspath("some"), "/workspace", True, False)]
    assert volumes(None, workspace_base="/a", workspace_mount_path="/b") == [("/b", "/workspace", True, False)]
    assert volumes(None, workspace_base="/a", workspace_mount_path_in_sandbox="/repo") == [("/a", "/repo", True, False)]
    assert volumes("/c:/d", workspace_base="/a") == [("/c", "/d", True, False)]


def test_a_configuration_as_openhands_finishes_it(make_runtime: MakeRuntime, tmp_path: Path) -> None:
    from openhands.core.config import OpenHandsConfig
    from openhands.core.config.utils import finalize_config
    from openhands.events.action import CmdRunAction, FileReadAction

    if sandbox_problem() is not None:
        pytest.skip(str(sandbox_problem()))
    for name in ("work", "extra"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    config = OpenHandsConfig()
    config.sandbox.volumes = f"{tmp_path}/work:/workspace:rw,{tmp_path}/extra:/extra:ro"
    finalize_config(config)
    runtime = make_runtime(config=config)
    assert runtime.run_action(CmdRunAction("cat file /extra/file; echo > /extra/no")).content.startswith("workextra")
    assert runtime.run_action(FileReadAction("/extra/file")).content == "extra"
    runtime.close()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["extra", "file", "file", "work"]


@pytest.mark.parametrize("isolation", ["sandbox", "process"])
def test_a_path_that_the_node_does_not_have(make_runtime: MakeRuntime, isolation: Any) -> None:
    from openhands.core.config import OpenHandsConfig
    from openhands.core.exceptions import AgentRuntimeError

    if isolation == "sandbox" and sandbox_problem() is not None:
        pytest.skip(str(sandbox_problem()))
    config = OpenHandsConfig()
    config.sandbox.volumes = "/no/such/folder:/workspace"
    with pytest.raises(AgentRuntimeError, match=r"/no/such/folder is to be /workspace .* the node .* has no such path"):
        make_runtime(config=config, settings=Settings(isolation=isolation))
    config.sandbox.volumes = "nonsense"
    with pytest.raises(AgentRuntimeError, match="Invalid mount format"):
        make_runtime(config=config)
