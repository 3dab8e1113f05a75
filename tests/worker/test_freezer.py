"""A session that is stopped for a while, behind each kind of walls."""

from __future__ import annotations

import psutil
from support import LocalSession

from openhands_ray import wire


def executor(session: LocalSession) -> psutil.Process:
    started = psutil.Process(session.actor.info()["executor_pid"])
    inside = [started, *started.children(recursive=True)]
    return [each for each in inside if each.cmdline()[1:2] == ["-I"]][-1]


def states(session: LocalSession) -> set[str]:
    return {each.status() for each in executor(session).children(recursive=True)}


def test_all_processes_stop_and_go_on(isolation: str) -> None:
    session = LocalSession(isolation, no_change_timeout_s=0.2, kernel=True)
    session.run("(setsid sleep 1000 &); v=1")
    session.act("run_ipython", code="v = 2")
    running = session.run("read -r line; echo got $line")
    assert running["extras"]["metadata"]["exit_code"] == -1
    for _ in range(2):
        assert session.control("pause") == {"result": None}
    assert states(session) == {psutil.STATUS_STOPPED}
    request = wire.pack({"action": "run", "args": {"command": "v=3"}, "timeout": 5})
    assert wire.unpack(session.actor.act(request)) == {"paused": True}
    assert session.control("list", path="/workspace")["result"] == []
    for _ in range(2):
        assert session.control("resume") == {"result": None}
    assert psutil.STATUS_STOPPED not in states(session)
    answer = session.run("word", is_input=True)
    assert (answer["content"], answer["extras"]["metadata"]["exit_code"]) == ("got word", 0)
    assert session.output("echo $v") == "1"
    assert session.act("run_ipython", code="v")["content"].startswith("2\n")
    session.close()
