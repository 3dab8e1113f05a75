"""Generated sequences of shell actions, on OpenHands' own executor and on a session of ours: the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from scenario import Step, comparable, run
from support import LocalSession
from upstream import Upstream

pytestmark = [pytest.mark.oracle, pytest.mark.long, pytest.mark.timeout(1800)]

WORDS = st.sampled_from(["a", "'b c'", '"$v"', "$?", "~", "é", "-n", "$(echo d)", "{1..3}", "'*'", "$((2*3))", "漢字"])
ECHO = st.lists(WORDS, max_size=3).map(lambda words: " ".join(["echo", *words]))
SIMPLE = st.one_of(
    ECHO,
    st.sampled_from(["true", "false", "(exit 7)", "nosuch", "cd /tmp", "cd /nowhere", "cd -", "pwd", "v=1", "v='x y'"]),
    st.sampled_from(["f", "f() { echo in f; }", "unset v", "set -f", "set +f", "alias g='echo alias'", "g", "echo )"]),
    st.sampled_from(["printf 'no newline'", r"printf 'a\rb\n'", r"printf '\e[31mred\e[0m\n'", "seq 3", "seq 1200"]),
    st.sampled_from([r"printf 'one\ntwo\n\e[Aup\n'", r"printf 'a\tb\n'", "cat <<E\n1\n  $v\nE", "echo a \\\n b"]),
    st.sampled_from(["for i in 1 2; do\n echo $i\ndone", "echo a\necho b", "# c\necho d", "echo 1 >&2", "", "  "]),
)
CHAIN = st.lists(
    SIMPLE.filter(lambda each: "\n" not in each and each.strip() and each != "echo )"), min_size=1, max_size=3
)
COMMANDS = st.one_of(
    SIMPLE, st.builds(lambda parts, by: by.join(parts), CHAIN, st.sampled_from(["; ", " && ", " || "]))
)
# A command that stays, and what is sent to it; the last of these ends it.
STAYING = st.sampled_from(
    [
        ("cat", ("word", "C-d")),
        ("read x; echo got $x", ("é 1",)),
        ("sleep 1000", ("C-c",)),
        ("sleep 1000", ("C-z",)),
        ("sleep 1000; echo not this", ("C-\\",)),
        ("printf 'name? '; read n; printf 'age? '; read a; echo $n $a", ("Ada", "36")),
        ('echo "open', ("middle", 'end"')),
        ("cat <<E", ("x", "E")),
        ("if read z", ("then echo $z", "fi", "value")),
        ("for i in 1 2; do echo $i", ("read y", "done", "p", "q")),
        ("cat -v", ("Up", "Tab", "C-c")),
    ]
)
MEANWHILE = st.lists(st.sampled_from([run(""), run("echo refused"), run("a\nb")]), max_size=1)


def staying(command_and_input: tuple[str, tuple[str, ...]], meanwhile: list[Step]) -> list[Step]:
    command, inputs = command_and_input
    return [run(command), *meanwhile, *(run(each, is_input=True) for each in inputs)]


STEPS = st.lists(
    st.one_of(
        COMMANDS.map(lambda each: [run(each)]),
        COMMANDS.map(lambda each: [run(each)]),
        st.builds(staying, STAYING, MEANWHILE),
    ),
    min_size=1,
    max_size=5,
).map(lambda groups: [step for group in groups for step in group])


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(STEPS)
def test_the_answers_are_those_of_openhands(upstream: Upstream, steps: list[Step]) -> None:
    from openhands.events.serialization import event_to_dict, observation_from_dict

    upstream.fresh((), {}, 1)
    session = LocalSession("sandbox", no_change_timeout_s=1)
    try:
        for step in steps:
            note(repr(step.action["args"]))
            theirs: dict[str, Any] = comparable(upstream.act(step.action))
            answer = session.act("run", 30.0, **step.action["args"])
            assert comparable(event_to_dict(observation_from_dict(answer))) == theirs, step.action
    finally:
        session.close()
