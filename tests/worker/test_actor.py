"""A session behind each kind of walls, without Ray."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support import SECRET, LocalSession, below, gone, removed

from openhands_ray import __version__, wire
from openhands_ray.errors import SessionLostError, SessionStartError
from openhands_ray.worker.actor import SessionActor


@pytest.fixture(scope="module")
def session(isolation: str) -> Iterator[LocalSession]:
    """A session with a kernel."""
    session = LocalSession(isolation, kernel=True)
    yield session
    session.close()


@pytest.fixture
def own(isolation: str) -> LocalSession:
    return LocalSession(isolation, no_change_timeout_s=0.5)


def test_it_says_what_it_is(session: LocalSession, isolation: str) -> None:
    info = session.actor.info()
    assert (info["isolation"], info["version"], info["pid"]) == (isolation, __version__, os.getpid())


def test_shell_files_editor_and_kernel_share_the_workspace(session: LocalSession) -> None:
    session.act("write", path="/workspace/shared", content="one")
    assert session.output("cd ~; cd - >/dev/null; cat shared") == "one"
    session.act("edit", command="str_replace", path="/workspace/shared", old_str="one", new_str="two")
    assert session.act("run_ipython", code="print(open('shared').read())")["content"].startswith("two\n")
    session.run("echo three > shared")
    assert session.act("read", path="/workspace/shared")["content"] == "three\n"
    assert "shared" in session.control("list", path="/workspace")["result"]


def test_the_signals_of_the_sessions_programs_are_the_default_ones(session: LocalSession) -> None:
    ignored = int(session.output("grep SigIgn /proc/self/status").split()[1], 16)
    assert ignored & 0x7FFFFFFF == 0  # 32 and 33 are libc's own, and no program can set them
    observation = session.run("sleep 1000 & kill $!; wait $!")
    assert observation["extras"]["metadata"]["exit_code"] == 143


def test_control_c_and_the_state_after_it(own: LocalSession) -> None:
    own.run("kept=1")
    own.run("sleep 1000")
    assert own.run("C-c", is_input=True)["extras"]["metadata"]["exit_code"] == 130
    assert own.output("echo $kept") == "1"
    own.close()


def test_no_secret_of_the_node_is_inside(session: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SECRET not in session.output("env; cat /proc/$PPID/environ | tr '\\0' '\\n'")
    assert SECRET not in session.act("run_ipython", code="import os; dict(os.environ)")["content"]


def test_a_static_command_does_not_touch_the_shell(session: LocalSession) -> None:
    session.run("cd /; v=1")
    assert session.run("pwd; echo ${v-unset}; v=2", is_static=True, cwd="/tmp")["content"] == "/tmp\nunset"
    assert session.output("echo $v; cd - >/dev/null") == "1"


@pytest.mark.parametrize(
    ("action", "args"),
    [
        ("no_such_action", {}),
        ("run", {}),
        ("read", {"path": "/workspace/\0"}),
        ("read", {"path": 7}),
        ("read", {"path": None}),
        ("write", {"path": "/workspace/w", "content": "\ud800"}),
        ("write", {"path": "/proc/nothing/x", "content": ""}),
        ("write", {"path": "/workspace", "content": "x"}),
        ("edit", {"command": "view"}),
        ("run", {"command": "echo \0"}),
        ("run_ipython", {}),
        ("read", {"path": "/bin/bash"}),
    ],
)
def test_bad_input_is_an_error_and_the_session_goes_on(
    session: LocalSession, action: str, args: dict[str, object]
) -> None:
    request = wire.pack({"action": action, "args": args, "timeout": 10})
    observation = wire.unpack(session.actor.act(request))["observation"]
    assert observation["observation"] == "error"
    assert session.output("echo on") == "on"


@pytest.mark.parametrize("args", [None, [], "text"])
def test_arguments_that_are_no_dict(session: LocalSession, args: object) -> None:
    answer = wire.unpack(session.actor.act(wire.pack({"action": "run", "args": args})))
    assert answer["observation"]["observation"] == "error"


def test_requests_that_do_not_exist(session: LocalSession) -> None:
    assert session.control("explode")["type"] == "ValueError"
    assert session.control("list", colour="red")["type"] == "TypeError"
    assert session.control("read_chunk", transfer="none", size=1)["type"] == "KeyError"


def test_a_request_does_not_wait_behind_an_action(own: LocalSession) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(own.run, "mkfifo go; read x < go; echo $x", 30, blocking=True)
        while "go" not in own.control("list", path=None)["result"]:
            assert not running.done()
        own.actor._relay(
            own.actor._controls,
            own.actor._control_lock,
            wire.pack({"operation": "list", "args": {"path": "/workspace"}}),
        )
        assert not running.done()
        own.close()
        with pytest.raises(SessionLostError, match="may have had an effect"):
            running.result(20)


def test_close_leaves_nothing(isolation: str) -> None:
    own = LocalSession(isolation, kernel=True)
    own.run("(setsid sleep 1000 &) ; nohup setsid sleep 1001 & disown; trap '' TERM HUP")
    own.act("run_ipython", code="import subprocess; p = subprocess.Popen(['sleep', '1002'])")
    own.run("mkdir -m 0 /workspace/locked ~/locked")
    executor = own.actor.info()["executor_pid"]
    processes = below(executor)
    assert len([each for each in processes if each.name() == "sleep"]) == 3
    own.close()
    own.close()
    assert gone(processes, 5)
    assert not own.root.exists()


def test_a_killed_executor_is_told_and_cleaned_up(own: LocalSession) -> None:
    processes = below(own.actor.info()["executor_pid"])
    (executor,) = [each for each in processes if each.cmdline()[-1:] and each.cmdline()[1:2] == ["-I"]][-1:]
    executor.send_signal(signal.SIGKILL)
    with pytest.raises(SessionLostError):
        own.run("echo never")
    with pytest.raises(SessionLostError):
        own.run("echo never")
    own.close()
    assert gone(processes, 5)
    assert not own.root.exists()


def test_an_actor_that_vanishes_takes_the_session_with_it(own: LocalSession) -> None:
    """As when Ray kills it: its sockets close, and nobody calls close()."""
    processes = below(own.actor.info()["executor_pid"])
    for channel in (own.actor._actions, own.actor._controls):
        channel.shutdown(socket.SHUT_RDWR)
        channel.close()
    assert own.actor._process is not None
    own.actor._process.wait(10)
    assert gone(processes, 5)
    assert removed(own.root, 5)


def test_a_session_that_cannot_start_leaves_nothing(isolation: str) -> None:
    children = set(psutil.Process().children(recursive=True))
    volumes = [{"source": "/no/such/folder", "target": "/workspace/data"}]
    with pytest.raises(SessionStartError, match=f"/no/such/folder .*the node {socket.gethostname()} has no such path"):
        LocalSession(isolation, volumes=volumes)
    assert gone(list(set(psutil.Process().children(recursive=True)) - children), 5)


def test_the_strongest_walls_are_the_default() -> None:
    from openhands_ray.worker.sandbox import sandbox_problem

    session = LocalSession(None)  # type: ignore[arg-type]
    assert session.actor.info()["isolation"] == ("process" if sandbox_problem() else "sandbox")
    session.close()


def test_a_link_of_the_session_does_not_lead_out(tmp_path: Path) -> None:
    from openhands_ray.worker.sandbox import sandbox_problem

    if sandbox_problem() is not None:
        pytest.skip(str(sandbox_problem()))
    (tmp_path / "secret").write_text("host secret")
    session = LocalSession("sandbox")
    session.run(f"ln -s {tmp_path}/secret /workspace/link")
    assert session.act("read", path="/workspace/link")["observation"] == "error"
    assert "error" in session.control("download", path=f"{tmp_path}/secret")
    session.close()


def test_the_class_is_plain() -> None:
    assert not hasattr(SessionActor, "remote")
