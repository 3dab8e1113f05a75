"""From connect() to delete(): what is told, what lives on, and what is left."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from local_runtime import ask
from support import below, ended, gone, kill, run_python

from openhands_ray.config import Settings
from openhands_ray.worker.sandbox import sandbox_problem

if TYPE_CHECKING:
    from conftest import MakeRuntime

needs_sandbox = pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))

#: Another process on the same cluster, without OpenHands: what the shell of a session says to it, and its end.
OTHER = """
import json, sys
from openhands_ray.config import Settings
from openhands_ray.errors import SessionNotFoundError
from openhands_ray.session import Session
settings, sid, command = Settings.from_environment(), *sys.argv[1:]
if command == "end":
    print(json.dumps([Session.end(sid, settings), Session.end(sid, settings)]))
elif command == "keep":
    spec = {"workspace": "/workspace", "isolation": None, "volumes": [], "environment": {}, "no_change_timeout_s": 10,
            "kernel": False}
    for name, keep in ((sid, True), (sid + "-owned", False)):
        Session.create(name, spec, settings, keep=keep)
    print(json.dumps("kept"))
else:
    session = Session.attach(sid, settings)
    print(json.dumps(session.act({"action": "run", "args": {"command": command}, "timeout": 20}, 30)["content"]))
"""


def run(runtime: Any, command: str, **args: Any) -> Any:
    from openhands.events.action import CmdRunAction

    return runtime.run_action(CmdRunAction(command, **args))


def output(runtime: Any, command: str) -> str:
    observation = run(runtime, command)
    assert observation.exit_code == 0, observation
    return str(observation.content)


def cell(runtime: Any, code: str) -> str:
    from openhands.events.action import IPythonRunCellAction

    return str(runtime.run_action(IPythonRunCellAction(code, include_extra=False)).content)


def elsewhere(*args: str) -> Any:
    import ray

    address = ray.get_runtime_context().gcs_address
    return json.loads(run_python(OTHER, *args, OPENHANDS_RAY_ADDRESS=address).stdout)


def processes(runtime: Any) -> list[psutil.Process]:
    return [*below(runtime._session.info["executor_pid"])]


def telling(told: list[tuple[str, str]]) -> Callable[[str, Any, str], None]:
    return lambda level, status, _: told.append((level, status.name))


@pytest.fixture(scope="module")
def runtime(make_runtime: MakeRuntime) -> Iterator[Any]:
    from openhands.core.config import OpenHandsConfig
    from openhands.runtime.plugins import JupyterRequirement

    config = OpenHandsConfig()
    config.sandbox.runtime_startup_env_vars = {"STARTUP": "of the configuration", "both": "startup"}
    os.environ["SANDBOX_ENV_FROM_OUTSIDE"] = "of the environment"
    env_vars = {"CALLER": 'it\'s "x"  y', "BOTH": "caller"}
    runtime = make_runtime("lifecycle", plugins=[JupyterRequirement()], env_vars=env_vars, config=config)
    del os.environ["SANDBOX_ENV_FROM_OUTSIDE"]
    yield runtime
    runtime.close()


def test_what_a_runtime_says_of_itself(runtime: Any) -> None:
    assert runtime.runtime_initialized
    assert str(runtime.workspace_root) == "/workspace"
    assert runtime.session_api_key is None
    assert runtime.additional_agent_instructions == ""
    assert runtime.vscode_url is None
    runtime.check_if_alive()


def test_a_web_application_of_the_agent_is_seen_where_it_is_said_to_be(runtime: Any) -> None:
    import httpx

    (url, port), _ = runtime.web_hosts.items()
    assert url == f"http://localhost:{port}"
    output(runtime, "mkdir site; echo hello > site/index.html")
    output(runtime, f"{sys.executable} -m http.server --directory site {port} > log 2>&1 &")
    output(runtime, f"until (: < /dev/tcp/127.0.0.1/{port}) 2> /dev/null; do :; done")
    assert httpx.get(url).text == "hello\n"
    output(runtime, "kill %1; wait; rm -r site log")


def test_the_address_of_a_vscode_server(make_runtime: MakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    from openhands_ray.worker import vscode

    runtime = make_runtime(headless_mode=False)
    assert runtime.vscode_enabled
    if not os.path.exists(vscode.SERVER):
        assert runtime.vscode_url is None
        assert runtime.list_files() == []
    server = {"port": 4321, "token": "t0", "folder": "/workspace"}
    monkeypatch.setattr(runtime._session, "request", lambda *_, **__: server)
    assert runtime.vscode_url == "http://localhost:4321/?tkn=t0&folder=/workspace"
    runtime._session.info["host"] = "node-7"
    assert runtime.vscode_url == "http://node-7:4321/?tkn=t0&folder=/workspace"
    monkeypatch.undo()
    runtime.close()


def test_environment_variables_in_shell_and_kernel_alike(runtime: Any) -> None:
    assert output(runtime, "echo $BOTH") == "startup"
    names = ("STARTUP", "FROM_OUTSIDE", "CALLER")
    expected = ["of the configuration", "of the environment", 'it\'s "x"  y']
    show = f"{sys.executable} -c 'import os; print([os.environ[each] for each in {json.dumps(names)}])'"
    shell = [output(runtime, show), run(runtime, show, is_static=True).content]
    assert [*shell, cell(runtime, f"import os; [os.environ[each] for each in {names}]")] == [str(expected)] * 3


#: [(value, what OpenHands' shell makes of it)]; its kernel takes the value as it is.
VALUES = [
    ("plain", "plain"),
    ("it's", "it's"),
    ('a "b" c', 'a "b" c'),
    ("a  b ", "a  b "),
    ("1 + 1 = 2; echo no | cat > /dev/null & # <x>", "1 + 1 = 2; echo no | cat > /dev/null & # <x>"),
    ("~ * ? [a]", "~ * ? [a]"),
    ("$VALUE_0 and ${VALUE_1}", "plain and it's"),
    ("back\\slash", "back\\slash"),
    ("two\nlines", "two\\nlines"),
    ("ü", "\\u00fc"),
    ("", ""),
]


def test_values_of_all_kinds_are_what_openhands_makes_of_them(runtime: Any) -> None:
    runtime.add_env_vars({f"value_{number}": value for number, (value, _) in enumerate(VALUES)})
    names = [f"VALUE_{number}" for number in range(len(VALUES))]
    show = f"{sys.executable} -c 'import os; print(ascii([os.environ[each] for each in {json.dumps(names)}]))'"
    assert output(runtime, show) == ascii([theirs for _, theirs in VALUES])
    in_kernel = cell(runtime, f"import os; print(ascii([os.environ[each] for each in {names}]))")
    assert in_kernel == ascii([value for value, _ in VALUES])
    assert output(runtime, f"bash -ic {shlex.quote(show)} 2>/dev/null") == ascii([theirs for _, theirs in VALUES])
    assert run(runtime, show, is_static=True).content == ascii([theirs for _, theirs in VALUES])
    runtime.add_env_vars({"value_0": "later"})
    assert output(runtime, "echo $VALUE_0; grep ^export.VALUE_0 ~/.bashrc") == 'later\nexport VALUE_0="plain"'


def test_no_environment_can_hold_it(runtime: Any) -> None:
    runtime.add_env_vars({"with_nul": "a\0b", "with_half": "\ud800", "number": 5, "good": "yes"})
    assert cell(runtime, "import os; os.environ['GOOD'], 'WITH_NUL' in os.environ") == "('yes', False)"
    with pytest.raises(RuntimeError, match="Failed to add env vars"):
        runtime.add_env_vars({"1x": "x"})
    assert output(runtime, "echo $GOOD") == "yes"


def test_a_new_kernel_has_the_variables_too(runtime: Any) -> None:
    cell(runtime, "import os; os._exit(1)")
    assert cell(runtime, "import os; os.environ['STARTUP']") == "'of the configuration'"


def test_the_connection_does_not_wait_for_the_kernel(
    make_runtime: MakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openhands.runtime.plugins import JupyterRequirement

    from openhands_ray import RayRuntime

    cells: list[Any] = []
    monkeypatch.setattr(RayRuntime, "run_ipython", lambda _, action: cells.append(action))
    make_runtime(plugins=[JupyterRequirement()], env_vars={"A": "1"}).close()
    assert cells == []


def test_git_knows_its_user(make_runtime: MakeRuntime) -> None:
    from openhands.core.config import OpenHandsConfig

    config = OpenHandsConfig(git_user_name="Ada L.", git_user_email="ada@example.org")
    runtime = make_runtime(config=config)
    assert output(runtime, "git config --global user.name; git config --global user.email") == "Ada L.\nada@example.org"
    runtime.close()


def test_the_status_is_told_as_by_openhands_own(make_runtime: MakeRuntime) -> None:
    told: list[tuple[str, str]] = []
    runtime = make_runtime("told", status_callback=telling(told))
    assert told == STATUSES["new"]
    assert runtime.runtime_status.name == "READY"
    del told[:]
    attached = make_runtime("told", attach_to_existing=True, status_callback=telling(told))
    assert told == STATUSES["attached"]
    assert attached.runtime_initialized
    attached.close()
    runtime.close()
    assert told == STATUSES["attached"]


#: What OpenHands' LocalRuntime tells, in this order.
STATUSES = {
    "new": [("info", "STARTING_RUNTIME"), ("info", "STARTING_RUNTIME"), ("info", "READY")],
    "attached": [("info", "STARTING_RUNTIME"), ("info", "STARTING_RUNTIME")],
}


def test_a_session_without_a_place_tells_of_the_queue_and_then_fails_as_openhands_does(
    make_runtime: MakeRuntime,
) -> None:
    import ray
    from openhands.core.exceptions import AgentRuntimeUnavailableError

    make_runtime()  # the suite's cluster
    all_cpus: dict[str, Any] = {"session_cpus": ray.cluster_resources()["CPU"], "warm_sessions": 0}
    holder = make_runtime(settings=Settings(**all_cpus))
    told: list[str] = []
    waiting = make_runtime(
        "waiting",
        connect=False,
        settings=Settings(**all_cpus, queue_timeout_s=3),
        status_callback=lambda _, status, text: told.append(f"{status.name} {text}"),
    )
    with pytest.raises(
        AgentRuntimeUnavailableError, match=r"'waiting' found no place within 3 seconds. .* 0 of . CPUs"
    ):
        asyncio.run(waiting.connect())
    assert [text for text in told if "waits for a place, 1 of 1." in text]
    assert {text.partition(" ")[0] for text in told} == {"STARTING_RUNTIME"}
    hopeless = make_runtime("hopeless", connect=False, settings=Settings(session_resources="unknown=1"))
    with pytest.raises(AgentRuntimeUnavailableError, match=r"1 unknown on one node.* None of them is large enough"):
        asyncio.run(hopeless.connect())  # at once: no node joins a private cluster
    holder.close()
    asyncio.run(waiting.connect())
    assert output(waiting, "echo here") == "here"
    waiting.close()


def test_attaching_from_the_same_process(make_runtime: MakeRuntime) -> None:
    from openhands.core.exceptions import AgentRuntimeDisconnectedError

    with pytest.raises(AgentRuntimeDisconnectedError, match="no session 'attached'"):
        make_runtime("attached", attach_to_existing=True)
    first = make_runtime("attached")
    output(first, "v=7; cd /tmp")
    second = make_runtime("attached", attach_to_existing=True, env_vars={"NOT": "set"})
    assert output(second, "echo $v ${NOT-unset}; pwd") == "7 unset\n/tmp"
    second.close()
    second.close()
    assert output(first, "echo $v") == "7"
    first.close()
    with pytest.raises(AgentRuntimeDisconnectedError, match="no session 'attached'"):
        make_runtime("attached", attach_to_existing=True)


def test_two_runtimes_with_one_id_share_the_session(make_runtime: MakeRuntime) -> None:
    """As in OpenHands, where the second finds the container, or the server, of the first."""
    from openhands.core.exceptions import AgentRuntimeDisconnectedError

    first, second = make_runtime("twice"), make_runtime("twice", env_vars={"LATER": "set"})
    output(first, "v=7")
    assert output(second, "echo $v $LATER") == "7 set"
    second.close()
    with pytest.raises(AgentRuntimeDisconnectedError):
        run(first, "echo")
    first.close()


def test_a_session_whose_process_was_killed_is_replaced(make_runtime: MakeRuntime) -> None:
    from openhands.core.exceptions import AgentRuntimeDisconnectedError

    first = make_runtime("killed")
    output(first, "v=7")
    found = processes(first)
    kill(found)
    while not ended(found[0]):  # at once: its parent, the actor, has hardly looked yet
        pass
    for each in (first.check_if_alive, lambda: make_runtime("killed", attach_to_existing=True)):
        with pytest.raises(AgentRuntimeDisconnectedError):
            each()
    second = make_runtime("killed")
    assert output(second, "echo ${v-unset}") == "unset"
    second.close()


def test_a_session_is_reached_and_ended_from_another_process(make_runtime: MakeRuntime) -> None:
    from openhands.core.exceptions import AgentRuntimeDisconnectedError

    runtime = make_runtime("elsewhere")
    output(runtime, "v=7")
    assert elsewhere("elsewhere", "echo $v; v=8") == "7"
    assert output(runtime, "echo $v") == "8"
    found = processes(runtime)
    assert elsewhere("elsewhere", "end") == [True, False]
    assert gone(found)
    with pytest.raises(AgentRuntimeDisconnectedError):
        run(runtime, "echo")
    runtime.close()


def test_what_is_kept_alive_outlives_its_process_and_nothing_else(make_runtime: MakeRuntime) -> None:
    from openhands.core.exceptions import AgentRuntimeDisconnectedError

    elsewhere("kept", "keep")
    runtime = make_runtime("kept", attach_to_existing=True)
    assert output(runtime, "echo there") == "there"
    with pytest.raises(AgentRuntimeDisconnectedError):
        make_runtime("kept-owned", attach_to_existing=True)
    found = processes(runtime)
    asyncio.run(type(runtime).delete("kept"))
    assert gone(found)


def test_keep_runtime_alive_and_delete(make_runtime: MakeRuntime) -> None:
    from openhands.core.config import OpenHandsConfig

    config = OpenHandsConfig()
    config.sandbox.keep_runtime_alive = True
    first = make_runtime("alive", config=config)
    output(first, "v=7")
    found = processes(first)
    first.close()
    second = make_runtime("alive", config=config)
    assert output(second, "echo $v") == "7"
    second.close()
    assert not gone(found, 0)
    for _ in range(2):  # the second finds nothing, which is no error
        asyncio.run(type(first).delete("alive"))
    assert gone(found)


def test_delete_starts_no_cluster() -> None:
    program = (
        "import sys; from openhands_ray import cluster; from openhands_ray.config import Settings; "
        "from openhands_ray.session import Session; "
        "print(Session.end('none', Settings()), cluster._current, 'ray' in sys.modules)"
    )
    assert run_python(program).stdout.split() == ["False", "None", "False"]


def test_health_is_told_while_an_action_runs(make_runtime: MakeRuntime) -> None:
    from openhands.core.exceptions import AgentRuntimeDisconnectedError

    runtime = make_runtime()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, runtime, "read -t 2")
        while (health := runtime.health())["state"] != "running":
            pass
        assert not running.done()
    assert (health["action"], health["idle_s"], health["isolation"]) == ("run", 0, runtime.isolation)
    assert runtime.health()["state"] == "idle"
    assert 0 < health["round_trip_s"] < health["age_s"]
    assert 10e6 < health["memory_bytes"] < 200e6
    executor = psutil.Process(runtime._session.info["executor_pid"])
    executor.kill()
    assert gone([executor])
    with pytest.raises(AgentRuntimeDisconnectedError):
        runtime.health()


def test_pause_and_resume(make_runtime: MakeRuntime, tmp_path: Path) -> None:
    from openhands.core.exceptions import AgentRuntimeNotReadyError
    from openhands.runtime.plugins import JupyterRequirement

    runtime = make_runtime("paused", plugins=[JupyterRequirement()])
    cell(runtime, "v = 1")
    output(runtime, "v=2; (setsid sleep 1000 &); sleep 1001 &")
    runtime.pause()
    runtime.pause()
    (executor,) = [each for each in processes(runtime) if each.cmdline()[1:2] == ["-I"]][-1:]
    assert {each.status() for each in executor.children(recursive=True)} == {psutil.STATUS_STOPPED}
    for each in (lambda: run(runtime, "touch /workspace/ran"), lambda: cell(runtime, "v")):
        with pytest.raises(AgentRuntimeNotReadyError, match="is paused"):
            each()
    assert runtime.list_files() == []
    runtime.resume()
    assert psutil.STATUS_STOPPED not in {each.status() for each in executor.children(recursive=True)}
    assert output(runtime, "echo $v; jobs -r | wc -l; ls") == "2\n1"
    assert cell(runtime, "v") == "1"
    runtime.pause()
    found = processes(runtime)
    runtime.close()
    assert gone(found)


def test_a_program_in_the_foreground_does_not_notice_the_pause(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime("noticed", settings=Settings(no_change_timeout_s=0.2))
    assert run(runtime, "read -r x; echo got $x").exit_code == -1
    runtime.pause()
    runtime.resume()
    observation = run(runtime, "word", is_input=True)
    assert (observation.exit_code, observation.content) == (0, "got word")
    runtime.close()


@pytest.mark.long
def test_the_end_of_the_interpreter_ends_the_session() -> None:
    program = (
        "import asyncio\n"
        "from openhands.core.config import OpenHandsConfig\n"
        "from openhands.events import EventStream\n"
        "from openhands.llm.llm_registry import LLMRegistry\n"
        "from openhands.storage import get_file_store\n"
        "from openhands_ray import RayRuntime\n"
        "config = OpenHandsConfig()\n"
        "stream = EventStream('x', get_file_store('memory', '/tmp'))\n"
        "runtime = RayRuntime(config, stream, LLMRegistry(config), sid='x')\n"
        "asyncio.run(runtime.connect())\n"
        "print(runtime._session.info['executor_pid'], runtime._session.info['pid'])\n"
    )
    pids = map(int, run_python(program).stdout.split())
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


@pytest.mark.long
@pytest.mark.oracle
@needs_sandbox
@pytest.mark.timeout(500)
def test_openhands_own_runtime_tells_the_same() -> None:
    theirs = ask("status")
    assert {key: list(map(tuple, theirs[key])) for key in STATUSES} == STATUSES
    assert theirs["shared"] == "7 set"


@pytest.mark.long
@pytest.mark.oracle
@needs_sandbox
@pytest.mark.timeout(500)
def test_openhands_own_runtime_makes_the_same_of_values() -> None:
    good = [(value, theirs) for value, theirs in VALUES if not set(value) & set("'#$")]
    given = {f"value_{number}": value for number, (value, _) in enumerate(good)}
    names = json.dumps([name.upper() for name in given])
    show = f"{sys.executable} -c 'import os; print(ascii([os.environ[each] for each in {names}]))'"
    theirs = ask("values", given, show, ["it's", "plain"])
    assert theirs["shown"] == ascii([theirs for _, theirs in good])
    assert theirs["failed"][-1] == "plain"  # its shell waits for another quote, and answers nothing any more
