"""Files into and out of a session, in parts, so that memory stays bounded whatever their size."""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from openhands.core.exceptions import AgentRuntimeDisconnectedError

from openhands_ray import metrics, wire
from openhands_ray.archive import pack
from openhands_ray.errors import OpenHandsRayError, SessionLostError, SessionTimeoutError, TransferError
from openhands_ray.session import Session

#: Seconds for one part of a copy.
PART_TIMEOUT_S = 30

log = logging.getLogger(__name__)


def upload(session: Session, source: str, folder: str, recursive: bool) -> None:
    """Copy a file into ``folder``; a zip file, and with ``recursive`` a folder, is unpacked there.

    Raises:
        FileNotFoundError: ``source`` is not there.
        AgentRuntimeDisconnectedError: the session has ended.
        TransferError: the session did not take it; nothing was written there.
    """
    if not os.path.exists(source):
        raise FileNotFoundError(f"Source file {source} does not exist")
    name = os.path.basename(source)
    if not recursive:
        with open(source, "rb") as file:
            _send(session, file, folder, name, archive=source.endswith(".zip"))
        return
    with tempfile.TemporaryFile(prefix="openhands-ray-", suffix=".zip") as packed:
        pack(source, packed, os.path.dirname(source))
        packed.seek(0)
        _send(session, packed, folder, name, archive=True)


def _send(session: Session, file: IO[bytes], folder: str, name: str, *, archive: bool) -> None:
    with _copying(f"{name!r} to {folder} in the session"):
        transfer = session.request("upload", PART_TIMEOUT_S)
        try:
            while data := file.read(wire.CHUNK_BYTES):
                session.request("write_chunk", PART_TIMEOUT_S, transfer=transfer, data=data)
                metrics.record(metrics.COPIED, len(data), direction="to")
            session.request("finish_upload", None, transfer=transfer, folder=folder, name=name, archive=archive)
        except BaseException:
            _cancel(session, transfer)
            raise


def download(session: Session, path: str) -> Path:
    """Return a new zip file, here, of all that is below ``path`` in the session. The caller removes it.

    Raises:
        FileNotFoundError: nothing is there.
        AgentRuntimeDisconnectedError: the session has ended.
        TransferError: the session could not give it.
    """
    with _copying(f"{path} from the session"):
        transfer = session.request("download", None, path=path)
        try:
            with _named_when_whole(tempfile.gettempdir()) as (packed, name):
                _receive(session, transfer, packed)
        except BaseException:
            _cancel(session, transfer)
            raise
    return Path(name)


@contextmanager
def _named_when_whole(folder: str) -> Iterator[tuple[IO[bytes], str]]:
    """Yield a new file and the path that it gets after the body: a process that is killed in it leaves nothing."""
    name = os.path.join(folder, f"openhands-ray-{secrets.token_hex(8)}.zip")
    try:
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # a file system that has no files without names
        fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        try:
            yield file, name
            file.flush()
            if not os.path.exists(name):
                _link(fd, name)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(name)
            raise


def _link(fd: int, name: str) -> None:
    folder = os.open(os.path.dirname(name), os.O_PATH | os.O_DIRECTORY)
    try:
        # With a folder to start from, Python calls linkat(), which follows the link in /proc.
        os.link(f"/proc/self/fd/{fd}", os.path.basename(name), dst_dir_fd=folder)
    finally:
        os.close(folder)


def _receive(session: Session, transfer: str, file: IO[bytes]) -> None:
    size = wire.CHUNK_BYTES
    while data := session.request("read_chunk", PART_TIMEOUT_S, transfer=transfer, size=size):
        file.write(data)
        metrics.record(metrics.COPIED, len(data), direction="from")
        if len(data) < size:
            return


@contextmanager
def _copying(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except SessionLostError as error:
        raise AgentRuntimeDisconnectedError(str(error)) from error
    except SessionTimeoutError as error:
        raise TimeoutError("Copy operation timed out") from error
    except (OSError, ValueError, OpenHandsRayError) as error:
        raise TransferError(f"Copying {what} failed: {error}") from error


def _cancel(session: Session, transfer: str) -> None:
    try:
        session.request("cancel", PART_TIMEOUT_S, transfer=transfer)
    except (OSError, ValueError, OpenHandsRayError) as error:
        log.warning("A copy could not be cancelled: %s", error, extra=session.log_context)
