"""A small line of values over the commits, as SVG that needs no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

_WIDTH, _HEIGHT, _MARGIN = 180.0, 36.0, 4.0

#: More points than pixels are not drawn; of those that share a place, the largest is.
_MOST_POINTS = 120


def sparkline(values: Sequence[float | None], budget: float, description: str) -> str:
    """Returns the picture; it reaches from zero to the largest value, or to the budget where that is near.

    Args:
        values: in order of date; None is a gap.
        budget: drawn as a dashed line where it is in the picture; what is above it is marked.
        description: for those who do not see it, and as its tooltip.
    """
    points = _thinned(values)
    largest = max((value for value in points if value is not None), default=0.0)
    top = budget if largest <= budget <= 2.5 * largest else largest
    scale = (_HEIGHT - 2 * _MARGIN) / top if top > 0 else 0.0
    step = (_WIDTH - 2 * _MARGIN) / max(len(points) - 1, 1)

    def place(index: int, value: float) -> tuple[str, str]:
        return f"{_MARGIN + index * step:.1f}", f"{_HEIGHT - _MARGIN - value * scale:.1f}"

    lines = "".join(
        f'<polyline class="site-line" points="{" ".join(",".join(place(index, value)) for index, value in run)}"/>'
        for run in _runs(points)
        if len(run) > 1
    )
    marked = {index: value for index, value in enumerate(points) if value is not None and value > budget}
    alone = {run[0][0]: run[0][1] for run in _runs(points) if len(run) == 1}
    last = next(({i: v} for i, v in reversed(list(enumerate(points))) if v is not None), {})
    dots = "".join(
        '<circle class="{}" cx="{}" cy="{}" r="2.5"/>'.format(
            "site-above" if index in marked else "site-dot", *place(index, value)
        )
        for index, value in sorted((marked | alone | last).items())
    )
    limit = ""
    if budget <= top:
        _, y = place(0, budget)
        limit = f'<line class="site-limit" x1="0" x2="{_WIDTH:.0f}" y1="{y}" y2="{y}"/>'
    return (
        f'<svg class="site-spark" role="img" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" width="{_WIDTH:.0f}" '
        f'height="{_HEIGHT:.0f}"><title>{escape(description)}</title>{limit}{lines}{dots}</svg>'
    )


def _thinned(values: Sequence[float | None]) -> list[float | None]:
    if len(values) <= _MOST_POINTS:
        return list(values)
    edges = [round(index * len(values) / _MOST_POINTS) for index in range(_MOST_POINTS + 1)]
    groups = (values[start:end] for start, end in pairwise(edges))
    return [max((value for value in group if value is not None), default=None) for group in groups]


def _runs(points: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Returns the points between gaps, each with its index."""
    runs: list[list[tuple[int, float]]] = [[]]
    for index, value in enumerate(points):
        if value is not None:
            runs[-1].append((index, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
