"""Numbers for people."""

from __future__ import annotations


def size(bytes_: float | None) -> str:
    """Return bytes in the unit that suits them, as powers of ten."""
    if bytes_ is None:
        return "-"
    return f"{bytes_ / 1e9:.1f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:.0f} MB"


def span(seconds: float | None) -> str:
    """Return a time span in its two largest units."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def plural(count: int, noun: str) -> str:
    """Return the count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
