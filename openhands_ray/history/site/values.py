"""How values are written on our pages; ``site.js`` writes them the same way on asv's."""

from __future__ import annotations

import math

_SECONDS = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
_SCALES = {"seconds": _SECONDS, "bytes": _BYTES}

#: What stands where there is no value: an en dash.
NO_VALUE = "\u2013"

#: Units that say nothing beside the number.
_PLAIN = ("", "unit", "ratio")


def human(value: float | None, unit: str) -> str:
    """Returns a value with three significant digits and its unit; an en dash where there is none.

    Args:
        value: in that unit; NaN is none.
        unit: asv's name of the unit.
    """
    if value is None or math.isnan(value):
        return NO_VALUE
    if unit not in _SCALES:
        return three_digits(value) if unit in _PLAIN else f"{three_digits(value)} {unit}"
    scale = _SCALES[unit]
    size, name = next(((size, name) for size, name in scale if abs(value) >= size * 0.9995), scale[-1])
    return f"{three_digits(value / size)} {name}"


def limit(budget: float, unit: str, *, inclusive: bool) -> str:
    """Returns a budget, and whether it may be reached."""
    number, _, name = human(budget, unit).partition(" ")
    rounded = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{'≤' if inclusive else '<'} {rounded} {name}".rstrip()


def three_digits(value: float) -> str:
    """Returns at least three significant digits, all of those before the point, and no exponent."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    digits = 2 - math.floor(math.log10(abs(rounded)))
    return f"{value:.{min(max(digits, 0), 12)}f}"


def percentage(share: float) -> str:
    """Returns a share of one in per cent, without a digit that says nothing."""
    percent = share * 100
    if percent == 0 or abs(percent) >= 10:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if abs(percent) >= 0.1 else f"{math.copysign(0.1, percent):.1f} %".replace("0.1", "<0.1")
