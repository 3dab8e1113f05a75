"""The agent's file editor: view, create, str_replace, insert and undo_edit.

The texts are an interface: agents were trained on those of OpenHands' editor, so they are the same here. Its package is
not used for text, since importing it takes two seconds and 100 MB; only documents (.docx, .pdf, ...) are shown with its
converter, where it is installed.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
from pathlib import Path
from typing import Any

from openhands_ray.worker import observations, views
from openhands_ray.worker.arguments import text_argument
from openhands_ray.worker.contents import NotAFileError, read, replace
from openhands_ray.worker.diff import diff
from openhands_ray.worker.encoding import SAMPLE_BYTES, decode, encode, encoding_of, is_binary
from openhands_ray.worker.observations import Observation
from openhands_ray.worker.paths import Paths
from openhands_ray.worker.undo import Undo
from openhands_ray.worker.views import DOCUMENTS, EditorError

#: Largest file that is opened, in bytes.
MAX_FILE_BYTES = 10 * 1024 * 1024

#: Lines shown around an edit.
CONTEXT_LINES = 4

_COMMANDS = ("view", "create", "str_replace", "insert", "undo_edit")

_Contents = tuple[str | None, str | None]


class Editor:
    """The editor of a session, with the history that ``undo_edit`` goes back in."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._undo = Undo()

    def edit(self, args: dict[str, Any]) -> Observation:
        """Answer an ``edit`` action of the editor tool.

        Raises:
            TypeError: the path is no text; or, with other errors, whatever OpenHands' editor itself fails with.
        """
        path = text_argument(args, "path")
        if args.get("impl_source", "oh_aci") != "oh_aci":
            raise ValueError(f"There is no editor {args['impl_source']!r}.")
        content, (old, new) = self.run(
            args.get("command", ""),
            path,
            file_text=args.get("file_text"),
            old_str=args.get("old_str"),
            new_str=args.get("new_str"),
            insert_line=args.get("insert_line"),
        )
        return observations.edit(
            content, path, args.get("old_str"), args.get("new_str"), diff(old or "", new or "", path)
        )

    def run(
        self,
        command: str,
        path: str,
        *,
        file_text: str | None = None,
        view_range: list[int] | None = None,
        old_str: str | None = None,
        new_str: str | None = None,
        insert_line: float | str | None = None,
    ) -> tuple[str, _Contents]:
        """Return what the agent sees, and the file's contents before and after.

        The arguments come from a language model: each may be of any type, and a wrong one is answered in the words
        in which the same operation fails in OpenHands' editor.
        """
        try:
            line = _line_number(insert_line)
            file = Path(path)
            self._validate_path(command, file)
            if command == "view":
                return self._view(file, view_range), (None, None)
            if command == "create":
                return self._create(file, _required("file_text", file_text, command))
            if command == "str_replace":
                return self._str_replace(file, _required("old_str", old_str, command), new_str)
            if command == "insert":
                line = _required("insert_line", line, command)
                return self._insert(file, line, _required("new_str", new_str, command))
            if command == "undo_edit":
                return self._undo_edit(file)
            allowed = ", ".join(_COMMANDS)
            raise EditorError(
                f"Unrecognized command {command}. The allowed commands for the oh_editor tool are: {allowed}"
            )
        except (EditorError, TypeError) as error:
            return f"ERROR:\n{error}", (None, None)

    def _real(self, path: Path) -> Path:
        return Path(self._paths.real(str(path)))

    def _validate_path(self, command: str, path: Path) -> None:
        if not path.is_absolute():
            hint = "The path should be an absolute path, starting with `/`."
            suggestion = Path(self._paths.workspace) / path
            if self._real(suggestion).exists():
                hint += f" Maybe you meant {suggestion}?"
            raise _invalid("path", path, hint)
        found = _found(self._paths.real(str(path)))
        if command == "create" and found:
            raise _invalid(
                "path", path, f"File already exists at: {path}. Cannot overwrite files using command `create`."
            )
        if command != "create" and not found:
            raise _invalid("path", path, f"The path {path} does not exist. Please provide a valid path.")
        if command == "view":
            return
        if found and stat.S_ISDIR(found.st_mode):
            raise _invalid(
                "path",
                path,
                f"The path {path} is a directory and only the `view` command can be used on directories.",
            )
        if path.suffix.lower() in DOCUMENTS:
            raise _invalid(
                "path",
                path,
                f"The path {path} points to a binary file ({path.suffix}) and only the `view` command can be used on "
                "supported binary files.",
            )

    def _view(self, path: Path, view_range: list[int] | None) -> str:
        real = self._real(path)
        if real.is_dir():
            if view_range:
                raise _invalid(
                    "view_range",
                    view_range,
                    "The `view_range` parameter is not allowed when `path` points to a directory.",
                )
            return views.folder(path, real)
        if path.suffix.lower() in DOCUMENTS:
            self._validate_file(path)
            return views.document(path, real)
        data = self._data(path)
        self._validate_file(path, data)
        text = _decoded(data, encoding_of(data[:SAMPLE_BYTES]), path)
        if not view_range:
            return views.numbered(text, str(path))
        lines = _file_lines(text)
        start, end, note = _checked_range(view_range, len(lines))
        return note + views.numbered("\n".join("".join(lines[start - 1 : end]).splitlines()), str(path), start)

    def _create(self, path: Path, text: str) -> tuple[str, _Contents]:
        self._write(path, text, "utf-8")
        self._undo.add(str(path), text)
        return f"File created successfully at: {path}", (None, text)

    def _str_replace(self, path: Path, old: str, new: str | None) -> tuple[str, _Contents]:
        if new == old:
            hint = "No replacement was performed. `new_str` and `old_str` must be different."
            raise _invalid("new_str", new, hint)
        text, encoding = self._load(path)
        old, new, offset, line = _only_occurrence(text, old, new or "", path)
        changed = text[:offset] + new + text[offset + len(old) :]
        written = self._write(path, changed, encoding)
        self._undo.add(str(path), text)
        start = max(0, line - CONTEXT_LINES)
        # As OpenHands, which reads the file anew: with the new text it may seem to have another encoding.
        snippet = _lines(self._text(path, written)[0], start + 1, line + CONTEXT_LINES + new.count("\n"))
        shown = (
            f"The file {path} has been edited. {views.numbered(snippet, f'a snippet of {path}', start + 1)}"
            "Review the changes and make sure they are as expected. Edit the file again if necessary."
        )
        return shown, (text, changed)

    def _insert(self, path: Path, line: float, new: str) -> tuple[str, _Contents]:
        text, encoding = self._load(path)
        lines = _file_lines(text)
        if line < 0 or line > len(lines):
            hint = f"It should be within the range of allowed values: {[0, len(lines)]}"
            raise _invalid("insert_line", line, hint)
        new_lines, place = new.split("\n"), math.floor(line)
        changed = "".join([*lines[:place], *(f"{each}\n" for each in new_lines), *lines[place:]])
        written = self._write(path, changed, encoding)
        self._undo.add(str(path), text)
        start = max(0, line - CONTEXT_LINES)
        end = min(len(lines) + len(new_lines), line + CONTEXT_LINES + len(new_lines))
        changed = self._text(path, written)[0]
        first = max(1, line - CONTEXT_LINES + 1)
        numbered = views.numbered(_lines(changed, start + 1, end), "a snippet of the edited file", first)
        shown = (
            f"The file {path} has been edited. {numbered}Review the changes and make sure they are as expected "
            "(correct indentation, no duplicate lines, etc). Edit the file again if necessary."
        )
        return shown, (text, changed)

    def _undo_edit(self, path: Path) -> tuple[str, _Contents]:
        current, encoding = self._load(path)
        old = self._undo.last(str(path))
        if old is None:
            raise EditorError(f"No edit history found for {path}.")
        self._write(path, old, encoding)
        self._undo.drop(str(path))
        return f"Last edit to {path} undone successfully. {views.numbered(old, str(path))}", (current, old)

    def _load(self, path: Path) -> tuple[str, str]:
        """Return the text of a file that is to be edited, and its encoding."""
        return self._text(path, self._data(path))

    def _text(self, path: Path, data: bytes) -> tuple[str, str]:
        """Return the text in what a file holds, and its encoding, which is looked for before all else."""
        encoding = encoding_of(data[:SAMPLE_BYTES])
        self._validate_file(path, data)
        return _decoded(data, encoding, path), encoding

    def _validate_file(self, path: Path, data: bytes | None = None) -> None:
        """Refuse what is too large or no text; ``data`` is what was read of it, where it was."""
        real = self._paths.real(str(path))
        if data is None or len(data) > MAX_FILE_BYTES:
            found = _found(real)
            if found is None or not stat.S_ISREG(found.st_mode):
                return
            if found.st_size > MAX_FILE_BYTES:
                raise EditorError(
                    f"File validation failed for {path}: File is too large ({found.st_size / 1024 / 1024:.1f}MB). "
                    f"Maximum allowed size is {MAX_FILE_BYTES // 1024 // 1024}MB."
                )
        if path.suffix.lower() not in DOCUMENTS and is_binary(real, data):
            raise EditorError(
                f"File validation failed for {path}: File appears to be binary and this file type cannot be read or "
                "edited by this tool."
            )

    def _data(self, path: Path) -> bytes:
        """Return what is in a file, or the beginning of one that is too large: it is opened and read once."""
        try:
            return read(self._paths.real(str(path)), MAX_FILE_BYTES)
        except NotAFileError as error:
            raise EditorError(f"File validation failed for {path}: {error}.") from None
        except OSError as error:
            raise EditorError(f"Ran into {error} while trying to read {path}") from None

    def _write(self, path: Path, text: str, encoding: str) -> bytes:
        """Make ``text`` the contents of a file; return what it holds then."""
        try:
            if not isinstance(text, str):
                raise TypeError(f"write() argument must be str, not {type(text).__name__}")
            data = encode(text, encoding)
            replace(self._paths.real(str(path)), data)
            return data
        except (OSError, ValueError, TypeError) as error:
            raise EditorError(f"Ran into {error} while trying to write to {path}") from None


def _found(path: str) -> os.stat_result | None:
    """Return what is there, links followed; None where ``Path.exists`` says that nothing is, from one look."""
    try:
        return os.stat(path)
    except OSError as error:
        if error.errno not in _NOTHING_THERE:
            raise
        return None
    except ValueError:  # a NUL, or what is no Unicode
        return None


_NOTHING_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP}


def _required[T](name: str, value: T | None, command: str) -> T:
    if value is None:
        raise EditorError(f"Parameter `{name}` is required for command: {command}.")
    return value


def _invalid(name: str, value: object, hint: str) -> EditorError:
    return EditorError(f"Invalid `{name}` parameter: {value}. {hint}")


def _line_number(value: float | str | None) -> float | None:
    try:
        return int(value) if isinstance(value, str) else value
    except ValueError:
        raise EditorError(f"Invalid insert_line value: '{value}'. Expected an integer.") from None


def _checked_range(view_range: list[int], count: int) -> tuple[int, int, str]:
    """Return the first and last line to show, and a note where fewer are shown than were asked for."""
    if len(view_range) != 2 or not all(isinstance(each, int) for each in view_range):
        raise _invalid("view_range", view_range, "It should be a list of two integers.")
    start, end = view_range
    if not 1 <= start <= count:
        hint = f"Its first element `{start}` should be within the range of lines of the file: {[1, count]}."
        raise _invalid("view_range", view_range, hint)
    note = ""
    if end > count:
        note = f"NOTE: We only show up to {count} since there're only {count} lines in this file.\n"
    if end == -1 or end > count:
        end = count
    if end < start:
        hint = f"Its second element `{end}` should be greater than or equal to the first element `{start}`."
        raise _invalid("view_range", view_range, hint)
    return start, end, note


def _only_occurrence(text: str, old: str, new: str, path: Path) -> tuple[str, str, int, int]:
    """Return what to replace and by what, and the offset and the line of the one place where it is in ``text``.

    Raises:
        EditorError: there is no such place, even without the white space around ``old``; or several.
    """
    places = list(re.finditer(re.escape(old), text))
    if not places:
        old, new = old.strip(), new.strip()
        places = list(re.finditer(re.escape(old), text))
    if not places:
        raise EditorError(f"No replacement was performed, old_str `{old}` did not appear verbatim in {path}.")
    offsets = [place.start() for place in places]
    if len(offsets) > 1:
        raise EditorError(
            f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines "
            f"{_line_numbers(text, offsets)}. Please ensure it is unique."
        )
    return old, new, offsets[0], text.count("\n", 0, offsets[0]) + 1


def _line_numbers(text: str, offsets: list[int]) -> list[int]:
    """Return the lines (from 1) in which the offsets lie, each once."""
    found: list[int] = []
    line, counted = 1, 0
    for offset in offsets:
        line += text.count("\n", counted, offset)
        counted = offset
        if not found or found[-1] != line:
            found.append(line)
    return found


def _file_lines(text: str) -> list[str]:
    """Split as reading a file line by line does: at newlines alone."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _lines(text: str, first: float, last: float) -> str:
    """Return the lines from ``first`` to ``last``, both counted from 1 and included."""
    return "".join(_file_lines(text)[math.ceil(first) - 1 : math.floor(last)])


def _decoded(data: bytes, encoding: str, path: Path) -> str:
    try:
        return decode(data, encoding)
    except ValueError as error:
        raise EditorError(f"Ran into {error} while trying to read {path}") from None
