"""The evidence of a hunt as pictures: one for the terminal, one as an SVG file. Every run is a mark in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

from openhands_ray.history.check import format_value


@dataclass(frozen=True)
class Row:
    """The runs of one commit.

    Attributes:
        label: the short hash, and what the commit is in this hunt.
        values: of the runs, in the benchmark's unit.
        culprit: whether it is one of the suspects.
    """

    label: str
    values: tuple[float, ...]
    culprit: bool = False


def text_plot(rows: Sequence[Row], unit: str, width: int = 60) -> list[str]:
    """Draws each row as a line on one common axis.

    A mark is a run, a digit so many of them that fall together, and ``|`` the median.

    Args:
        rows: those without values are left out.
        unit: of the values.
        width: of the axis, in characters.
    """
    drawn = [row for row in rows if row.values]
    if not drawn:
        return []
    low, high = _range(drawn)
    margin = max(len(row.label) for row in drawn)

    def column(value: float) -> int:
        return round((value - low) / (high - low) * (width - 1))

    lines = []
    for row in drawn:
        cells = [" "] * width
        for at, count in Counter(map(column, row.values)).items():
            cells[at] = "." if count == 1 else str(min(count, 9))
        cells[column(median(row.values))] = "|"
        lines.append(f"{row.label:<{margin}} {''.join(cells)} {format_value(median(row.values), unit)}".rstrip())
    left, right = format_value(low, unit), format_value(high, unit)
    lines.append(f"{'':<{margin}} {left}{right:>{width - len(left)}}")
    return lines


_ROW_HEIGHT, _AXIS_HEIGHT, _LEFT, _RIGHT, _WIDTH = 28, 40, 230, 110, 900
_STYLE = (
    "text{font:13px sans-serif;fill:#222}.run{fill:#2a6fb0;fill-opacity:.55}.culprit .run{fill:#c0392b}"
    ".median{stroke:#222;stroke-width:2}.grid{stroke:#ddd}.title{font-weight:bold}"
    "rect{fill:#fff}@media(prefers-color-scheme:dark){rect{fill:#1b1b1b}text{fill:#ddd}.median{stroke:#eee}.grid{stroke:#444}}"
)


def svg_plot(rows: Sequence[Row], unit: str, title: str) -> str:
    """Draws each row as a strip of points, one for each run, and a line at the median.

    The suspects stand out by their colour and by their label.

    Args:
        rows: in the order of the commits.
        unit: of the values.
        title: what is shown.
    """
    drawn = [row for row in rows if row.values]
    low, high = _range(drawn) if drawn else (0.0, 1.0)
    height = _AXIS_HEIGHT * 2 + _ROW_HEIGHT * len(drawn)

    def x(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{height}"/><text class="title" x="12" y="24">{escape(title)}</text>',
    ]
    bottom = height - _AXIS_HEIGHT + 4
    for tick in (low + (high - low) * step / 4 for step in range(5)):
        parts.append(
            f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{_AXIS_HEIGHT - 4}" y2="{bottom}"/>'
        )
        parts.append(
            f'<text x="{x(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{escape(format_value(tick, unit))}</text>'
        )
    for number, row in enumerate(drawn):
        parts.append(_strip(row, _AXIS_HEIGHT + _ROW_HEIGHT * number + _ROW_HEIGHT / 2, x, unit))
    return "\n".join([*parts, "</svg>", ""])


def _strip(row: Row, y: float, x: Callable[[float], float], unit: str) -> str:
    middle = median(row.values)
    runs = "".join(
        # Runs of the same value are set one below the other, in three tracks.
        f'<circle class="run" cx="{x(value):.1f}" cy="{y + (number % 3 - 1) * 5:.1f}" r="3.5"/>'
        for number, value in enumerate(row.values)
    )
    return (
        f'<g class="{"culprit" if row.culprit else "other"}">'
        f'<text x="12" y="{y + 4:.1f}">{escape(row.label)}</text>{runs}'
        f'<line class="median" x1="{x(middle):.1f}" x2="{x(middle):.1f}" y1="{y - 10:.1f}" y2="{y + 10:.1f}"/>'
        f'<text x="{_WIDTH - _RIGHT + 16}" y="{y + 4:.1f}">{escape(format_value(middle, unit))}</text></g>'
    )


def _range(rows: Sequence[Row]) -> tuple[float, float]:
    """Returns the ends of the axis; never one and the same."""
    values = [value for row in rows for value in row.values]
    low, high = min(values), max(values)
    return (low, high) if low < high else (low - 0.5, high + 0.5)
