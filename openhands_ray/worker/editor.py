"""The agent's file editor: view, create, str_replace, insert and undo_edit.

The texts are an interface: agents were trained on those of OpenHands' editor, so they are the same here. Its package is
not used for text, since importing it takes two seconds and 100 MB; only documents (.docx, .pdf, ...) are shown with its
converter, where it is installed.
"""

from __future__ import annotations

import difflib
import os
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

from openhands_ray.worker import observations
from openhands_ray.worker.observations import Observation
from openhands_ray.worker.paths import Paths

#: Largest file that is opened, in bytes.
MAX_FILE_BYTES = 10 * 1024 * 1024

#: Characters after which a view is cut.
MAX_VIEW_CHARS = 16_000

#: Lines shown around an edit.
CONTEXT_LINES = 4

#: Edits of one file that can be undone.
MAX_UNDO = 10

#: Bytes at the beginning of a file that decide its encoding.
ENCODING_SAMPLE_BYTES = 1024 * 1024

_DOCUMENTS = {".docx", ".xlsx", ".pptx", ".pdf", ".mp3", ".wav", ".m4a", ".flac"}
_COMMANDS = ("view", "create", "str_replace", "insert", "undo_edit")

_CLIPPED = "<response clipped><NOTE>Due to the max output limit, only part of this file has been shown to you. "
_TEXT_CLIPPED = (
    _CLIPPED + "You should retry this tool after you have searched inside the file with `grep -n` in order to find "
    "the line numbers of what you are looking for.</NOTE>"
)
_DOCUMENT_CLIPPED = (
    _CLIPPED + "Please use Python libraries to view the entire file or search for specific content within the "
    "file.</NOTE>"
)
_FOLDER_CLIPPED = (
    "<response clipped><NOTE>Due to the max output limit, only part of this directory has been shown to you. "
    "You should use `ls -la` instead to view large directories incrementally.</NOTE>"
)

_Contents = tuple[str | None, str | None]


class EditorError(Exception):
    """What the agent is told instead of a result."""


class Editor:
    """The editor of a session, with the history that ``undo_edit`` goes back in."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._history: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=MAX_UNDO))

    def edit(self, args: dict[str, Any]) -> Observation:
        """Answer an ``edit`` action of the editor tool."""
        path = str(args["path"])
        content, (old, new) = self.run(
            str(args.get("command", "")),
            path,
            file_text=args.get("file_text"),
            old_str=args.get("old_str"),
            new_str=args.get("new_str"),
            insert_line=args.get("insert_line"),
        )
        return observations.edit(content, path, args.get("old_str"), args.get("new_str"), _diff(old, new, path))

    def run(
        self,
        command: str,
        path: str,
        *,
        file_text: str | None = None,
        view_range: list[int] | None = None,
        old_str: str | None = None,
        new_str: str | None = None,
        insert_line: int | str | None = None,
    ) -> tuple[str, _Contents]:
        """Return what the agent sees, and the file's contents before and after."""
        try:
            line = _line_number(insert_line)
            self._validate_path(command, Path(path))
            if command == "view":
                return self._view(Path(path), view_range), (None, None)
            if command == "create":
                return self._create(Path(path), _required("file_text", file_text, command))
            if command == "str_replace":
                return self._str_replace(Path(path), _required("old_str", old_str, command), new_str)
            if command == "insert":
                line = _required("insert_line", line, command)
                return self._insert(Path(path), line, _required("new_str", new_str, command))
            if command == "undo_edit":
                return self._undo(Path(path))
            allowed = ", ".join(_COMMANDS)
            raise EditorError(
                f"Unrecognized command {command}. The allowed commands for the oh_editor tool are: {allowed}"
            )
        except EditorError as error:
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
        real = self._real(path)
        if command == "create" and real.exists():
            raise _invalid(
                "path", path, f"File already exists at: {path}. Cannot overwrite files using command `create`."
            )
        if command != "create" and not real.exists():
            raise _invalid("path", path, f"The path {path} does not exist. Please provide a valid path.")
        if command == "view":
            return
        if real.is_dir():
            raise _invalid(
                "path",
                path,
                f"The path {path} is a directory and only the `view` command can be used on directories.",
            )
        if path.suffix.lower() in _DOCUMENTS:
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
            return _view_folder(path, real)
        self._validate_file(path)
        if path.suffix.lower() in _DOCUMENTS:
            return _view_document(path, real)
        text = self._read(path)
        if not view_range:
            return _numbered(text, str(path))
        lines = _file_lines(text)
        start, end, note = _checked_range(view_range, len(lines))
        return note + _numbered("\n".join("".join(lines[start - 1 : end]).splitlines()), str(path), start)

    def _create(self, path: Path, text: str) -> tuple[str, _Contents]:
        self._write(path, text, "utf-8")
        self._history[str(path)].append(text)
        return f"File created successfully at: {path}", (None, text)

    def _str_replace(self, path: Path, old: str, new: str | None) -> tuple[str, _Contents]:
        if new == old:
            hint = "No replacement was performed. `new_str` and `old_str` must be different."
            raise _invalid("new_str", new, hint)
        encoding = self._encoding(path)
        text, new = self._read(path), new or ""
        if old not in text:
            old, new = old.strip(), new.strip()
        offsets = _occurrences(text, old)
        if not offsets:
            raise EditorError(f"No replacement was performed, old_str `{old}` did not appear verbatim in {path}.")
        if len(offsets) > 1:
            lines = sorted({text.count("\n", 0, offset) + 1 for offset in offsets})
            raise EditorError(
                f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines {lines}. "
                "Please ensure it is unique."
            )
        offset = offsets[0]
        line = text.count("\n", 0, offset) + 1
        changed = text[:offset] + new + text[offset + len(old) :]
        self._write(path, changed, encoding)
        self._history[str(path)].append(text)
        start = max(0, line - CONTEXT_LINES)
        snippet = _lines(changed, start, line + CONTEXT_LINES + new.count("\n"))
        shown = (
            f"The file {path} has been edited. {_numbered(snippet, f'a snippet of {path}', start + 1)}"
            "Review the changes and make sure they are as expected. Edit the file again if necessary."
        )
        return shown, (text, changed)

    def _insert(self, path: Path, line: int, new: str) -> tuple[str, _Contents]:
        encoding = self._encoding(path)
        text = self._read(path)
        lines = _file_lines(text)
        if not 0 <= line <= len(lines):
            hint = f"It should be within the range of allowed values: {[0, len(lines)]}"
            raise _invalid("insert_line", line, hint)
        new_lines = new.split("\n")
        changed = "".join([*lines[:line], *(f"{each}\n" for each in new_lines), *lines[line:]])
        self._write(path, changed, encoding)
        self._history[str(path)].append(text)
        start = max(0, line - CONTEXT_LINES)
        snippet = _lines(changed, start, min(len(lines) + len(new_lines), line + CONTEXT_LINES + len(new_lines)))
        numbered = _numbered(snippet, "a snippet of the edited file", max(1, line - CONTEXT_LINES + 1))
        shown = (
            f"The file {path} has been edited. {numbered}Review the changes and make sure they are as expected "
            "(correct indentation, no duplicate lines, etc). Edit the file again if necessary."
        )
        return shown, (text, changed)

    def _undo(self, path: Path) -> tuple[str, _Contents]:
        current, encoding = self._read(path), self._encoding(path)
        if not self._history[str(path)]:
            raise EditorError(f"No edit history found for {path}.")
        old = self._history[str(path)].pop()
        self._write(path, old, encoding)
        return f"Last edit to {path} undone successfully. {_numbered(old, str(path))}", (current, old)

    def _validate_file(self, path: Path) -> None:
        from openhands_ray.worker.files import is_binary

        real = self._real(path)
        if not real.is_file():
            return
        size = real.stat().st_size
        if size > MAX_FILE_BYTES:
            raise EditorError(
                f"File validation failed for {path}: File is too large ({size / 1024 / 1024:.1f}MB). "
                f"Maximum allowed size is {MAX_FILE_BYTES // 1024 // 1024}MB."
            )
        if path.suffix.lower() not in _DOCUMENTS and is_binary(str(real)):
            raise EditorError(
                f"File validation failed for {path}: File appears to be binary and this file type cannot be read or "
                "edited by this tool."
            )

    def _encoding(self, path: Path) -> str:
        """Return the encoding that a file seems to have: UTF-8 unless its bytes clearly say otherwise."""
        with open(self._real(path), "rb") as file:
            sample = file.read(ENCODING_SAMPLE_BYTES)
        if sample.isascii():
            return "utf-8"
        import charset_normalizer

        found = charset_normalizer.detect(sample)
        encoding, confidence = found["encoding"], found["confidence"]
        if encoding is None or not isinstance(confidence, float) or confidence <= 0.9:
            return "utf-8"
        return "utf-8" if str(encoding).lower() == "ascii" else str(encoding)

    def _read(self, path: Path) -> str:
        self._validate_file(path)
        try:
            with open(self._real(path), encoding=self._encoding(path)) as file:
                return file.read()
        except (OSError, ValueError) as error:
            raise EditorError(f"Ran into {error} while trying to read {path}") from None

    def _write(self, path: Path, text: str, encoding: str) -> None:
        try:
            data = text.encode(encoding)  # before the file is emptied: it may not be possible
            with open(self._real(path), "wb") as file:
                file.write(data)
        except (OSError, ValueError) as error:
            raise EditorError(f"Ran into {error} while trying to write to {path}") from None


def _required[T](name: str, value: T | None, command: str) -> T:
    if value is None:
        raise EditorError(f"Parameter `{name}` is required for command: {command}.")
    return value


def _invalid(name: str, value: object, hint: str) -> EditorError:
    return EditorError(f"Invalid `{name}` parameter: {value}. {hint}")


def _line_number(value: int | str | None) -> int | None:
    try:
        return None if value is None else int(value)
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


def _occurrences(text: str, part: str) -> list[int]:
    """Return where ``part`` begins in ``text``, without overlaps; an empty one begins everywhere."""
    if not part:
        return list(range(len(text) + 1))
    offsets, offset = [], text.find(part)
    while offset >= 0:
        offsets.append(offset)
        offset = text.find(part, offset + len(part))
    return offsets


def _file_lines(text: str) -> list[str]:
    """Split as reading a file line by line does: at newlines alone."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _lines(text: str, start: int, end: int) -> str:
    return "".join(_file_lines(text)[start:end])


def _clip(text: str, note: str) -> str:
    return text if len(text) <= MAX_VIEW_CHARS else text[:MAX_VIEW_CHARS] + note


def _numbered(text: str, description: str, start: int = 1) -> str:
    lines = _clip(text, _TEXT_CLIPPED).split("\n")
    numbered = "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, start))
    return f"Here's the result of running `cat -n` on {description}:\n{numbered}\n"


def _view_folder(path: Path, real: Path) -> str:
    """List a folder two levels deep, without hidden names."""
    hidden = sum(1 for name in os.listdir(real) if name.startswith("."))
    found = [str(path)]
    for name in _visible(real):
        found.append(f"{path}/{name}".replace("//", "/"))
        if (real / name).is_dir():
            found.extend(f"{path}/{name}/{child}".replace("//", "/") for child in _visible(real / name))
    listing = _clip("\n".join(sorted(found)), _FOLDER_CLIPPED)
    prefix = len(str(path))
    entries = [f"{each}/" if os.path.isdir(f"{real}{each[prefix:]}") else each for each in listing.split("\n")]
    shown = f"Here's the files and directories up to 2 levels deep in {path}, excluding hidden items:\n"
    shown += "\n".join(entries)
    if hidden:
        shown += (
            f"\n\n{hidden} hidden files/directories in this directory are excluded. "
            f"You can use 'ls -la {path}' to see them."
        )
    return shown


def _visible(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError:
        return []


def _view_document(path: Path, real: Path) -> str:
    try:
        from openhands_aci.editor.md_converter import MarkdownConverter

        text = MarkdownConverter().convert(str(real)).text_content
    except Exception as error:  # a converter raises whatever its document's library raises
        raise EditorError(
            f"Error in converting file to Markdown: {error}. Please use Python code to read {path}"
        ) from None
    return f"Here's the content of the file {path} displayed in Markdown format:\n{_clip(text, _DOCUMENT_CLIPPED)}\n"


def _diff(old: str | None, new: str | None, path: str) -> str:
    lines = difflib.unified_diff((old or "").split("\n"), (new or "").split("\n"), path, path, n=0)
    return "\n".join(line.rstrip() for line in lines)
