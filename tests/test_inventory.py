"""All sessions of a cluster, and those that end when nobody uses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from support import gone

from openhands_ray import inventory
from openhands_ray.config import Settings
from openhands_ray.errors import SessionLostError, SessionNotFoundError
from openhands_ray.inventory import SessionRow
from openhands_ray.session import Session, _pools

SPEC: dict[str, Any] = {
    "workspace": "/workspace",
    "isolation": None,
    "volumes": [],
    "environment": {"INVENTORY": "test"},
    "no_change_timeout_s": 10,
    "kernel": False,
}
COLD = Settings(warm_sessions=0)


@pytest.fixture(autouse=True)
def cluster(make_runtime: Any) -> Iterator[None]:
    make_runtime()  # the suite's cluster
    yield
    for pool in _pools.values():
        for warm in pool.drain():
            Session("", warm.name, warm.actor).close()


def row(sid: str) -> SessionRow:
    return next(each for each in inventory.sessions() if each.sid == sid)


def run(session: Session, command: str) -> str:
    observation = session.act({"action": "run", "args": {"command": command}, "timeout": 20}, 30)
    return str(observation["content"])


def test_what_a_session_is_doing() -> None:
    session = Session.create("seen", SPEC, COLD)
    fresh = row("seen")
    assert (fresh.state, fresh.action, fresh.from_pool, fresh.kept) == ("idle", None, False, False)
    assert fresh.memory_bytes is not None
    assert 10e6 < fresh.memory_bytes < 200e6
    run(session, "echo " + "x" * 10_000)
    session.request("list", 10, path=None)
    used = row("seen")
    assert (used.action, used.actions, used.node) == ("run", 1, fresh.node)
    assert fresh.age_s is not None
    assert used.age_s is not None
    assert used.age_s > fresh.age_s
    session.request("pause", 10)
    assert row("seen").state == "paused"
    session.request("resume", 10)
    assert row("seen").state == "idle"
    session.close()
    assert all(each.sid != "seen" for each in inventory.sessions())


def test_a_running_action_is_seen_while_it_runs() -> None:
    import ray

    from openhands_ray import wire

    session = Session.create("busy", SPEC, COLD)
    action = {"action": "run", "args": {"command": "read line"}, "timeout": 20}
    running = session._actor.act.remote(wire.pack(action))
    while row("busy").state != "running":
        pass
    assert row("busy").idle_s == 0
    session._actor.close.remote()
    with pytest.raises(ray.exceptions.RayTaskError):
        ray.get(running)
    session.close()


def test_a_session_from_the_pool() -> None:
    settings = Settings(warm_sessions=1)
    first = Session.create("asked", SPEC, settings)
    while not (warm := [each for each in inventory.sessions() if each.state == "warm"]):
        pass
    assert [(each.sid, each.from_pool) for each in warm] == [(None, True)]
    second = Session.create("taken", SPEC, settings)
    assert (row("asked").from_pool, row("taken").from_pool, row("taken").state) == (False, True, "idle")
    first.close()
    second.close()


def test_a_kept_session_ends_when_it_has_been_idle_for_too_long() -> None:
    settings = Settings(idle_limit_s=3.0, warm_sessions=0)
    owned = Session.create("owned", SPEC, settings)
    kept = Session.create("kept", SPEC, settings, keep=True)
    processes = [psutil.Process(kept.info[name]) for name in ("pid", "executor_pid")]
    assert run(kept, "sleep 4; echo $INVENTORY") == "test"  # longer than the limit: an action is not idle
    assert row("kept").kept
    assert gone(processes)
    with pytest.raises(SessionLostError):
        run(kept, "echo late")
    with pytest.raises(SessionNotFoundError):
        Session.attach("kept", settings)
    assert run(owned, "echo here") == "here"  # it ends with this process, and not before
    owned.close()
