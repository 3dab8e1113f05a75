"""RayRuntime as OpenHands uses it, on a real cluster."""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from support import SECRET, gone

from openhands_ray.config import Settings
from openhands_ray.errors import TransferError

if TYPE_CHECKING:
    from conftest import MakeRuntime

ABSTRACT = {
    "connect",
    "get_mcp_config",
    "run",
    "run_ipython",
    "read",
    "write",
    "edit",
    "browse",
    "browse_interactive",
    "call_tool_mcp",
    "copy_to",
    "list_files",
    "copy_from",
}


@pytest.fixture(scope="module")
def runtime(make_runtime: MakeRuntime) -> Any:
    """One session with a kernel, for the tests that leave it usable."""
    from openhands.runtime.plugins import JupyterRequirement

    return make_runtime(plugins=[JupyterRequirement()], settings=Settings(no_change_timeout_s=2))


@pytest.fixture(scope="module")
def other(make_runtime: MakeRuntime) -> Any:
    return make_runtime()


def run(runtime: Any, command: str, timeout_s: float = 30, **args: Any) -> Any:
    from openhands.events.action import CmdRunAction

    action = CmdRunAction(command, **args)
    action.set_hard_timeout(timeout_s, blocking=False)
    return runtime.run_action(action)


def output(runtime: Any, command: str) -> str:
    observation = run(runtime, command)
    assert observation.exit_code == 0, observation
    return str(observation.content)


def cell(runtime: Any, code: str) -> str:
    from openhands.events.action import IPythonRunCellAction

    return str(runtime.run_action(IPythonRunCellAction(code, include_extra=False)).content)


def write(runtime: Any, path: str, content: str) -> Any:
    from openhands.events.action import FileWriteAction

    return runtime.run_action(FileWriteAction(path, content))


def read(runtime: Any, path: str) -> Any:
    from openhands.events.action import FileReadAction

    return runtime.run_action(FileReadAction(path))


def edit(runtime: Any, command: str, path: str, **args: Any) -> Any:
    from openhands.events.action import FileEditAction

    return runtime.run_action(FileEditAction(path=path, command=command, **args))


def test_the_abstract_methods_are_all_there() -> None:
    from openhands.runtime.base import Runtime

    from openhands_ray import RayRuntime

    assert Runtime.__abstractmethods__ == ABSTRACT
    assert not RayRuntime.__abstractmethods__
    assert set(vars(RayRuntime)) >= ABSTRACT


def test_openhands_finds_it_by_its_name() -> None:
    from openhands.runtime import get_runtime_cls

    from openhands_ray import RayRuntime

    assert get_runtime_cls("openhands_ray.RayRuntime") is RayRuntime


def test_the_shell_keeps_its_state(runtime: Any) -> None:
    run(runtime, "cd /tmp; v=1; f() { echo f$1; }; sleep 1000 &")
    assert output(runtime, "pwd; echo $v; f 2; jobs -p | wc -l") == "/tmp\n1\nf2\n1"
    output(runtime, "kill %1; cd /workspace")


def test_the_observation_is_complete(runtime: Any) -> None:
    from openhands.events.observation import CmdOutputObservation

    observation = run(runtime, "cd /workspace; false", hidden=True)
    assert isinstance(observation, CmdOutputObservation)
    assert (observation.exit_code, observation.hidden, observation.command) == (1, True, "cd /workspace; false")
    assert observation.metadata.working_dir == "/workspace"
    assert observation.metadata.suffix == "\n[The command completed with exit code 1.]"


def test_timeouts_input_and_keys(runtime: Any) -> None:
    soft = run(runtime, "read -p 'name? ' n; echo hello $n; sleep 1000")
    assert "no new output after 2 seconds" in soft.metadata.suffix
    hard = run(runtime, "Ada", timeout_s=0.5, is_input=True)
    assert hard.content == "hello Ada"
    assert "timed out after 0.5 seconds" in hard.metadata.suffix
    assert "is NOT executed" in run(runtime, "echo 1").metadata.suffix
    assert run(runtime, "C-c", is_input=True).exit_code == 130
    assert output(runtime, "echo free") == "free"


def test_exit_starts_a_new_shell(runtime: Any) -> None:
    observation = run(runtime, "exit 5")
    assert observation.exit_code == 5
    assert "a new one was started" in observation.metadata.suffix
    assert output(runtime, "echo back") == "back"


@pytest.mark.parametrize("folder", ["/workspace", "/tmp"])
def test_all_see_the_same_files(runtime: Any, folder: str) -> None:
    path = f"{folder}/shared"
    write(runtime, path, "one")
    assert output(runtime, f"cat {path}") == "one"
    assert "edited" in edit(runtime, "str_replace", path, old_str="one", new_str="two").content
    assert cell(runtime, f"print(open('{path}').read())") == "two"
    output(runtime, f"echo three > {path}")
    assert read(runtime, path).content == "three\n"
    assert "shared" in runtime.list_files(folder)


def test_the_kernel_keeps_its_state(runtime: Any) -> None:
    cell(runtime, "value = 41")
    assert cell(runtime, "value + 1") == "42"
    assert "ZeroDivisionError" in cell(runtime, "1 / 0")


def test_no_secret_reaches_the_session(runtime: Any) -> None:
    assert os.environ["OPENAI_API_KEY"] == SECRET
    assert SECRET not in output(runtime, "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'")
    assert SECRET not in cell(runtime, "import os; dict(os.environ)")


def test_two_sessions_do_not_see_each_other(runtime: Any, other: Any) -> None:
    write(runtime, "/workspace/mine", "1")
    write(runtime, "/tmp/mine", "1")
    run(runtime, "export MINE=1; cp /tmp/mine ~/mine; sleep 4242 &")
    seen = output(other, "find /workspace /tmp ~ -name mine; echo ${MINE-unset}")
    assert seen == "unset"
    assert output(runtime, "find /workspace /tmp ~ -name mine | wc -l") == "3"
    assert "sleep 4242" not in output(other, "cat /proc/*/cmdline | tr '\\0' ' '")
    assert read(other, "/workspace/mine").observation == "error"
    run(runtime, "kill %1")


def test_list_files(other: Any) -> None:
    output(other, "mkdir -p l/Z l/a; touch l/b l/A l/.c")
    assert other.list_files("/workspace/l") == ["a/", "Z/", ".c", "A", "b"]
    assert "l/" in other.list_files()
    assert other.list_files("/no/such") == []


def test_copies_in_both_directions(other: Any, tmp_path: Path) -> None:
    (tmp_path / "top/sub").mkdir(parents=True)
    (tmp_path / "top/sub/run.sh").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "top/sub/run.sh").chmod(0o755)
    large = os.urandom(9_000_000)
    (tmp_path / "large.bin").write_bytes(large)
    other.copy_to(str(tmp_path / "large.bin"), "/workspace/in")
    other.copy_to(str(tmp_path / "top"), "/workspace/in", recursive=True)
    assert output(other, "/workspace/in/top/sub/run.sh; wc -c < /workspace/in/large.bin") == "ran\n9000000"
    packed = other.copy_from("/workspace/in")
    with zipfile.ZipFile(packed) as archive:
        assert sorted(archive.namelist()) == ["large.bin", "top/sub/run.sh"]
        assert archive.read("large.bin") == large
    packed.unlink()


def test_copies_that_fail(other: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        other.copy_to(str(tmp_path / "missing"), "/workspace")
    with pytest.raises(FileNotFoundError):
        other.copy_from("/workspace/missing")
    with pytest.raises(TransferError, match="absolute"):
        other.copy_from("relative")
    (tmp_path / "x").touch()
    with pytest.raises(TransferError):
        other.copy_to(str(tmp_path / "x"), "/usr/no")
    assert output(other, "echo on") == "on"


def test_bad_input_is_an_error_and_the_session_goes_on(other: Any) -> None:
    bad = [
        run(other, "echo \0"),
        read(other, "/workspace/missing"),
        read(other, "/workspace/\0"),
        read(other, "/bin/bash"),
        read(other, 5),  # type: ignore[arg-type]
        write(other, "/workspace/w", "\ud800"),
        write(other, "/usr/w", "x"),
        run(other, "echo 1\necho 2"),
    ]
    assert [observation.observation for observation in bad] == ["error"] * len(bad)
    assert output(other, "echo on") == "on"


def test_before_and_after_the_connection(make_runtime: MakeRuntime) -> None:
    from openhands.core.exceptions import AgentRuntimeError

    runtime = make_runtime(connect=False)
    with pytest.raises(AgentRuntimeError, match="not connected"):
        run(runtime, "echo")
    asyncio.run(runtime.connect())
    assert output(runtime, "echo now") == "now"
    processes = psutil.Process(runtime._session.info["pid"]).children(recursive=True)
    runtime.close()
    runtime.close()
    assert gone(processes)
    asks: list[Callable[[], Any]] = [lambda: run(runtime, "echo"), runtime.list_files, lambda: read(runtime, "/x")]
    for ask in asks:
        with pytest.raises(AgentRuntimeError, match="not connected"):
            ask()


def test_an_evaluation_in_browsergym_is_refused(make_runtime: MakeRuntime) -> None:
    from openhands.core.config import OpenHandsConfig
    from openhands.core.exceptions import AgentRuntimeError

    config = OpenHandsConfig()
    config.sandbox.browsergym_eval_env = "browsergym/miniwob.click-test"
    runtime = make_runtime(config=config, connect=False)

    with pytest.raises(AgentRuntimeError, match=r"browsergym_eval_env = 'browsergym/miniwob.click-test'"):
        asyncio.run(runtime.connect())
