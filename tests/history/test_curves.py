"""The plots of how cost grows, from results that asv would have stored."""

from __future__ import annotations

import math
import xml.etree.ElementTree as tree
from datetime import UTC, datetime
from pathlib import Path

from openhands_ray.history.curves import CURVES, draw, points
from openhands_ray.history.results import Measurement, Series, Snapshot

LINES = "growth.Output.track_lines"
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def snapshot(benchmark: str, unit: str, values: dict[str, float | None]) -> Snapshot:
    found = [Measurement(benchmark, f"({parameter})", "", unit, value) for parameter, value in values.items()]
    measurements = {each.name: each for each in found}
    return Snapshot("abcdef12", datetime(2024, 1, 1, tzinfo=UTC), Series("m", "e"), measurements)


def test_points_are_in_order_and_in_milliseconds() -> None:
    found = points(snapshot(LINES, "seconds", {"100": 0.2, "1": 0.1, "10": None, "1000": math.nan}), LINES)
    assert found == [(1, 100), (100, 200)]


def test_megabytes_stay_what_they_are() -> None:
    assert points(snapshot(LINES, "MB", {"4": 61.0}), LINES) == [(4, 61)]


def test_the_same_results_give_the_same_picture(tmp_path: Path) -> None:
    results = snapshot(LINES, "seconds", {"1": 0.001, "100": 0.002})
    for name in ("one.svg", "two.svg"):
        draw(results, tmp_path / name)

    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    texts = {element.text for element in tree.parse(tmp_path / "one.svg").iter("{http://www.w3.org/2000/svg}text")}
    assert {curve.title for curve in CURVES} <= texts


def test_each_line_is_a_benchmark_that_is_there() -> None:
    for curve in CURVES:
        for benchmark in curve.lines.values():
            module, cls, method = benchmark.split(".")
            source = (BENCHMARKS / f"{module}.py").read_text("utf-8")
            assert f"class {cls}" in source
            assert f"def {method}(" in source
