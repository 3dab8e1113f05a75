"""Generated sequences of cells, side by side with OpenHands' own executor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenario import Step, cell, comparable
from support import LocalSession
from upstream import Upstream

pytestmark = [pytest.mark.oracle, pytest.mark.long, pytest.mark.timeout(1800)]

_NAMES = st.sampled_from(["a", "b", "c"])
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)

# A line that fails is as good as one that does not: both sides have to fail alike.
_LINES = st.one_of(
    st.builds("{} = {!r}".format, _NAMES, _VALUES),
    st.builds("{}".format, _NAMES),
    st.builds("print({}, {!r})".format, _NAMES, _VALUES),
    st.builds("print({!r}, end={!r}, file=__import__('sys').stderr)".format, _VALUES, _TEXTS),
    st.builds("{0} = {0} + {1}".format, _NAMES, _NAMES),
    st.builds("def f(x): return {}, x".format, _NAMES),
    st.builds("f({!r})".format, _VALUES),
    st.builds("raise ValueError({!r})".format, _TEXTS),
    st.builds("for n in range({}): print(n, end=' ')".format, st.integers(0, 2000)),
    st.builds("display({!r}, {})".format, _VALUES, _NAMES),
    st.builds("!printf '%s\\n' {}".format, st.from_regex(r"[a-z ]{1,10}", fullmatch=True)),
    st.builds("{} = !ls -a".format, _NAMES),
    st.builds("%cd {}".format, st.sampled_from(["/tmp", "/workspace", "nowhere", ".."])),
    st.sampled_from(["%pwd", "%who_ls", "import os; os.getcwd()", "%nosuch", "await __import__('asyncio').sleep(0)"]),
    st.builds("del {}".format, _NAMES),
    _TEXTS,
)
# The shell's folder changes in the written scenarios: OpenHands' shell is not to be hurried.
_CELLS = st.lists(_LINES, min_size=1, max_size=4).map(lambda lines: cell("\n".join(lines)))
_STEPS = st.lists(_CELLS, min_size=1, max_size=12)


@pytest.fixture(scope="module")
def theirs() -> Iterator[Upstream]:
    with Upstream() as upstream:
        upstream.fresh(("jupyter",), {}, 2)
        yield upstream


@pytest.fixture(scope="module")
def ours() -> Iterator[LocalSession]:
    session = LocalSession("sandbox", kernel=True, no_change_timeout_s=2)
    yield session
    session.close()


def _seen(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what the agent sees of the answer to a cell."""
    plain = comparable(answer)
    return {key: plain.get(key) for key in ("observation", "content", "extras")}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=_STEPS)
def test_cells_are_answered_alike(theirs: Upstream, ours: LocalSession, steps: list[Step]) -> None:
    for step in [cell("%reset -f\nimport os; os.chdir('/workspace')"), *steps]:
        action = step.action
        expected = theirs.act(action)
        observed = ours.act(action["action"], float(action["timeout"]), **action["args"])
        assert _seen(observed) == _seen(expected), action
