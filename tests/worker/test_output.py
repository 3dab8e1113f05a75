"""What a cell's output becomes, and how much of it is passed on."""

from __future__ import annotations

import pytest

from openhands_ray.worker.output import BYTES_PER_S, MESSAGES_PER_S, WINDOW_S, Output, RateLimit


def stream(text: str) -> dict[str, str]:
    return {"text": text}


def test_the_parts_are_joined_as_they_came() -> None:
    output = Output()
    assert not output
    output.add("stream", stream("a\n"))
    output.add("display_data", {"data": {"text/plain": "shown", "image/png": "AAAA\n"}})
    output.add("execute_result", {"data": {"text/html": "<b/>"}})
    assert (output.text, output.images) == ("a\nshown", ["data:image/png;base64,AAAA\n"])


def test_nothing_after_an_error() -> None:
    output = Output()
    output.add("error", {"traceback": ["one", "two"]})
    output.add("stream", stream("three"))
    assert output.text == "one\ntwo"


@pytest.mark.parametrize(
    ("coloured", "plain"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;5;32mthree\x1b[0m", "three"),
        ("\x1b[1;2;3;4mfour", "\x1b[1;2;3;4mfour"),
        ("\x1b[K\x1b[m", "\x1b[K\x1b[m"),
    ],
)
def test_colours_are_stripped_as_openhands_does(coloured: str, plain: str) -> None:
    output = Output()
    output.add("stream", stream(coloured))
    assert output.text == plain


def test_the_end_is_kept_of_more_than_there_is_place_for() -> None:
    output = Output(kept_characters=10)
    for n in range(10):
        output.add("stream", stream(f"{n}..."))
    assert output.text == "[Only the end of the output was kept.]\n8...9..."


def test_one_message_is_never_cut() -> None:
    output = Output(kept_characters=10)
    output.add("stream", stream("x" * 50))
    assert output.text == "x" * 50


def test_too_many_bytes_are_held_back_until_there_is_room() -> None:
    limit, most = RateLimit(), int(BYTES_PER_S * WINDOW_S)
    assert limit.admit(most, 0) == (True, "")
    passes, said = limit.admit(1, 1)
    assert not passes
    assert said.startswith("IOPub data rate exceeded.\n")
    assert limit.admit(1, 1) == (False, "")  # it is said once
    assert limit.admit(1, WINDOW_S) == (True, "")  # the first has left the window


def test_too_many_messages_are_held_back_until_the_kernel_is_idle() -> None:
    limit, most = RateLimit(), int(MESSAGES_PER_S * WINDOW_S)
    assert {limit.admit(0, 0) for _ in range(most)} == {(True, "")}
    passes, said = limit.admit(0, 0)
    assert not passes
    assert "ServerApp.iopub_msg_rate_limit=1000.0 (msgs/sec)\n" in said
    limit.reset()
    assert limit.admit(0, 0) == (True, "")


def test_nothing_resumes_just_below_the_limit() -> None:
    limit, most = RateLimit(), int(BYTES_PER_S * WINDOW_S)
    limit.admit(most // 10 * 9, 1)
    assert limit.admit(most, 1)[0] is False
    assert limit.admit(1, 2)[0] is False  # nine tenths: less than the limit, more than where it resumes
    assert limit.admit(1, 5)[0] is True
