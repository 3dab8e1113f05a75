from __future__ import annotations

import os
import socket
import struct
import threading
from enum import Enum, StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhands_ray import wire

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary()
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_what_is_packed_is_unpacked(message: wire.Message) -> None:
    assert wire.unpack(wire.pack(message)) == message


def test_enumerations_go_as_values() -> None:
    class Text(StrEnum):
        A = "a"

    class Number(Enum):
        ONE = 1

    assert wire.unpack(wire.pack({"t": Text.A, "n": Number.ONE})) == {"t": "a", "n": 1}


@pytest.mark.parametrize("value", [object(), print, socket.socket])
def test_what_has_no_place_on_the_wire(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        wire.pack({"x": value})


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x01", b"\x93\x01\x02\x03", wire.pack({"a": 1})[:-1], b"\x80\x80"])
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (msgpack's own texts)
        wire.unpack(data)


@pytest.mark.parametrize("size", [0, 1, 100, 3_000_000])
def test_frames(size: int) -> None:
    left, right = socket.socketpair()
    with left, right:
        data = os.urandom(size)
        sender = threading.Thread(target=lambda: (wire.send_frame(left, data), wire.send_frame(left, b"next")))  # type: ignore[func-returns-value]
        sender.start()
        assert wire.receive_frame(right) == data
        assert wire.receive_frame(right) == b"next"
        sender.join()


@pytest.mark.parametrize("sent", [b"", b"\0", struct.pack(">I", 5), struct.pack(">I", 5) + b"abc"])
def test_the_other_side_goes(sent: bytes) -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(sent)
        left.close()
        with pytest.raises(EOFError):
            wire.receive_frame(right)


def test_a_frame_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 10)
    left, right = socket.socketpair()
    with left, right, pytest.raises(ValueError, match="11 bytes is too large"):
        wire.send_frame(left, b"x" * 11)


def test_peeking_reads_no_further_than_it_must() -> None:
    packed = wire.pack({"action": "write", "args": {"content": "x" * 10**6}, "timeout": 5})
    assert wire.peek(packed, "action") == "write"
    assert wire.peek(packed, "timeout") is None
    assert wire.peek(wire.pack({"args": {"n": [1, 2]}, "timeout": 5}), "timeout") == 5
    assert wire.peek(b"", "action") is None
    assert wire.peek(b"\xc1 is no message", "action") is None
