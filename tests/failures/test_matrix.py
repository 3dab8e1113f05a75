"""Every failure of the matrix: what the caller gets, what has run, what is kept, and that nothing is left."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import failures_page
import psutil
import pytest
from caller import COPIED_BYTES, Caller, Program
from matrix import (
    ACTION,
    COPY_FROM,
    COPY_TO,
    KILLED_NODE,
    MATRIX,
    OF_A_LASTING_CLUSTER,
    OF_A_NODE,
    OF_A_PRIVATE_CLUSTER,
    OF_THE_DRIVER,
    SILENT_NODE,
    WITHIN_A_SESSION,
    Failure,
)
from nodes import Nodes
from scene import Ask, Folder, Remains, control_groups, fail, kill, prepared, remove_groups, stopped, victims
from support import below, gone, shared_memory

from openhands_ray import Settings
from openhands_ray.worker.sandbox import sandbox_problem

if TYPE_CHECKING:
    from conftest import MakeRuntime

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem())),
]


def each(failures: list[Failure]) -> pytest.MarkDecorator:
    params = [pytest.param(one, id=one.id, marks=[pytest.mark.long] if one.long else []) for one in failures]
    return pytest.mark.parametrize("failure", params)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.close()


def outcome(ask: Ask, failure: Failure, folder: Folder, killing: Callable[[], None]) -> None:
    """Inject the failure into the session; AssertionError where anything is not as the table says."""
    prepared(ask, failure)
    answer = fail(ask, failure, folder, killing)
    assert (answer.kind, failure.says in answer.text) == (failure.sees, True), answer
    if failure.victim == "shell" and failure.moment in (COPY_TO, COPY_FROM):  # which that of the copy does not need
        assert "before this command, which was not run" in ask("act", name="CmdRunAction", command="true").text
    after = ask("act", name="CmdRunAction", command="echo ran >> data/after; cat acknowledged large | wc -c")
    assert folder.runs == failure.ran
    assert (folder.path / "acknowledged").read_text() == "written\n"
    if failure.then:
        assert after.kind == failure.then, after
        assert not (folder.path / "after").exists()
    else:
        copied = COPIED_BYTES if failure.moment in (COPY_TO, COPY_FROM) else 0
        assert f"{copied + len('written\n')}\n" in after.text, after


@pytest.fixture(scope="module")
def cluster(make_runtime: MakeRuntime) -> Path:
    """Have the cluster of the suite there, and return its folder."""
    from openhands_ray import cluster

    make_runtime(settings=Settings(warm_sessions=0)).close()
    return Path(str(getattr(cluster.current(), "_temp_dir", None)))


@each(WITHIN_A_SESSION)
def test_what_fails_in_a_session_or_around_it(
    make_runtime: MakeRuntime, cluster: Path, folder: Folder, failure: Failure
) -> None:
    from openhands.core.config import OpenHandsConfig
    from openhands.runtime.plugins import JupyterRequirement

    config = OpenHandsConfig(enable_browser=True)
    config.sandbox.volumes = f"{folder.path}:/workspace/data:rw"
    remains = Remains(cluster)
    plugins = [JupyterRequirement()] if failure.victim == "kernel" else []
    runtime = make_runtime(config=config, plugins=plugins, settings=Settings(isolation="sandbox", warm_sessions=0))
    caller = Caller(runtime, folder.path)
    processes = [psutil.Process(caller.info()["pid"]), *below(caller.info()["executor_pid"])]

    outcome(_asking(caller), failure, folder, lambda: kill(victims(failure.victim, caller.info())))

    assert caller.close().kind == "NoneType"
    assert gone(processes)
    remains.assert_none_new()
    assert not shared_memory({process.pid for process in processes})


def _asking(caller: Caller) -> Ask:
    return lambda method, **args: getattr(caller, method)(**args)


class Session:
    """A session of a program."""

    def __init__(self, program: Program, sid: str, folder: Folder, **settings: Any) -> None:
        self.program, self.sid = program, sid
        opened = program.ask(sid, "open", folder=str(folder.path), isolation="sandbox", warm_sessions=0, **settings)
        assert opened.kind == "NoneType", opened
        self.info: dict[str, Any] = self.ask("info")
        self.processes = [psutil.Process(self.info["pid"]), *below(self.info["executor_pid"])]

    def ask(self, method: str, **args: Any) -> Any:
        return self.program.ask(self.sid, method, **args)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    nodes.add(num_cpus=1, resources={"head": 1})
    yield nodes
    nodes.close()


@pytest.fixture(scope="module")
def attached(nodes: Nodes) -> Iterator[Program]:
    """A program on the head of a cluster, whose other nodes fail."""
    program = Program(RAY_ADDRESS=nodes.address)
    yield program
    assert program.end() == 0


@each(OF_A_NODE)
def test_what_fails_of_another_node(nodes: Nodes, attached: Program, folder: Folder, failure: Failure) -> None:
    host = nodes.add(resources={failure.id: 1})
    others = Remains(*(each for each in nodes.folder.iterdir() if each.name != host.rpartition(".")[2]))
    beside = Session(attached, f"beside {failure.id}", folder, session_resources="head=0.01")
    beside.ask("act", name="FileWriteAction", path="/workspace/acknowledged", content="beside")
    groups = control_groups()
    session = Session(attached, failure.id, folder, session_resources=f"{failure.id}=1")
    node = nodes.processes_of(host)
    victim = [each for each in node if each.name() == "raylet"] if failure.victim.startswith("raylet") else node

    def killing() -> None:
        kill(victim)
        assert gone(session.processes)

    with stopped(victim) if failure.victim == SILENT_NODE else nullcontext(killing) as failing:
        outcome(session.ask, failure, folder, failing)

    assert "beside" in beside.ask("act", name="FileReadAction", path="/workspace/acknowledged").text
    for each in (session, beside):
        assert each.ask("close").kind == "NoneType"
        assert gone(each.processes)
    assert gone(node)  # what is left of Ray on it, too
    assert folder.runs <= 1  # what had been sent to a node that goes on
    if failure.victim == KILLED_NODE:
        remove_groups(control_groups() - groups)
    others.assert_none_new()
    if victim != node:
        assert list((nodes.folder / host.rpartition(".")[2]).glob("openhands-ray-*/sessions/*")) == []


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    """A temporary folder with a short path, since Ray makes sockets in it."""
    with tempfile.TemporaryDirectory(prefix="ohr-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def program(temporary: Path) -> Iterator[Program]:
    """A program whose private cluster fails, again and again."""
    program = Program(TMPDIR=str(temporary))
    yield program
    assert program.end() == 0
    assert list(temporary.glob("openhands-ray-*")) == []


@each(OF_A_PRIVATE_CLUSTER)
def test_what_fails_of_a_private_cluster(program: Program, temporary: Path, folder: Folder, failure: Failure) -> None:
    session = Session(program, failure.id, folder)
    cluster = psutil.Process(program.process.pid).children(recursive=True)
    named = {"raylet": "raylet", "GCS": "gcs_server", "watchdog": "watchdog.py"}[failure.victim.split()[0]]
    victim = [each for each in cluster if named == each.name() or named in " ".join(each.cmdline()[3:5])]

    def killing() -> None:
        kill(victim)
        if failure.moment == ACTION:  # else it is done before the rest of the cluster has gone
            assert gone(session.processes)

    outcome(session.ask, failure, folder, killing)

    assert session.ask("close").kind == "NoneType"
    another = Session(program, f"after {failure.id}", folder)
    assert "works" in another.ask("act", name="CmdRunAction", command="echo works").text
    assert another.ask("close").kind == "NoneType"
    assert gone(cluster)
    assert not shared_memory({process.pid for process in cluster})
    (new,) = temporary.glob("openhands-ray-*")
    assert list(new.glob("openhands-ray-*/sessions/*")) == []


@each(OF_A_LASTING_CLUSTER)
def test_what_fails_of_a_cluster_that_is_attached_to(folder: Folder, failure: Failure) -> None:
    nodes = Nodes()
    nodes.add(num_cpus=1)
    cluster = nodes.processes()
    program = Program(RAY_ADDRESS=nodes.address)
    session = Session(program, failure.id, folder)

    def killing() -> None:
        kill([each for each in cluster if each.name() == "gcs_server"])
        assert gone(session.processes)

    outcome(session.ask, failure, folder, killing)

    assert session.ask("close").kind == "NoneType"
    refused = program.ask("another", "open", folder=str(folder.path))
    assert (refused.kind, "cannot be reached" in refused.text) == ("AgentRuntimeUnavailableError", True)
    assert program.end() == 0
    assert gone([*cluster, *session.processes])
    assert list(nodes.folder.glob("*/*")) == []
    nodes.close()


@each(OF_THE_DRIVER)
def test_what_is_left_of_a_driver(nodes: Nodes, temporary: Path, folder: Folder, failure: Failure) -> None:
    attached = "attached" in failure.victim
    remains = Remains(temporary, nodes.folder)
    program = Program(TMPDIR=str(temporary), **({"RAY_ADDRESS": nodes.address} if attached else {}))
    session = Session(program, failure.id, folder)
    processes = [*psutil.Process(program.process.pid).children(recursive=True), *session.processes]

    with pytest.raises(AssertionError, match="the program has ended: -9"):
        outcome(session.ask, failure, folder, lambda: kill([psutil.Process(program.process.pid)]))

    assert folder.runs == failure.ran
    assert (folder.path / "acknowledged").read_text() == "written\n"
    assert gone(processes, failure.within_s)
    remains.assert_none_new()
    assert not shared_memory({process.pid for process in processes})


def test_the_page_of_failures_is_that_of_the_table() -> None:
    assert failures_page.PAGE.read_text("utf-8") == failures_page.page(), (
        "make it anew: python tests/failures/failures_page.py"
    )


def test_no_failure_stands_twice_in_the_table() -> None:
    ids = [failure.id for failure in MATRIX]
    assert len(ids) == len(set(ids))
