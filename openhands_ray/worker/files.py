"""Reading, writing and listing files, with the observations of OpenHands' ActionExecutor."""

from __future__ import annotations

import base64
import codecs
import io
import mimetypes
import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from openhands_ray.worker import observations
from openhands_ray.worker.arguments import text_argument
from openhands_ray.worker.contents import NotAFileError, open_file, replace
from openhands_ray.worker.editor import Editor
from openhands_ray.worker.encoding import BINARY_SAMPLE_BYTES, is_binary, looks_binary
from openhands_ray.worker.observations import Observation
from openhands_ray.worker.paths import Paths

#: Mode of a new file, as OpenHands sets it.
NEW_FILE_MODE = 0o664

#: Bytes that are checked at once for being UTF-8.
_BLOCK_BYTES = 1024 * 1024

# What is sent as a data URL, and the type where the name tells none. A PDF is one, whatever is known of its name.
_PDF = (".pdf",)
_MEDIA = {
    (".png", ".jpg", ".jpeg", ".bmp", ".gif"): "image/png",
    _PDF: "application/pdf",
    (".mp4", ".webm", ".ogg"): "video/mp4",
}


class Files:
    """The file actions of a session."""

    def __init__(self, paths: Paths, editor: Editor) -> None:
        self._paths = paths
        self._editor = editor

    def read(self, args: Mapping[str, Any], cwd: str) -> Observation:
        """Answer a ``read`` action; relative paths start at ``cwd``, the shell's folder.

        Raises:
            OSError, TypeError, ValueError: it failed in a way for which OpenHands has no words.
        """
        path = text_argument(args, "path")
        shown = _resolved(cwd, path)
        try:
            editor = args.get("impl_source") == "oh_aci"
            if (editor or path != shown) and self._is_binary(path):
                return observations.error("ERROR_BINARY_FILE")
            if editor:
                content, _ = self._editor.run("view", path, view_range=args.get("view_range"))
                return observations.read(content, path, "oh_aci")
            return self._read_default(self._paths.real(shown), shown, args, path == shown)
        except FileNotFoundError:
            return observations.error(f"File not found: {shown}. Your current working directory is {cwd}.")
        except IsADirectoryError:
            return observations.error(f"Path is a directory: {shown}. You can only read files")
        except UnicodeDecodeError:
            return observations.error(f"File could not be decoded as utf-8: {shown}.")
        except NotAFileError as error:
            return observations.error(f"{error}.")

    def _is_binary(self, path: str) -> bool:
        """Ask of the path as it was given, from the folder of OpenHands' server, where no file of the agent's is."""
        return is_binary(self._paths.real(path)) if os.path.isabs(path) else path.endswith(".pyc")

    def _read_default(self, real: str, shown: str, args: Mapping[str, Any], may_be_binary: bool) -> Observation:
        if may_be_binary and real.endswith(".pyc"):
            return observations.error("ERROR_BINARY_FILE")
        with open_file(real) as file:
            if may_be_binary and looks_binary(file.read(BINARY_SAMPLE_BYTES)):
                return observations.error("ERROR_BINARY_FILE")
            file.seek(0)
            return observations.read(self._contents(file, shown, args), shown)

    def _contents(self, file: io.BufferedReader, shown: str, args: Mapping[str, Any]) -> str:
        for suffixes, default_type in _MEDIA.items():
            if shown.lower().endswith(suffixes):
                known = None if suffixes is _PDF else mimetypes.guess_type(shown)[0]
                return f"data:{known or default_type};base64,{base64.b64encode(file.read()).decode('ascii')}"
        start, end = args.get("start", 0), args.get("end", -1)
        if start == 0 and end == -1:
            return _text(file.read())
        small = os.fstat(file.fileno()).st_size < _BLOCK_BYTES
        lines = io.StringIO(_text(file.read())) if small else io.TextIOWrapper(file, encoding="utf-8")
        return _lines(lines, start, end)

    def write(self, args: Mapping[str, Any], cwd: str) -> Observation:
        """Answer a ``write`` action: a whole new file, or lines ``start`` to ``end`` of one that is there.

        Raises:
            OSError, TypeError, ValueError: it failed in a way for which OpenHands has no words; the file is as it was.
        """
        shown = _resolved(cwd, text_argument(args, "path"))
        real = self._paths.real(shown)
        content = text_argument(args, "content").encode()
        if not os.path.exists(os.path.dirname(real)):
            os.makedirs(os.path.dirname(real))
        try:
            if not os.path.exists(real):
                replace(real, content, b"\n", mode=NEW_FILE_MODE)
            else:
                replace(real, *_with_lines(real, content, args.get("start", 0), args.get("end", -1)))
        except FileNotFoundError:
            return observations.error(f"File not found: {shown}")
        except IsADirectoryError:
            return observations.error(f"Path is a directory: {shown}. You can only write to files")
        except UnicodeDecodeError:
            return observations.error(f"File could not be decoded as utf-8: {shown}")
        except NotAFileError as error:
            return observations.error(f"{error}.")
        return observations.write(shown)

    def list(self, path: str | None) -> list[str]:
        """Return the names in a folder: folders first, with a slash, each group sorted without regard to case.

        A folder that is not there, or that cannot be listed, has no names in it.
        """
        folder = self._paths.real(os.path.join(self._paths.workspace, path or ""))
        try:
            with os.scandir(folder) as found:
                entries = [(entry.name, entry.is_dir()) for entry in found if os.path.exists(entry.path)]
        except (OSError, ValueError):
            return []
        folders = sorted((f"{name}/" for name, is_dir in entries if is_dir), key=str.lower)
        return folders + sorted((name for name, is_dir in entries if not is_dir), key=str.lower)


def _resolved(cwd: str, path: str) -> str:
    """Return what ``Path`` makes of a path, which it is asked for only where that may be something else."""
    joined = os.path.join(cwd, path)
    plain = "//" not in joined and "/." not in joined and not joined.endswith("/")
    return joined if plain else str(Path(joined))


def _text(data: bytes) -> str:
    text = data.decode()
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _lines(file: TextIO, start: int, end: int) -> str:
    """Return lines ``start`` to ``end`` (from 0, end excluded, -1 for all), bounded as OpenHands bounds them.

    The file is read twice, line by line: what the bounds are depends on how many lines there are.
    """
    count = sum(1 for _ in file)
    file.seek(0)
    start = min(max(start, 0), count)
    if end == -1:
        return file.read() if start == 0 else "".join(islice(file, start, None))
    begin = max(0, min(start, count - 2))
    return "".join(islice(file, begin, max(begin + 1, min(max(end, 0), count))))


def _with_lines(path: str, content: bytes, start: int, end: int) -> list[bytes | memoryview]:
    """Return what is in a file, with ``content`` in place of lines ``start`` to ``end`` (from 0; 0 and -1: of all)."""
    new: list[bytes | memoryview] = [content, b"\n"]
    with open_file(path) as file:
        if start == 0 and end == -1:
            _check_utf8(file)
            return new
        old = file.read()
    _check_utf8(io.BytesIO(old))
    if b"\r" in old:
        old = old.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    count = old.count(b"\n") + (not old.endswith(b"\n") and old != b"")
    before = 0 if start == 0 else slice(start).indices(count)[1]
    after = count if end == -1 else slice(end, None).indices(count)[0]
    parts = memoryview(old)  # no list of lines, which takes several times the memory
    return [parts[: _offset(old, before)], *new, parts[_offset(old, after) :]]


def _offset(data: bytes, line: int) -> int:
    """Return where a line (from 0) begins; the one after the last begins at the end."""
    offset = 0
    for _ in range(line):
        offset = data.find(b"\n", offset) + 1
        if not offset:
            return len(data)
    return offset


def _check_utf8(file: io.BufferedIOBase) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    while block := file.read(_BLOCK_BYTES):
        decoder.decode(block)
    decoder.decode(b"", final=True)
