"""Where sessions go: what they ask for, and real clusters of several nodes."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from nodes import Driver, Nodes

from openhands_ray.config import Settings
from openhands_ray.placement import Needs, Node, described

pytestmark = pytest.mark.alone  # what is told depends on how soon a node is free again

GIB = 2**30


def node(number: int = 1, **options: Any) -> Node:
    total = {"CPU": 4.0, "memory": 8.0 * GIB, "slot": 2.0}
    fields = {"total": total, "free": {"CPU": 1.0, "memory": 6.0 * GIB}, "labels": {"zone": "a"}, **options}
    return Node(f"{number}", f"10.0.0.{number}", f"host-{number}", **fields)


def needs(**settings: Any) -> Needs:
    return Needs.of(Settings(**settings))


def test_what_the_settings_ask_for() -> None:
    asked = needs(
        session_cpus=0.5, session_memory_bytes=GIB, session_resources="slot=1, disk=0.5", session_labels="zone=a"
    )
    assert asked == Needs({"CPU": 0.5, "memory": GIB, "slot": 1, "disk": 0.5}, {"zone": "a"})
    assert str(asked) == "0.5 CPUs and 1.00 GiB of memory and 1 slot and 0.5 disk on one node with the labels zone=a"
    assert needs() == Needs({}, {})


@pytest.mark.parametrize(
    ("settings", "could", "now"),
    [
        ({}, True, True),
        ({"session_cpus": 1}, True, True),
        ({"session_cpus": 2}, True, False),
        ({"session_cpus": 5}, False, False),
        ({"session_memory_bytes": 6 * GIB}, True, True),
        ({"session_memory_bytes": 7 * GIB}, True, False),
        ({"session_resources": "slot=1"}, True, False),
        ({"session_resources": "unknown=1"}, False, False),
        ({"session_labels": "zone=a"}, True, True),
        ({"session_labels": "zone=b"}, False, False),
    ],
)
def test_what_fits(settings: dict[str, Any], could: bool, now: bool) -> None:
    asked = needs(**settings)
    assert (asked.could_fit(node()), asked.fit(node())) == (could, now)


def test_what_is_told_of_a_cluster() -> None:
    asked = needs(session_cpus=2, session_labels="zone=b")
    assert described(asked, []) == "the cluster has no node"
    assert described(asked, [node()]) == "of 1 node, 10.0.0.1 has 1 of 4 CPUs free, not the label zone=b"
    many = described(asked, [node(number) for number in range(6)])
    assert many.startswith("of 6 nodes, 10.0.0.0 has")
    assert many.endswith("; 2 more")


def test_sessions_are_spread_and_each_is_where_its_needs_are_met(driver: Driver) -> None:
    spread = [driver.create(f"spread-{number}") for number in range(6)]
    assert Counter(spread) == {HEAD: 2, PLAIN: 2, SPECIAL: 2}
    packed = [driver.create(f"packed-{number}", session_cpus=1.0, placement="pack") for number in range(4)]
    assert sorted(Counter(packed).values()) == [2, 2]  # of two CPUs each
    assert packed[0] == packed[1]
    assert driver.create("labelled", session_labels="zone=far") == SPECIAL
    assert driver.create("custom", session_resources="slot=1") == SPECIAL
    states = {row["sid"]: (row["state"], row["node"]) for row in driver.ask("rows")["rows"]}
    assert states["custom"] == ("idle", SPECIAL)
    assert len(states) == 12


def test_warm_sessions_are_kept_for_each_node_and_spread(driver: Driver) -> None:
    taken = [driver.create(f"warm-{number}", warm_sessions=2) for number in range(6)]
    assert Counter(taken) == {HEAD: 2, PLAIN: 2, SPECIAL: 2}
    assert warm_places(driver) == {HEAD: 2, PLAIN: 2, SPECIAL: 2}
    driver.ask("drain")
    assert driver.create("labelled", warm_sessions=1, session_labels="zone=far") == SPECIAL
    assert warm_places(driver) == {SPECIAL: 1}
    assert driver.create("taken", warm_sessions=1, session_labels="zone=far") == SPECIAL


def warm_places(driver: Driver) -> Counter[str]:
    """Wait until what was started ahead is warm; return how much of it each node has."""
    while {"pending", "silent"} & {row["state"] for row in driver.ask("rows")["rows"]}:
        pass
    rows = driver.ask("rows")["rows"]
    return Counter(row["node"] for row in rows if row["state"] == "warm")


def test_who_waits_hears_its_position_and_takes_what_becomes_free(driver: Driver) -> None:
    driver.create("holder", session_resources="slot=1")
    driver.tell("begin", sid="first", session_resources="slot=1")
    told = driver.hear()
    assert told["sid"] == "first"
    assert "waits for a place, 1 of 1. It asks for 1 slot on one node; of 3 nodes, " in told["told"]
    assert f"{SPECIAL} has 0 of 1 slot free" in told["told"]
    driver.tell("begin", sid="second", session_resources="slot=1")
    told = driver.hear()
    while told["sid"] == "first":  # that the queue is longer now
        told = driver.hear()
    assert "waits for a place, 2 of 2." in told["told"]
    driver.tell("close", sid="holder")
    one = next_created(driver)  # which of them, Ray decides
    driver.tell("close", sid=one["created"])
    other = next_created(driver)
    assert {one["created"], other["created"]} == {"first", "second"}
    assert {one["node"], other["node"]} == {SPECIAL}


def test_a_node_that_joins_is_used_by_who_waits(driver: Driver, nodes: Nodes) -> None:
    driver.tell("begin", sid="early", session_resources="late=1")
    assert "None of them is large enough" in driver.hear()["told"]
    joined = nodes.add(resources={"late": 1})
    assert next_created(driver) == {"created": "early", "node": joined}


def test_warm_sessions_are_kept_for_a_node_that_joins(driver: Driver, nodes: Nodes) -> None:
    driver.create("before", warm_sessions=1)
    kept = warm_places(driver).total()
    nodes.add()
    driver.create("after", warm_sessions=1)
    assert warm_places(driver).total() == kept + 1


def next_created(driver: Driver) -> dict[str, Any]:
    while "created" not in (answer := driver.hear()):
        assert "failed" not in answer
    return answer


def test_after_the_deadline_the_error_says_what_to_do_and_nothing_waits(driver: Driver) -> None:
    driver.tell("create", sid="late", session_cpus=64.0, session_memory_bytes=GIB, queue_timeout_s=2.5)
    assert "None of them is large enough" in driver.hear()["told"]
    failed = driver.hear()
    assert failed["failed"] == "PlacementError"
    for part in ("'late' found no place within", "asks for 64 CPUs and 1.00 GiB", "of 2 CPUs free", "queue_timeout_s"):
        assert part in failed["text"]
    assert driver.ask("rows") == {"rows": []}


def test_control_c_ends_the_wait_at_once(driver: Driver, nodes: Nodes) -> None:
    other = Driver(nodes.address)
    other.tell("create", sid="interrupted", session_cpus=64.0)
    assert "waits for a place" in other.hear()["told"]
    other.process.send_signal(signal.SIGINT)
    assert other.process.wait(9) != 0  # a session that is asked to close has ten seconds
    assert driver.ask("rows") == {"rows": []}


HEAD, PLAIN, SPECIAL = "127.0.0.2", "127.0.0.3", "127.0.0.4"


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    nodes.add(num_cpus=2)
    nodes.add(num_cpus=2)
    nodes.add(num_cpus=2, labels={"zone": "far"}, resources={"slot": 1})
    yield nodes
    nodes.close()


@pytest.fixture
def driver(nodes: Nodes) -> Iterator[Driver]:
    driver = Driver(nodes.address)
    yield driver
    driver.end()
