"""What goes between the client, the actor and the executor: plain dicts as msgpack, in frames.

No part of it is pickled: a sandbox is free to send what it likes, and nothing that it sends is executed.
"""

from __future__ import annotations

import socket
import struct
from enum import StrEnum
from typing import Any

import msgpack

#: Bytes of the largest frame, about what msgpack can hold in one string.
MAX_FRAME_BYTES = 2**32 - 1

#: Bytes of a file that travel in one message: memory stays bounded whatever the size of the file.
CHUNK_BYTES = 4 * 1024 * 1024

#: Bytes below which a frame is copied, so as to go in one piece.
_SMALL_BYTES = 64 * 1024

#: Bytes of a message that ``peek`` looks at.
PEEK_BYTES = 512

_HEADER = struct.Struct(">I")

Message = dict[str, Any]


def pack(message: Message) -> bytes:
    """Return ``message`` as bytes; enumerations go as their values, text that is not valid Unicode goes as it is.

    Raises:
        TypeError: it holds something that has no place on the wire.
    """
    packed: bytes = msgpack.packb(message, default=_plain, unicode_errors="surrogatepass")
    return packed


def unpack(data: bytes) -> Message:
    """Return the message that ``pack`` made into ``data``.

    Raises:
        ValueError: the bytes are not a message.
    """
    message = msgpack.unpackb(data, unicode_errors="surrogatepass", strict_map_key=False)
    if not isinstance(message, dict):
        raise ValueError(f"A message is a dict, not {type(message).__name__}.")
    return message


def peek(data: bytes, key: str) -> Any:
    """Return the value of ``key`` if it is near the beginning of a message, else None. Takes a microsecond."""
    unpacker = msgpack.Unpacker(read_size=PEEK_BYTES, max_buffer_size=PEEK_BYTES, strict_map_key=False)
    unpacker.feed(data[:PEEK_BYTES])
    try:
        for _ in range(unpacker.read_map_header()):
            if unpacker.unpack() == key:
                return unpacker.unpack()
            unpacker.skip()
    except (msgpack.OutOfData, ValueError):
        pass
    return None


def _plain(value: object) -> object:
    if isinstance(value, StrEnum):
        return str(value)
    inner = getattr(value, "value", None)
    if inner is None:
        raise TypeError(f"{type(value).__name__} cannot be sent to a session.")
    return inner


def send_frame(channel: socket.socket, data: bytes) -> None:
    """Send ``data`` as one frame.

    Raises:
        ValueError: it is too large.
        OSError: the other side has gone.
    """
    if len(data) > MAX_FRAME_BYTES:
        raise ValueError(f"A message of {len(data)} bytes is too large: at most {MAX_FRAME_BYTES} go at once.")
    header = _HEADER.pack(len(data))
    if len(data) < _SMALL_BYTES:
        channel.sendall(header + data)
    else:
        channel.sendall(header)
        channel.sendall(data)  # no copy of it


def receive_frame(channel: socket.socket) -> bytes:
    """Wait for a frame.

    Raises:
        EOFError: the other side has gone.
    """
    (size,) = _HEADER.unpack(_receive(channel, _HEADER.size))
    return _receive(channel, size)


def _receive(channel: socket.socket, size: int) -> bytes:
    data = channel.recv(size, socket.MSG_WAITALL)  # straight into what is returned
    if len(data) == size:
        return data
    if not data:
        raise EOFError("The other side has closed the connection.")
    return data + _receive(channel, size - len(data))  # a signal came between
