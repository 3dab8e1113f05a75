"""What the pages of the site are made of."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from openhands_ray.history.site.sparkline import sparkline
from openhands_ray.history.site.values import human, limit, percentage, three_digits


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00234, "seconds", "2.34 ms"),
        (0.9999, "seconds", "1.00 s"),
        (31.0, "seconds", "31.0 s"),
        (90.0, "seconds", "1.50 min"),
        (4e-10, "seconds", "0.400 ns"),
        (0, "seconds", "0 ns"),
        (48_200, "bytes", "48.2 kB"),
        (12, "bytes", "12.0 B"),
        (1.432, "ratio", "1.43"),
        (1234.5, "MB", "1234 MB"),
        (0, "%", "0 %"),
        (None, "seconds", "\u2013"),
        (float("nan"), "MB", "\u2013"),
    ],
)
def test_values_have_three_digits_and_a_unit_that_fits(value: float | None, unit: str, text: str) -> None:
    assert human(value, unit) == text


def test_no_digit_before_the_point_is_lost() -> None:
    assert three_digits(123456.7) == "123457"
    assert three_digits(-0.0123456) == "-0.0123"


def test_a_budget_has_no_digits_that_say_nothing() -> None:
    assert limit(10.0, "seconds", inclusive=False) == "< 10 s"
    assert limit(0.5, "seconds", inclusive=False) == "< 500 ms"
    assert limit(200.0, "MB", inclusive=False) == "< 200 MB"
    assert limit(0.0, "%", inclusive=True) == "≤ 0 %"


def test_shares_are_short_and_never_a_false_zero() -> None:
    assert [percentage(each) for each in (0, 0.0001, 0.019, 0.391, 1.06)] == ["0 %", "<0.1 %", "1.9 %", "39 %", "106 %"]


def drawn(*values: float | None, budget: float = 10.0) -> ET.Element:
    return ET.fromstring(sparkline(values, budget, "a <b> & c"))


def test_a_sparkline_says_what_it_shows() -> None:
    assert drawn(1.0, 2.0).findtext("title") == "a <b> & c"


def test_the_line_breaks_where_there_is_no_value() -> None:
    assert len(drawn(1.0, 2.0, None, 3.0, 4.0).findall("polyline")) == 2
    assert len(drawn(None, 1.0, None, 2.0, 3.0).findall("circle")) == 2  # the one that stands alone, and the newest


def test_what_is_above_the_budget_is_marked() -> None:
    picture = drawn(9.0, 11.0, 12.0)

    assert [each.get("class") for each in picture.findall("circle")] == ["site-above", "site-above"]
    assert picture.find("line") is not None


def test_a_budget_that_is_far_away_does_not_flatten_the_line() -> None:
    picture = drawn(1.0, 2.0)

    assert picture.find("line") is None
    line = picture.find("polyline")
    assert line is not None
    heights = [float(y) for y in re.findall(r",([\d.]+)", line.attrib["points"])]
    assert heights == [18.0, 4.0]


def test_nothing_is_drawn_of_nothing() -> None:
    assert drawn(None, None).findall("polyline") == []
    assert drawn().findall("circle") == []


def test_a_long_history_keeps_its_peaks() -> None:
    values = [1.0] * 1000
    values[617] = 11.0

    picture = drawn(*values)

    line = picture.find("polyline")
    assert line is not None
    assert line.attrib["points"].count(",") == 120
    assert len([each for each in picture.findall("circle") if each.get("class") == "site-above"]) == 1
