"""Whatever is found sooner is what ``difflib`` finds."""

from __future__ import annotations

import difflib
from itertools import chain, product

from hypothesis import given
from hypothesis import strategies as st

from openhands_ray.worker.diff import _replaced, diff

#: Lines in a text from which on ``difflib`` leaves out what comes often.
MANY = 200


def by_difflib(old: str, new: str, path: str) -> str:
    lines = difflib.unified_diff(old.split("\n"), new.split("\n"), path, path, n=0)
    return "\n".join(line.rstrip() for line in lines)


def check(old: list[str], new: list[str]) -> None:
    texts = "\n".join(old), "\n".join(new)
    assert diff(*texts, "/a path ") == by_difflib(*texts, "/a path ")


def test_all_short_texts() -> None:
    texts = [list(lines) for length in range(5) for lines in product("ab\t", repeat=length)]
    for old, new in product(texts, repeat=2):
        check(old, new)


LINES = st.lists(st.sampled_from("abcdefgh"), max_size=8)
PART = st.one_of(
    st.lists(st.sampled_from(["", "}", "a", "b"]), max_size=12).map(lambda lines: lines * 12),
    st.integers(0, 60).map(lambda count: [f"line {number}" for number in range(count)]),
    st.lists(st.sampled_from("abc"), max_size=4),
)
PARTS = st.lists(PART, max_size=6).map(lambda parts: list(chain.from_iterable(parts)))


@given(LINES, LINES, LINES, LINES)
def test_a_part_that_is_replaced(before: list[str], old: list[str], new: list[str], after: list[str]) -> None:
    check(before + old + after, before + new + after)


@given(PARTS, LINES, LINES, PARTS)
def test_a_part_of_many_lines(before: list[str], old: list[str], new: list[str], after: list[str]) -> None:
    check([*before, "old", *old, *after], [*before, "new", *new, *after])
    check([*before, "old", *after], [*before, "new", *after])


def test_what_is_found_sooner() -> None:
    many = [f"line {number}" for number in range(MANY)]
    assert _replaced([*many, "old"], [*many, "new"]) == (MANY, ["old"], ["new"])
    assert _replaced(["old", *many], ["new", "newer", *many]) == (0, ["old"], ["new", "newer"])


def test_what_is_left_to_difflib() -> None:
    often = ["}"] * MANY
    assert _replaced(["old", *often], ["new", *often]) is None  # it says that all lines were replaced
    assert _replaced(["a", "b"], ["a", "b", "c"]) is None
    assert _replaced(["c", "c", "c"], ["c", "x", "c"]) is None
    assert diff("a", "a", "path") == ""
