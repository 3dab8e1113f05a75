"""What a session sends by itself, sorted by reader."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from openhands_ray import wire
from openhands_ray.errors import SessionLostError
from openhands_ray.worker import mailbox
from openhands_ray.worker.mailbox import Mailbox


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def send(channel: socket.socket, reader: str, text: str) -> None:
    wire.send_frame(channel, wire.pack({"reader": reader, "text": text}))


def text(frame: bytes) -> str:
    return str(wire.unpack(frame)["text"])


def test_each_reader_gets_its_own_in_order(sockets: tuple[socket.socket, socket.socket]) -> None:
    box = Mailbox(sockets[1])
    for reader, letter in (("a", "1"), ("b", "2"), ("a", "3"), ("b", "4")):
        send(sockets[0], reader, letter)
    assert [text(box.receive(reader)) for reader in "bbaa"] == ["2", "4", "1", "3"]


def test_readers_wait_side_by_side(sockets: tuple[socket.socket, socket.socket]) -> None:
    box = Mailbox(sockets[1])
    with ThreadPoolExecutor(3) as pool:
        waiting = {reader: pool.submit(box.receive, reader) for reader in "abc"}
        for reader in "cab":
            send(sockets[0], reader, reader.upper())
        assert {reader: text(each.result(20)) for reader, each in waiting.items()} == {"a": "A", "b": "B", "c": "C"}


def test_all_are_told_of_the_end(sockets: tuple[socket.socket, socket.socket]) -> None:
    box = Mailbox(sockets[1])
    send(sockets[0], "a", "last")
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(box.receive, reader) for reader in "bc"]
        sockets[0].shutdown(socket.SHUT_RDWR)
        for each in waiting:
            with pytest.raises(SessionLostError):
                each.result(20)
    assert text(box.receive("a")) == "last"


def test_what_nobody_can_get_is_left_out(sockets: tuple[socket.socket, socket.socket]) -> None:
    box = Mailbox(sockets[1])
    for frame in (b"\xc1", b"", wire.pack({"text": "x"}), wire.pack({"reader": ["a"], "text": "x"})):
        wire.send_frame(sockets[0], frame)
    send(sockets[0], "a", "good")
    assert text(box.receive("a")) == "good"


def test_a_reader_that_has_gone_holds_no_memory(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "MAX_WAITING_BYTES", 2000)
    box = Mailbox(sockets[1])
    for _ in range(100):
        send(sockets[0], "gone", "x" * 500)
    send(sockets[0], "a", "good")
    assert text(box.receive("a")) == "good"
    assert sum(map(len, box._waiting["gone"])) <= 2000
    assert wire.unpack(box.receive("gone"))["server"] is None
