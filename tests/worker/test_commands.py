"""Which commands a script holds, as OpenHands reads it, and how one is typed."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhands_ray.worker.commands import LINE_BYTES, Script, ansi_c_quoted, parse, typed

WORDS = st.sampled_from(
    ["a", "x=1", "$x", "'q r'", '"d $x"', "$(b c)", "`e`", "\\;", "{}", "2>&1", "# c", "é", "!", "12"]
)
SIMPLE = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
PARTS = st.one_of(
    SIMPLE,
    SIMPLE.map(lambda each: f"if {each}\nthen {each}\nfi"),
    SIMPLE.map(lambda each: f"for i in 1 2; do\n{each}\ndone"),
    SIMPLE.map(lambda each: f"f() {{\n {each}\n}}"),
    SIMPLE.map(lambda each: f"cat <<E\n{each}\nE"),
    SIMPLE.map(lambda each: f"({each}\n)"),
    st.sampled_from(
        ["", "  ", "# comment", "[[ a ]]", "((x=1))", "case x in\nx) a;;\nesac", "echo 'open", "cat <<E", ")", "a &"]
    ),
)
SEPARATORS = st.sampled_from(["\n", "\n\n", "; ", " && ", " | ", "\\\n", " &\n", "\t"])
SCRIPTS = st.builds(
    lambda first, rest: first + "".join(separator + part for separator, part in rest),
    PARTS,
    st.lists(st.tuples(SEPARATORS, PARTS), max_size=4),
)


@pytest.mark.oracle
@settings(max_examples=400, deadline=None)
@given(st.one_of(SCRIPTS, SCRIPTS.map(str.strip), st.text("ab \n;&|'\"#\\$()<>!", max_size=25)))
def test_as_openhands_splits(script: str) -> None:
    from openhands.runtime.utils.bash import split_bash_commands

    try:
        expected = split_bash_commands(script)
    except Exception:  # where its parser fails, it refuses with the parser's error; here the shell says what is wrong
        expected = [script]
    found = parse(script).commands
    assert found == expected or (len(found) < 2 and len(expected) < 2)


@settings(max_examples=30, deadline=None)
@given(SCRIPTS.filter(str.strip))
def test_what_is_typed_holds_the_script(script: str) -> None:
    data = typed(Script([script]))
    expected = script.encode() + b"\n"
    if data == expected:
        return
    assert data.startswith(b"eval $'")
    shown = subprocess.run(["bash", "-c", b"printf '%s\\n' " + data[5:]], capture_output=True, check=True).stdout
    assert shown == expected


@pytest.mark.parametrize(
    ("script", "plain"),
    [
        ("echo a", True),
        ("echo 'a\tb'", True),
        ("for i in 1; do\necho $i\ndone", True),
        ("echo 'open\nquote", True),
        ("cat <<E\nopen", True),
        ("echo 'a!\nb'", False),  # the shell would take the second line for another command
        ("[[ a ]]\necho b", False),
        ("echo a\n)", False),
        ("echo \x03", False),
        ("echo " + "x" * LINE_BYTES, False),
    ],
)
def test_it_is_typed_as_it_is_where_one_prompt_is_sure(script: str, plain: bool) -> None:
    assert (typed(parse(script)) == script.encode() + b"\n") is plain


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3000))
def test_any_text_survives_quoting(text: str) -> None:
    script = b"printf %s " + ansi_c_quoted(text)
    assert subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout == text.encode()
    assert all(len(line) <= 4095 for line in script.split(b"\n"))
