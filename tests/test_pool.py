"""Warm sessions: the counting, and real ones on the suite's cluster."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from support import gone

from openhands_ray import pool, registry
from openhands_ray.config import Settings
from openhands_ray.errors import SessionExistsError, SessionNotFoundError
from openhands_ray.pool import Pool, Started
from openhands_ray.session import Session, _pool, _pools


class Starter:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> Started:
        self.count += 1
        return Started(f"actor-{self.count}", None)


def test_by_default_one_is_kept_from_the_second_on() -> None:
    start = Starter()
    warm = Pool(start, None)
    assert warm.take() is None
    warm.fill()
    assert start.count == 0
    assert warm.take() is None
    warm.fill()
    warm.fill()
    assert start.count == 1


def test_each_is_given_away_once() -> None:
    warm = Pool(Starter(), 3)
    warm.fill()
    first = [warm.take() for _ in range(4)]
    assert [each.name if each else None for each in first] == ["actor-1", "actor-2", "actor-3", None]
    warm.fill()
    assert [each.name for each in warm.drain()] == ["actor-4", "actor-5", "actor-6"]
    assert warm.take() is None


@pytest.mark.parametrize("size", [0, 2])
def test_none_is_started_beyond_the_memory(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    start = Starter()
    warm = Pool(start, size)
    monkeypatch.setattr(pool, "FREE_MEMORY", 1.0)
    warm.fill()
    assert start.count == 0


def test_none_is_started_where_the_cluster_has_no_room() -> None:
    start, room = Starter(), iter([True, False])
    warm = Pool(start, 3, lambda: next(room))
    warm.fill()
    assert start.count == 1


def test_they_are_kept_for_each_node() -> None:
    start, nodes = Starter(), iter([2, 3, 1])
    warm = Pool(start, 2, nodes=lambda: next(nodes))
    for started in (4, 6, 6):  # none is ended because a node has gone
        warm.fill()
        assert start.count == started


@pytest.mark.parametrize("size", [0, None])
def test_nodes_are_not_counted_for_nothing(size: int | None) -> None:
    def count() -> int:
        raise AssertionError

    start = Starter()
    warm = Pool(start, size, nodes=count)
    for _ in range(2):
        warm.take()
        warm.fill()
    assert start.count == (size is None)


SPEC: dict[str, Any] = {
    "workspace": "/workspace",
    "isolation": None,
    "volumes": [],
    "environment": {"POOL": "test"},
    "no_change_timeout_s": 10,
    "kernel": False,
}
SETTINGS = Settings(warm_sessions=1)
NUMBERS = itertools.count()


@pytest.fixture
def names(make_runtime: Any) -> Iterator[Iterator[str]]:
    make_runtime()  # the suite's cluster
    yield (f"pool-{number}" for number in NUMBERS)
    for each in _pools.values():
        for warm in each.drain():
            registry.claim("leftover", warm.name)
            Session("leftover", warm.name, warm.actor).close()


def warm_one() -> Started:
    """Return the one that waits, when it is ready."""
    import ray

    (warm,) = _pool(SPEC, SETTINGS)._warm
    ray.get(warm.actor.info.remote())
    return warm


def said(session: Session, command: str) -> str:
    observation = session.act({"action": "run", "args": {"command": command}, "timeout": 20}, 30)
    return str(observation["content"])


def test_a_warm_session_is_taken_and_another_is_started(names: Iterator[str]) -> None:
    first = Session.create(next(names), SPEC, SETTINGS)
    warm = warm_one()
    second = Session.create(next(names), SPEC, SETTINGS)
    assert second._name == warm.name
    assert warm_one().name != warm.name
    assert said(first, "echo one > /tmp/f; echo $POOL") == "test"
    assert said(second, "cat /tmp/f; echo $POOL").splitlines()[-1] == "test"
    assert "No such file" in said(second, "cat /tmp/f")
    first.close()
    second.close()


def test_a_warm_session_that_has_died_is_not_given_away(names: Iterator[str]) -> None:
    import ray

    first = Session.create(next(names), SPEC, SETTINGS)
    warm = warm_one()
    actor = psutil.Process(ray.get(warm.actor.info.remote())["pid"])
    actor.kill()
    assert gone([actor])
    second = Session.create(next(names), SPEC, SETTINGS)
    assert second._name != warm.name
    assert said(second, "echo alive") == "alive"
    first.close()
    second.close()


def test_what_differs_from_the_warm_one_is_started_anew(names: Iterator[str]) -> None:
    first = Session.create(next(names), SPEC, SETTINGS)
    warm = warm_one()
    other = Session.create(next(names), {**SPEC, "environment": {"POOL": "other"}}, Settings(warm_sessions=0))
    assert other._name != warm.name
    assert said(other, "echo $POOL") == "other"
    first.close()
    other.close()


def test_an_id_is_taken_as_long_as_its_session_lives(names: Iterator[str]) -> None:
    sid, settings = next(names), Settings(warm_sessions=0)
    first = Session.create(sid, SPEC, settings)
    with pytest.raises(SessionExistsError, match="already"):
        Session.create(sid, SPEC, settings)
    assert said(first, "echo unharmed") == "unharmed"
    assert Session.attach(sid, settings).info["pid"] == first.info["pid"]
    first.close()
    with pytest.raises(SessionNotFoundError):
        Session.attach(sid, settings)
    again = Session.create(sid, SPEC, settings)
    actor = psutil.Process(again.info["pid"])
    actor.kill()
    assert gone([actor])
    third = Session.create(sid, SPEC, settings)
    assert said(third, "echo new") == "new"
    again.close()
    assert Session.attach(sid, settings).info["pid"] == third.info["pid"]
    third.close()
