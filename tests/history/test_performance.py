"""The page of how fast the runtime is, from results that asv would have stored."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from openhands_ray.history import performance
from openhands_ray.history.performance import ROWS, page
from openhands_ray.history.results import Measurement, Series, Snapshot

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def snapshot(values: dict[str, float | None]) -> Snapshot:
    measurements = {}
    for name, value in values.items():
        unit = "MB" if name.startswith("resources") else "seconds"
        measurements[name] = Measurement(name.split("(")[0], "", name, unit, value)
    return Snapshot("abcdef1234567890", datetime(2024, 1, 1, tzinfo=UTC), Series("m", "e"), measurements)


def line(values: dict[str, float | None], operation: str) -> list[str]:
    (found,) = [each for each in page(snapshot(values)).splitlines() if each.startswith(f"| {operation} |")]
    return [cell.strip() for cell in found.split("|")[1:-1]]


PAIR = "simple command / bare actor call"


@pytest.mark.parametrize(("ours", "reached"), [(0.0019, "yes"), (0.0021, "**no**")])
def test_an_operation_beside_its_reference_and_its_peers(ours: float, reached: str) -> None:
    values = {
        f"ratios.Ratio.track_ours('{PAIR}')": ours,
        f"ratios.Ratio.track_reference('{PAIR}')": 0.001,
        "peers.Peer.track_seconds('LocalRuntime', 'simple command')": 0.62,
        "peers.Peer.track_seconds('CLIRuntime', 'simple command')": None,
    }
    cells = line(values, "simple command")
    assert cells[3:] == [f"{ours / 0.001:.2f}", "≤ 2 times", reached, "620ms", ""]


def test_what_was_not_measured_is_not_said_to_be_reached() -> None:
    assert line({}, "file edit")[1:] == ["", "", "", "≤ 1.5 times", "?", "", ""]


def test_memory_is_in_its_own_unit() -> None:
    cells = line({"resources.Memory.track_cluster": 163.4}, "Ray's own processes, unique memory")
    assert cells[1:] == ["163 MB", "", "", "≤ 200 MB", "yes", "", ""]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.operation))
def test_each_row_names_benchmarks_that_are_there(row: performance.Row) -> None:
    for name in filter(None, (row.ours, row.reference)):
        module, _, rest = name.partition(".")
        source = (BENCHMARKS / f"{module}.py").read_text("utf-8")
        cls, _, method = rest.split("(")[0].partition(".")
        assert f"class {cls}" in source
        assert f"def {method}(" in source
        if "'" in name:
            quoted = f'"{name.split(chr(39))[1]}"'  # pairs have a module of their own
            assert quoted in source + (BENCHMARKS / "pairs.py").read_text("utf-8")
