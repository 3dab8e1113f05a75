from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from openhands_ray import wire
from openhands_ray.worker import logs
from openhands_ray.worker.logs import LogReceiver, LogSender


class Pair:
    """A sender's logger, its socket, and what the receiver has logged when all is read."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "openhands_ray.session")
        self._caplog = caplog
        ours, self.inside = logs.channel()
        self._receiver = LogReceiver(ours)
        self.logger = logging.Logger("inside")  # none of this process's own
        self.logger.addHandler(LogSender(self.inside, logging.INFO))

    def logged(self) -> list[tuple[int, str]]:
        self.inside.close()
        self._receiver.thread.join(10)
        assert not self._receiver.thread.is_alive()
        assert {record.name for record in self._caplog.records} <= {"openhands_ray.session"}
        return [(record.levelno, record.getMessage()) for record in self._caplog.records]


@pytest.fixture
def pair(caplog: pytest.LogCaptureFixture) -> Iterator[Pair]:
    pair = Pair(caplog)
    yield pair
    pair.inside.close()


def test_records_come_out_as_one_line_each(pair: Pair) -> None:
    pair.logger.debug("below the level")
    pair.logger.info("plain %s", "äöü")
    pair.logger.error("forged\nWARNING another \x1b[31m \ud800 %s")
    try:
        raise KeyError("command")
    except KeyError:
        pair.logger.exception("failed")
    plain, forged, failed = pair.logged()
    assert plain == (logging.INFO, "inside: plain äöü")
    assert forged == (logging.ERROR, r"inside: forged\nWARNING another \x1b[31m \ud800 %s")
    assert r"inside: failed\nTraceback" in failed[1]
    assert failed[1].endswith("KeyError: 'command'")


@pytest.mark.parametrize(
    "sent", [b"nonsense", wire.pack({}), wire.pack({"level": "high", "name": "", "text": ""}), b"\x81"]
)
def test_what_is_no_record_is_dropped(pair: Pair, sent: bytes) -> None:
    pair.inside.send(sent)
    pair.inside.send(wire.pack({"level": 10**9, "name": "x", "text": "on"}))
    assert pair.logged() == [(logging.CRITICAL, "x: on")]


def test_a_line_has_an_end(pair: Pair) -> None:
    pair.logger.error("z" * 100_000)
    pair.inside.send(wire.pack({"level": 40, "name": "x", "text": "y" * 50_000}))
    pair.inside.send(wire.pack({"level": 40, "name": "x", "text": "y" * 150_000}))  # nor is more than this read
    assert [len(line) for _, line in pair.logged()] == [logs.LINE_CHARS, logs.LINE_CHARS]


def test_a_flood_is_not_logged(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BURST", 3)
    pair._receiver._room = 3
    for number in range(10):
        pair.inside.send(wire.pack({"level": 30, "name": "x", "text": str(number)}))
    while pair._receiver._dropped < 7:
        pass
    pair._receiver._since -= logs.SECONDS_EACH  # that long ago
    pair.inside.send(wire.pack({"level": 30, "name": "x", "text": "last"}))
    lines = [line for _, line in pair.logged()]
    assert lines == ["x: 0", "x: 1", "x: 2", "7 lines were too many, and were not logged", "x: last"]


def test_nobody_waits_where_nothing_is_read() -> None:
    ours, inside = logs.channel()
    handler = LogSender(inside, logging.INFO)
    for _ in range(10_000):
        handler.emit(logging.makeLogRecord({"msg": "x" * 100, "levelno": logging.INFO}))
    ours.close()
    handler.emit(logging.makeLogRecord({"msg": "nobody is there", "levelno": logging.INFO}))
    inside.close()
