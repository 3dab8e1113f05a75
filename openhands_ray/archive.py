"""The zip files in which folders travel into and out of a session."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from typing import IO


def pack(source: str, archive: IO[bytes], top: str) -> None:
    """Zip what is below ``source``, or the file itself, under names that start at ``top``.

    Links to files become files, as OpenHands makes them; links that lead nowhere, links to folders, sockets and pipes
    are left out. Empty folders are kept.

    Raises:
        OSError: something cannot be read.
    """
    with zipfile.ZipFile(archive, "w", allowZip64=True, strict_timestamps=False) as packed:
        for path in _files(source):
            if (name := os.path.relpath(path, top)) != ".":
                packed.write(path, name)


def _files(source: str) -> Iterator[str]:
    if os.path.isfile(source):
        yield source
        return

    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(source, onerror=refuse):
        if not folders and not names:
            yield parent
        yield from (path for name in names if os.path.isfile(path := os.path.join(parent, name)))
