"""Reading, writing and listing files, with the observations of OpenHands' ActionExecutor."""

from __future__ import annotations

import base64
import mimetypes
import os
import re
from collections.abc import Mapping
from typing import Any

from openhands_ray.worker import observations
from openhands_ray.worker.editor import Editor
from openhands_ray.worker.observations import Observation
from openhands_ray.worker.paths import Paths

#: Mode of a new file, as OpenHands sets it.
NEW_FILE_MODE = 0o664

#: Bytes of a file that decide whether it is text. From binaryornot, which OpenHands asks.
_SAMPLE_BYTES = 1024

# What is sent as a data URL, and the type where the name tells none.
_MEDIA = {
    (".png", ".jpg", ".jpeg", ".bmp", ".gif"): "image/png",
    (".pdf",): "application/pdf",
    (".mp4", ".webm", ".ogg"): "video/mp4",
}

_PLAIN_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]*\Z")


class Files:
    """The file actions of a session."""

    def __init__(self, paths: Paths, editor: Editor) -> None:
        self._paths = paths
        self._editor = editor

    def read(self, args: Mapping[str, Any], cwd: str) -> Observation:
        """Answer a ``read`` action; relative paths start at ``cwd``, the shell's folder."""
        path = str(args["path"])
        shown = os.path.join(cwd, path)
        real = self._paths.real(shown)
        try:
            if is_binary(real):
                return observations.error("ERROR_BINARY_FILE")
            if args.get("impl_source") == "oh_aci":
                content, _ = self._editor.run("view", path, view_range=args.get("view_range"))
                return observations.read(content, path, "oh_aci")
            return self._read_default(real, shown, args)
        except FileNotFoundError:
            return observations.error(f"File not found: {shown}. Your current working directory is {cwd}.")
        except IsADirectoryError:
            return observations.error(f"Path is a directory: {shown}. You can only read files")
        except UnicodeDecodeError:
            return observations.error(f"File could not be decoded as utf-8: {shown}.")

    def _read_default(self, real: str, shown: str, args: Mapping[str, Any]) -> Observation:
        for suffixes, default_type in _MEDIA.items():
            if shown.lower().endswith(suffixes):
                return observations.read(_data_url(real, default_type), shown)
        with open(real, encoding="utf-8") as file:
            if not args.get("start") and args.get("end", -1) == -1:
                return observations.read(file.read(), shown)
            lines = _slice_lines(file.readlines(), int(args.get("start", 0)), int(args.get("end", -1)))
        return observations.read("".join(lines), shown)

    def write(self, args: Mapping[str, Any], cwd: str) -> Observation:
        """Answer a ``write`` action: a whole new file, or lines ``start`` to ``end`` of one that is there."""
        shown = os.path.join(cwd, str(args["path"]))
        real = self._paths.real(shown)
        str(args["content"]).encode()  # text that cannot be written is refused before the old one goes
        os.makedirs(os.path.dirname(real), exist_ok=True)
        existed = os.path.exists(real)
        try:
            if existed:
                _replace_lines(real, str(args["content"]), int(args.get("start", 0)), int(args.get("end", -1)))
            else:
                with open(real, "x", encoding="utf-8") as file:
                    file.write(str(args["content"]) + "\n")
        except FileNotFoundError:
            return observations.error(f"File not found: {shown}")
        except IsADirectoryError:
            return observations.error(f"Path is a directory: {shown}. You can only write to files")
        except UnicodeDecodeError:
            return observations.error(f"File could not be decoded as utf-8: {shown}")
        if not existed:
            os.chmod(real, NEW_FILE_MODE)
        return observations.write(shown)

    def list(self, path: str | None) -> list[str]:
        """Return the names in a folder: folders first, with a slash, each group sorted without regard to case.

        A folder that is not there has no names in it.
        """
        folder = self._paths.real(os.path.join(self._paths.workspace, path or ""))
        try:
            with os.scandir(folder) as found:
                entries = [(entry.name, entry.is_dir()) for entry in found if os.path.exists(entry.path)]
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return []
        folders = sorted((f"{name}/" for name, is_dir in entries if is_dir), key=str.lower)
        return folders + sorted((name for name, is_dir in entries if not is_dir), key=str.lower)


def is_binary(path: str) -> bool:
    """Return whether the beginning of a file looks like anything but text.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        sample = file.read(_SAMPLE_BYTES)
    if _PLAIN_TEXT.match(sample):
        return False
    from binaryornot.helpers import is_binary_string

    try:
        return bool(is_binary_string(sample))
    except (NameError, TypeError, LookupError):
        return True  # binaryornot fails on bytes of which no encoding can be guessed, and with it OpenHands' reader


def _data_url(path: str, default_type: str) -> str:
    with open(path, "rb") as file:
        encoded = base64.b64encode(file.read()).decode("ascii")
    return f"data:{mimetypes.guess_type(path)[0] or default_type};base64,{encoded}"


def _slice_lines(lines: list[str], start: int, end: int) -> list[str]:
    """Return lines ``start`` to ``end`` (from 0, end excluded, -1 for all), bounded as OpenHands bounds them."""
    start = min(max(start, 0), len(lines))
    if end == -1:
        return lines[start:]
    begin = max(0, min(start, len(lines) - 2))
    return lines[begin : max(begin + 1, min(max(end, 0), len(lines)))]


def _replace_lines(path: str, content: str, start: int, end: int) -> None:
    """Put ``content`` in place of lines ``start`` to ``end`` (from 0; 0 and -1: the whole file)."""
    with open(path, "r+", encoding="utf-8") as file:
        lines = file.readlines()
        before = [] if start == 0 else lines[:start]
        after = [] if end == -1 else lines[end:]
        new = [*before, content + "\n", *after]
        file.seek(0)
        file.writelines(new)
        file.truncate()
