"""What a file holds: read without waiting for it, replaced without losing it.

A file is replaced in place, as OpenHands does it, and not by renaming another over it: then its owner, its permissions,
its other names (hard links) and the links that lead to it stay, and it works in a folder that cannot be written to. So
that a full disk or a limit on sizes does not leave half of a file, the space is reserved before its first byte changes.
Not covered, as with OpenHands: a machine that dies in between.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterable
from typing import IO

#: Bytes that are copied at once.
_BLOCK_BYTES = 1024 * 1024

#: Mode bits that the kernel takes from a file when it is written to.
_SET_ID = stat.S_ISUID | stat.S_ISGID

#: What a file system answers that cannot reserve space.
_CANNOT_RESERVE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV}


#: ``/dev/null``.
_NULL = os.makedev(1, 3)


class NotAFileError(OSError):
    """It is a pipe, a socket or a device: reading it might never end."""


def open_file(path: str) -> io.BufferedReader:
    """Open a regular file to read bytes; never waits. ``/dev/null`` counts as a file, an empty one.

    Raises:
        IsADirectoryError: it is a folder.
        NotAFileError: it is no regular file.
        OSError: it cannot be opened.
    """
    return os.fdopen(_open(path, os.O_RDONLY), "rb")


def read(path: str, most: int) -> bytes:
    """Return what a regular file holds; of one that holds more than ``most`` bytes, ``most + 1`` of them.

    Raises:
        IsADirectoryError, NotAFileError, OSError: as ``open_file``.
    """
    fd = _open(path, os.O_RDONLY)
    try:
        blocks, left = [], most + 1
        at_once = max(os.fstat(fd).st_size + 1, _BLOCK_BYTES // 16)  # some files are larger than they say
        while left and (block := os.read(fd, min(left, at_once))):
            blocks.append(block)
            left -= len(block)
        return b"".join(blocks)
    finally:
        os.close(fd)


def replace(path: str, *blocks: bytes | memoryview, mode: int | None = None) -> None:
    """Make ``blocks``, one after the other, the contents of a file, which is created if it is not there.

    Args:
        path: links are followed.
        blocks: all of it.
        mode: of a new file; None for what the process' umask leaves of 0o666.

    Raises:
        OSError: it failed, and an old file is as it was, a new one is not there.
    """
    _replace(path, blocks, sum(map(len, blocks)), mode)


def replace_from(path: str, source: IO[bytes]) -> None:
    """Make what is in ``source`` the contents of a file, as ``replace`` does, in bounded memory."""
    blocks = iter(lambda: source.read(_BLOCK_BYTES), b"")
    _replace(path, blocks, os.fstat(source.fileno()).st_size, None)


def _replace(path: str, blocks: Iterable[bytes | memoryview], size: int, mode: int | None) -> None:
    try:
        fd = _open(path, os.O_WRONLY)
    except FileNotFoundError:
        _create(path, blocks, size, mode)
        return
    try:
        _fill(fd, blocks, size)
    finally:
        os.close(fd)


def _fill(fd: int, blocks: Iterable[bytes | memoryview], size: int) -> None:
    before = os.fstat(fd)
    if before.st_size:
        _reserve(fd, size)
    try:
        for block in blocks:
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(fd, rest) :]
    except OSError:
        if not before.st_size:
            os.ftruncate(fd, 0)
        raise
    if size < before.st_size:
        os.ftruncate(fd, size)
    if before.st_mode & _SET_ID:
        os.fchmod(fd, stat.S_IMODE(before.st_mode))


def _reserve(fd: int, size: int) -> None:
    """Give an open file the space for ``size`` bytes.

    Raises:
        OSError: there is not so much; the file is as it was.
    """
    before = os.fstat(fd).st_size
    try:
        if size:
            os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            os.ftruncate(fd, before)
            raise


def _open(path: str, flags: int) -> int:
    _check(os.stat(path), path)  # not even opened, and closed: whoever writes to the pipe would notice
    # A pipe may have taken its place. Opening that waits for its other side, without the flag.
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        _check(os.fstat(fd), path)
    except OSError:
        os.close(fd)
        raise
    return fd


def _check(found: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode) and found.st_rdev != _NULL:
        raise NotAFileError(f"{path} is a pipe, a socket or a device, which cannot be read or edited as a file")


def _create(path: str, blocks: Iterable[bytes | memoryview], size: int, mode: int | None) -> None:
    # Without O_EXCL: the path may be a link to a file that is not there yet.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        _fill(fd, blocks, size)
        if mode is not None:
            os.fchmod(fd, mode)
    except OSError:
        os.unlink(os.path.realpath(path))
        raise
    finally:
        os.close(fd)
