"""Text or binary, and in which encoding: as OpenHands decides it, by the same libraries.

Both are imported when bytes come that they are needed for: plain ASCII is recognized without them.
"""

from __future__ import annotations

import codecs
import io
import re

from openhands_ray.worker.contents import NotAFileError, open_file

#: Bytes of a file that decide whether it is text. From binaryornot, which OpenHands asks.
BINARY_SAMPLE_BYTES = 1024

#: Bytes at the beginning of a file that decide its encoding. From OpenHands' editor.
SAMPLE_BYTES = 1024 * 1024

#: Bytes at the beginning of a text in which charset_normalizer looks for a declaration.
_DECLARATION_BYTES = 8192

#: How sure of an encoding OpenHands' editor has to be. From there.
_CONFIDENCE = 0.9

_PLAIN_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]*\Z")

# ASCII, but for the two characters that Japanese encodings have others for, which are thus sometimes taken for them.
_SURELY_ASCII = bytes([*b"\t\n\r", *(set(range(0x20, 0x7F)) - set(b"\\~"))])


def is_binary(path: str, data: bytes | None = None) -> bool:
    """Return whether the beginning of a file looks like anything but text; what cannot be opened does not.

    Args:
        path: the file.
        data: its first bytes or all of them, where they have been read already.

    Raises:
        NotAFileError: it is a pipe, a socket or a device.
        ValueError: the path has a NUL in it.
    """
    if path.endswith(".pyc"):
        return True
    if data is not None:
        return looks_binary(data[:BINARY_SAMPLE_BYTES])
    try:
        with open_file(path) as file:
            sample = file.read(BINARY_SAMPLE_BYTES)
    except NotAFileError:
        raise
    except OSError:
        return False
    return looks_binary(sample)


def looks_binary(sample: bytes) -> bool:
    """Return whether the first ``BINARY_SAMPLE_BYTES`` of a file look like anything but text."""
    if _PLAIN_TEXT.match(sample):
        return False
    from binaryornot.helpers import is_binary_string

    try:
        return bool(is_binary_string(sample))
    except (NameError, TypeError, LookupError):
        return True  # binaryornot fails on bytes of which no encoding can be guessed, and with it OpenHands' reader


def encoding_of(sample: bytes) -> str:
    """Return the encoding that a file seems to have: UTF-8 unless its first bytes clearly say otherwise.

    Raises:
        TypeError: no encoding fits at all. It is OpenHands' editor's answer, and so its text is.
    """
    declarations = sample[:_DECLARATION_BYTES].lower()
    if not sample.translate(None, _SURELY_ASCII) and not (b"coding" in declarations or b"charset" in declarations):
        return "utf-8"
    import charset_normalizer

    found = charset_normalizer.detect(sample)
    encoding, confidence = found["encoding"], found["confidence"]
    if not confidence > _CONFIDENCE or encoding is None:  # type: ignore[operator]
        return "utf-8"
    return "utf-8" if encoding.lower() == "ascii" else encoding


def decode(data: bytes, encoding: str) -> str:
    """Return the text of a file, every line of which ends in a newline alone.

    Raises:
        UnicodeDecodeError: as reading the file line by line raises it; positions count from a block of 8 KB.
    """
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return "".join(io.TextIOWrapper(io.BytesIO(data), encoding=encoding))
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def encode(text: str, encoding: str) -> bytes:
    """Return the bytes of a file, as one stream would write them.

    Raises:
        UnicodeEncodeError: the encoding has no bytes for it.
    """
    if encoding == "utf-8":
        return text.encode()
    return codecs.getincrementalencoder(encoding)().encode(text)
