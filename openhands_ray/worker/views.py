"""What the agent's editor shows of files and folders, in the words of OpenHands' editor."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

#: Characters after which a view is cut.
MAX_VIEW_CHARS = 16_000

#: Seconds that listing a folder may take. From OpenHands' editor.
_LIST_TIMEOUT_S = 120

#: Documents that are shown converted to Markdown, and never edited.
DOCUMENTS = {".docx", ".xlsx", ".pptx", ".pdf", ".mp3", ".wav", ".m4a", ".flac"}

_CLIPPED = "<response clipped><NOTE>Due to the max output limit, only part of {} has been shown to you."
_RESPONSE_CLIPPED = _CLIPPED.format("the full response") + "</NOTE>"
_TEXT_CLIPPED = (
    _CLIPPED.format("this file") + " You should retry this tool after you have searched inside the file with `grep -n` "
    "in order to find the line numbers of what you are looking for.</NOTE>"
)
_DOCUMENT_CLIPPED = (
    _CLIPPED.format("this file") + " Please use Python libraries to view the entire file or search for specific "
    "content within the file.</NOTE>"
)
_FOLDER_CLIPPED = (
    _CLIPPED.format("this directory") + " You should use `ls -la` instead to view large directories incrementally."
    "</NOTE>"
)


class EditorError(Exception):
    """What the agent is told instead of a result."""


def numbered(text: str, description: str, start: float = 1) -> str:
    """Return the lines of ``text`` with their numbers, the first of which is ``start``."""
    lines = _clip(text, _TEXT_CLIPPED).split("\n")
    shown = "\n".join(f"{number + start:6}\t{line}" for number, line in enumerate(lines))
    return f"Here's the result of running `cat -n` on {description}:\n{shown}\n"


def folder(path: Path, real: Path) -> str:
    """List a folder two levels deep, without hidden names.

    Raises:
        EditorError: a part of it cannot be listed, as ``find`` says it.
    """
    try:
        hidden, found = _names(str(path), str(real))
    except _Unusual:
        hidden, found = _found(str(path), str(real))
    hidden = _clip(_with_newlines(hidden), _RESPONSE_CLIPPED).strip()
    count = len(hidden.split("\n")) if hidden else 0
    lines = sorted("\n".join(found).split("\n"))  # a name may have several
    listing = _clip(_with_newlines("".join(f"{each}\n" for each in lines)), _FOLDER_CLIPPED).strip()
    prefix = len(str(path))
    entries = [
        f"{each}/" if each.startswith("/") and os.path.isdir(f"{real}{each[prefix:]}") else each
        for each in listing.split("\n")
    ]
    shown = f"Here's the files and directories up to 2 levels deep in {path}, excluding hidden items:\n"
    shown += "\n".join(entries)
    if count:
        shown += (
            f"\n\n{count} hidden files/directories in this directory are excluded. "
            f"You can use 'ls -la {path}' to see them."
        )
    return shown


class _Unusual(Exception):
    """A folder holds what only ``find`` itself knows how to list: links to folders, what cannot be opened."""


def _names(path: str, real: str) -> tuple[str, list[str]]:
    """Return the hidden names in a folder as text, and the paths of the others two levels deep."""
    if path == "/":
        raise _Unusual
    hidden, found = [], [path]
    for name, is_folder in _entries(real):
        # Hidden folders too: what cannot be listed there is an error all the same.
        children = [child for child, _ in _entries(f"{real}/{name}")] if is_folder else []
        if name.startswith("."):
            hidden.append(name)
            continue
        found.append(f"{path}/{name}")
        found.extend(f"{path}/{name}/{child}" for child in children if not child.startswith("."))
    return "\n".join(hidden), found


def _entries(real: str) -> Iterator[tuple[str, bool]]:
    try:
        with os.scandir(real) as found:
            for entry in found:
                if entry.is_symlink() and not os.path.isfile(entry.path):
                    raise _Unusual
                entry.name.encode()
                yield entry.name, entry.is_dir(follow_symlinks=False)
    except (OSError, UnicodeEncodeError):
        raise _Unusual from None


def _found(path: str, real: str) -> tuple[str, list[str]]:
    """Ask ``find``, as OpenHands' editor does, but without a shell in between: a name is only a name."""
    _, hidden = _find(path, real, "-mindepth", "1", "-maxdepth", "1", "-name", ".*")
    top = "" if real == "/" else _literal(real)
    without = ("-not", "(", "-path", f"{top}/.*", "-o", "-path", f"{top}/*/.*", ")")
    if path == "/":
        without = ("-not", "(", "-path", "//.*", "-o", "-path", "//*/.*", ")")
    errors, found = _find(path, real, "-maxdepth", "2", *without)
    if errors:
        raise EditorError(_clip(_with_newlines(errors), _RESPONSE_CLIPPED))
    return hidden, found.split("\n")[:-1]


def _find(path: str, real: str, *conditions: str) -> tuple[str, str]:
    done = subprocess.run(
        ["find", "-L", real, *conditions],
        capture_output=True,
        check=False,
        timeout=_LIST_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
    )
    errors, found = (each.decode("utf-8", "backslashreplace") for each in (done.stderr, done.stdout))
    return (errors, found) if path == real else (errors.replace(real, path), found.replace(real, path))


def _literal(path: str) -> str:
    """Return a pattern that matches this path alone."""
    return "".join(f"\\{each}" if each in "*?[]\\" else each for each in path)


def document(path: Path, real: Path) -> str:
    """Show a document as Markdown.

    Raises:
        EditorError: it cannot be converted; or the converter is not installed.
    """
    try:
        text = _convert(str(real))
    except Exception as error:  # a converter raises whatever its document's library raises
        raise EditorError(
            f"Error in converting file to Markdown: {error}. Please use Python code to read {path}"
        ) from None
    return f"Here's the content of the file {path} displayed in Markdown format:\n{_clip(text, _DOCUMENT_CLIPPED)}\n"


def _convert(path: str) -> str:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    from openhands_aci.editor.md_converter import MarkdownConverter

    root.setLevel(level)  # its import turns on the debugging log of every library
    root.handlers[:] = handlers
    return str(MarkdownConverter().convert(path).text_content)


def _with_newlines(text: str) -> str:
    """Return what Python makes of the output of a program, in which every end of a line is a newline."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _clip(text: str, note: str) -> str:
    return text if len(text) <= MAX_VIEW_CHARS else text[:MAX_VIEW_CHARS] + note
