from __future__ import annotations

import pytest

from openhands_ray.history.regressions import Jump, Step, graph_link, jumps, noise


def levels(*runs: tuple[int, float]) -> list[Step]:
    """Returns steps as asv fits them: of each, for how many revisions it lasts, and its level."""
    steps: list[Step] = []
    for length, level in runs:
        left = steps[-1][1] if steps else 0
        steps.append((left, left + length, level, level, 0.01 * level))
    return steps


def test_a_step_up_that_lasts_is_one() -> None:
    assert jumps(levels((5, 1.0), (5, 2.0)), 0.4) == [Jump(4, 5, 1.0, 2.0)]


@pytest.mark.parametrize("steps", [[], levels((9, 1.0)), levels((5, 2.0), (5, 1.0)), levels((5, 1.0), (5, 1.3))])
def test_no_step_a_step_down_and_a_tolerated_one_are_none(steps: list[Step]) -> None:
    assert jumps(steps, 0.4) == []


def test_one_that_went_away_has_recovered() -> None:
    assert jumps(levels((5, 1.0), (5, 2.0), (5, 1.0)), 0.4) == [Jump(4, 5, 1.0, 2.0, recovered=10)]


def test_one_that_went_away_in_part_lasts() -> None:
    assert jumps(levels((5, 1.0), (5, 3.0), (5, 1.8)), 0.4) == [Jump(4, 5, 1.0, 1.8)]


def test_a_single_result_that_went_astray_is_none() -> None:
    assert jumps(levels((5, 1.0), (1, 9.0), (5, 1.0)), 0.4) == []


def test_one_may_come_after_another_that_recovered() -> None:
    found = jumps(levels((5, 1.0), (5, 2.0), (5, 1.0), (5, 3.0)), 0.4)

    assert found == [Jump(4, 5, 1.0, 2.0, recovered=10), Jump(14, 15, 1.0, 3.0)]


def test_two_in_a_row_are_two() -> None:
    assert jumps(levels((5, 1.0), (5, 2.0), (5, 4.0)), 0.4) == [Jump(4, 5, 1.0, 2.0), Jump(9, 10, 2.0, 4.0)]


def test_the_noise_is_relative_to_the_level_and_longer_levels_count_more() -> None:
    assert noise([(0, 3, 1.0, 1.0, 0.1), (3, 4, 10.0, 9.0, 5.0)]) == pytest.approx(0.2)
    assert noise([(0, 3, 0.0, 0.0, 0.0)]) is None


def test_a_link_leads_to_a_graph_in_asv_s_way() -> None:
    link = graph_link("a.B.time_c", {"p-x": ["'a b'", "2"], "commits": "abc"})

    assert link == "#a.B.time_c?p-x=%27a%20b%27&p-x=2&commits=abc"
