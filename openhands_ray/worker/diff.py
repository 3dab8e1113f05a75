"""The difference between two texts, as OpenHands' editor gives it: ``difflib``'s, to the character, and sooner."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

#: Lines from which on ``difflib`` leaves out those that come often, when it looks for what both texts have.
_MANY_LINES = 200


def diff(old: str, new: str, path: str) -> str:
    """Return the unified diff without context."""
    before, after = old.split("\n"), new.split("\n")
    replaced = _replaced(before, after)
    if replaced is None:
        found = list(difflib.unified_diff(before, after, path, path, n=0))
    else:
        start, removed, added = replaced
        ranges = f"-{_range(start, len(removed))} +{_range(start, len(added))}"
        found = [f"--- {path}", f"+++ {path}", f"@@ {ranges} @@"]
        found += [f"-{line}" for line in removed] + [f"+{line}" for line in added]
    return "\n".join(line.rstrip() for line in found)


def _replaced(before: Sequence[str], after: Sequence[str]) -> tuple[int, Sequence[str], Sequence[str]] | None:
    """Return where the texts differ, and the lines there of both; None where ``difflib`` may see it in another way.

    An edit replaces some lines by others and leaves what is before and after them. Where the lines that go are nowhere
    in the new text, and those that come nowhere in the old one, no match of ``difflib`` can reach over them, and the
    first of its longest matches lies in the same place of both. It finds the rest after a replaced part only by a line
    that does not come too often.
    """
    shorter = min(len(before), len(after))
    start = _common(before, after, shorter)
    tail = _common(reversed(before), reversed(after), shorter - start)
    removed, added = before[start : len(before) - tail], after[start : len(after) - tail]
    if not removed or not added:
        return None
    if not set(removed).isdisjoint(after) or not set(added).isdisjoint(before):
        return None
    rest = after[len(after) - tail :]
    if rest and len(after) >= _MANY_LINES:
        often, counts = len(after) // 100 + 1, Counter(after)
        if all(counts[line] > often for line in rest):
            return None
    return start, removed, added


def _common(first: Iterable[str], second: Iterable[str], most: int) -> int:
    """Return how many lines at the beginning are the same, and at most ``most``."""
    pairs = enumerate(islice(zip(first, second, strict=False), most))
    return next((number for number, (one, other) in pairs if one != other), most)


def _range(start: int, length: int) -> str:
    return f"{start + 1}" if length == 1 else f"{start + 1},{length}"
