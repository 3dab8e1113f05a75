"""What ``undo_edit`` goes back to: the former texts of each file."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict, deque

#: Edits of one file that can be undone. From OpenHands' editor.
MAX_UNDO = 10

#: Characters from which on a text is kept in a file, so that memory stays small however much is edited.
_LARGE = 64 * 1024


class Undo:
    """The former texts, the newest last, of each path."""

    def __init__(self) -> None:
        self._texts: defaultdict[str, deque[str | _Stored]] = defaultdict(deque)
        self._folder: str | None = None

    def add(self, path: str, text: str) -> None:
        """Keep a text; the oldest of more than ``MAX_UNDO`` goes."""
        texts = self._texts[path]
        texts.append(self._store(text) if len(text) > _LARGE else text)
        if len(texts) > MAX_UNDO:
            _forget(texts.popleft())

    def last(self, path: str) -> str | None:
        """Return the newest text, or None where there is none, or where somebody has removed its file."""
        texts = self._texts.get(path)
        if not texts:
            return None
        newest = texts[-1]
        return newest.text() if isinstance(newest, _Stored) else newest

    def drop(self, path: str) -> None:
        """Forget the newest text."""
        _forget(self._texts[path].pop())

    def _store(self, text: str) -> _Stored:
        if self._folder is None or not os.path.isdir(self._folder):
            self._folder = tempfile.mkdtemp(prefix="oh_editor_history_")
        return _Stored(self._folder, text)


class _Stored:
    """A text in a file."""

    def __init__(self, folder: str, text: str) -> None:
        fd, self._path = tempfile.mkstemp(dir=folder)
        with os.fdopen(fd, "wb") as file:
            file.write(text.encode("utf-8", "surrogatepass"))

    def text(self) -> str | None:
        try:
            with open(self._path, "rb") as file:
                return file.read().decode("utf-8", "surrogatepass")
        except FileNotFoundError:
            return None

    def remove(self) -> None:
        if os.path.exists(self._path):
            os.unlink(self._path)


def _forget(text: str | _Stored) -> None:
    if isinstance(text, _Stored):
        text.remove()
