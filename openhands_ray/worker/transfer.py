"""Files into and out of a session, in chunks, so that memory stays bounded whatever their size."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import uuid
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from openhands_ray.archive import pack
from openhands_ray.worker.contents import replace_from
from openhands_ray.worker.paths import Paths


class Transfers:
    """The copies of a session that are under way, each known by an id."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._open: dict[str, IO[bytes]] = {}

    def operations(self) -> dict[str, Callable[..., Any]]:
        """Return what the client may ask for, by name."""
        return {
            "upload": self.upload,
            "write_chunk": self.write_chunk,
            "finish_upload": self.finish_upload,
            "download": self.download,
            "read_chunk": self.read_chunk,
            "cancel": self.cancel,
        }

    def upload(self) -> str:
        """Begin to receive a file; return the transfer's id."""
        return self._keep(tempfile.NamedTemporaryFile(prefix="upload-", delete=False))

    def write_chunk(self, transfer: str, data: bytes) -> None:
        """Receive the next bytes of the file."""
        self._open[transfer].write(data)

    def finish_upload(self, transfer: str, folder: str, name: str, archive: bool) -> None:
        """Put the received file into ``folder``, or unpack it there if it is an ``archive``.

        Raises:
            ValueError: ``folder`` is not absolute, or the archive holds a name that leads out of it.
        """
        file = self._open.pop(transfer)
        file.close()
        try:
            if not os.path.isabs(folder):
                raise ValueError("Destination must be an absolute path")
            target = self._paths.real(folder)
            os.makedirs(target, exist_ok=True)
            if archive:
                _unpack(file.name, Path(target))
            else:
                with open(file.name, "rb") as received:
                    replace_from(os.path.join(target, os.path.basename(name)), received)
        finally:
            if os.path.exists(file.name):
                os.unlink(file.name)

    def download(self, path: str) -> str:
        """Zip all that is below ``path``, and return the id under which it can be read.

        Raises:
            FileNotFoundError: nothing is there.
            ValueError: ``path`` is not absolute.
        """
        if not os.path.isabs(path):
            raise ValueError("Path must be an absolute path")
        real = self._paths.real(path)
        if not os.path.exists(real):
            raise FileNotFoundError(f"File not found: {path}")
        archive = tempfile.TemporaryFile(prefix="download-")  # noqa: SIM115 (kept open)
        try:
            pack(real, archive, real if os.path.isdir(real) else os.path.dirname(real))
        except BaseException:
            archive.close()
            raise
        archive.seek(0)
        return self._keep(archive)

    def read_chunk(self, transfer: str, size: int) -> bytes:
        """Return the next ``size`` bytes; fewer, or none, at the end, with which the transfer is over."""
        data = self._open[transfer].read(size)
        if len(data) < size:
            self._open.pop(transfer).close()
        return data

    def cancel(self, transfer: str) -> None:
        """Forget a transfer. Idempotent."""
        file = self._open.pop(transfer, None)
        if file is not None:
            file.close()
            if isinstance(file.name, str) and os.path.exists(file.name):
                os.unlink(file.name)

    def close(self) -> None:
        """Forget all of them."""
        for transfer in list(self._open):
            self.cancel(transfer)

    def _keep(self, file: Any) -> str:
        transfer = uuid.uuid4().hex
        self._open[transfer] = file
        return transfer


def _unpack(archive: str, folder: Path) -> None:
    """Unpack a zip below ``folder``, with the permissions that it states. All of it is checked before any is written.

    Raises:
        ValueError: it is no zip, or is damaged or encrypted; or a name in it, or a link that is there, leads out of
            ``folder``.
        OSError: there is not enough space for it, or something cannot be written.
    """
    try:
        packed = zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise ValueError(f"Recursive uploads must be zip files: {error}") from None
    with packed:
        top = folder.resolve()
        for member in packed.infolist():
            target = (top / member.filename).resolve()
            if not target.is_relative_to(top):
                raise ValueError(f"The archive holds a name that leads out of {folder}: {member.filename!r}")
        _check_space(packed, folder)
        _check_contents(packed)
        for member in packed.infolist():
            target = Path(packed.extract(member, top))
            mode = stat.S_IMODE(member.external_attr >> 16)
            if mode and not member.is_dir():
                target.chmod(mode & 0o777)


def _check_space(packed: zipfile.ZipFile, folder: Path) -> None:
    """Refuse what would fill the disk: a few kilobytes of zip can hold more than any disk."""
    size = sum(member.file_size for member in packed.infolist())
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(f"The archive holds {size} bytes, and {free} are free in {folder}. Nothing was written.")


def _check_contents(packed: zipfile.ZipFile) -> None:
    try:
        damaged = packed.testzip()
    except (RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"The archive cannot be unpacked: {error}") from None
    if damaged is not None:
        raise ValueError(f"The archive is damaged: {damaged!r} is not what was packed.")
