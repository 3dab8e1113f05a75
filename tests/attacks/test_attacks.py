"""Every attack of the table is tried; where bubblewrap works, none of them is skipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import attacks_page
import pytest
from attack import Attack
from exhausting import EXHAUSTIONS, LIMITS, Exhaustion
from field import Field, Target, alive, comes_alive, prepared
from outliving import SURVIVORS, Survivor
from stealing import ATTACKS

from openhands_ray.worker.sandbox import sandbox_problem

if TYPE_CHECKING:
    from conftest import MakeRuntime

pytestmark = pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))


@pytest.fixture(scope="module")
def field(make_runtime: MakeRuntime) -> Iterator[Field]:
    with prepared(make_runtime) as field:
        yield field


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_what_is_not_the_sessions(field: Field, attack: Attack) -> None:
    secret = field.secret(attack.secret)
    if attack.outside:
        assert secret in field.outside(attack.outside), "the attack finds nothing, walls or not"

    seen = attack.attempt(field, field.attacker)

    if attack.secret:
        assert (secret in seen) is bool(attack.open_unless), seen
    if attack.open_unless:
        assert secret not in attack.attempt(field, field.cut_off)


def test_the_one_that_attacked_and_the_one_beside_it_go_on(field: Field) -> None:
    assert field.attacker.goes_on()
    assert field.victim.goes_on()


@pytest.fixture(scope="module")
def survivors(field: Field) -> dict[str, str]:
    """All that was to live on, in a session that has been closed: the marker of each, by its name."""
    target = field.another()
    groups = target.groups()
    files = {file.name for group in groups for file in group.iterdir()}  # one folder holds all in version 2
    assert "pids.max" in files
    assert files & {"memory.max", "memory.limit_in_bytes"}
    markers = {f"{each.name}, {each.through}": each.run(target) for each in SURVIVORS}
    assert [name for name, marker in markers.items() if not comes_alive(marker)] == [], "these did not even start"
    target.runtime.close()
    assert not target.root.exists()
    assert not any(group.exists() for group in groups)
    return markers


@pytest.mark.parametrize("survivor", SURVIVORS, ids=lambda each: f"{each.name}, {each.through}")
def test_what_would_outlive_close(survivors: dict[str, str], survivor: Survivor) -> None:
    assert alive(survivors[f"{survivor.name}, {survivor.through}"]) == []


@pytest.fixture(scope="module")
def limited(field: Field) -> Target:
    return field.another(**LIMITS)


@pytest.mark.parametrize("exhaustion", EXHAUSTIONS, ids=lambda each: f"{each.name}, {each.through}")
def test_what_would_use_up_the_node(field: Field, limited: Target, exhaustion: Exhaustion) -> None:
    assert exhaustion.said in exhaustion.attempt(limited)

    assert limited.goes_on()
    assert field.victim.goes_on()


def test_the_page_of_attacks_is_that_of_the_table() -> None:
    assert attacks_page.PAGE.read_text("utf-8") == attacks_page.page(), (
        "make it anew: python tests/attacks/attacks_page.py"
    )


def test_no_attack_stands_twice_in_the_table() -> None:
    rows = attacks_page.rows()
    assert len(rows) == len(set(rows))
