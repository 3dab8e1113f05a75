"""The arguments of an action, which may be of any type: a language model or a file made them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text_argument(args: Mapping[str, Any], name: str) -> str:
    """Return the argument ``name``.

    Raises:
        TypeError: it is no text, or is not there.
    """
    value = args.get(name)
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be a string, not {type(value).__name__}.")
    return value
