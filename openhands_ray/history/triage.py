"""Regressions that people have looked at and accepted: ``regressions.toml``, at the top of the repository.

::

    [[acknowledged]]
    benchmark = "actions.File.time_write"
    commit = "1f2e3d4c"
    reason = "A write is on disk before it is answered."

An entry holds for every machine. It counts for the commit that it names alone, so that the next regression of the same
benchmark is an open one again.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openhands_ray.history.errors import TriageInvalid

FILENAME = "regressions.toml"

_TABLE = "acknowledged"
_KEYS = ("benchmark", "commit", "reason")
_HEADING = re.compile(rf"\s*\[\[\s*{_TABLE}\s*\]\]")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class Acknowledgement:
    """One entry of the file.

    Attributes:
        benchmark: a name; without parameters it stands for all of them.
        commit: the first 7 to 40 digits of the hash of the commit that is named for the regression.
        reason: why it is accepted.
        line: of the file, where the entry starts.
    """

    benchmark: str
    commit: str
    reason: str
    line: int

    def covers(self, benchmark: str, commit: str) -> bool:
        """Whether the entry is about this regression; ``commit`` is a full hash."""
        return self.benchmark in (benchmark, benchmark.partition("(")[0]) and commit.startswith(self.commit)


@dataclass(frozen=True)
class Triage:
    """All entries of a file."""

    entries: tuple[Acknowledgement, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Triage:
        """Reads a file; one that is not there has no entries.

        Raises:
            TriageInvalid: the file is no TOML, or an entry is not as it should be.
        """
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as error:
            raise TriageInvalid(f"{path.name} cannot be read: {error}") from error
        try:
            return cls(_entries(text))
        except (tomllib.TOMLDecodeError, ValueError) as error:
            raise TriageInvalid(f"{path.name}: {error}") from error

    def acknowledged(self, benchmark: str, commit: str) -> str | None:
        """Returns why a regression is accepted; None where it is not.

        Args:
            benchmark: the name with its parameters, as asv's list of regressions has it.
            commit: the full hash of the first commit that was measured to be worse.
        """
        return next((entry.reason for entry in self.entries if entry.covers(benchmark, commit)), None)

    def idle(self, regressions: Iterable[tuple[str, str]]) -> list[Acknowledgement]:
        """Returns the entries that are about none of the regressions: misspelt, or of one that is long gone.

        Args:
            regressions: the benchmark and the commit of each, as for ``acknowledged``.
        """
        found = list(regressions)
        return [entry for entry in self.entries if not any(entry.covers(*each) for each in found)]


NOTHING_ACKNOWLEDGED = Triage()


def _entries(text: str) -> tuple[Acknowledgement, ...]:
    content = tomllib.loads(text)
    if unknown := sorted(content.keys() - {_TABLE}):
        raise ValueError(f"{unknown[0]!r} is not known here: entries are written as [[{_TABLE}]].")
    tables = content.get(_TABLE, [])
    lines = [number for number, line in enumerate(text.splitlines(), 1) if _HEADING.match(line)]
    if not isinstance(tables, list) or len(lines) != len(tables):
        raise ValueError(f"Write each entry as a table of its own, below a line [[{_TABLE}]].")
    entries = tuple(_entry(table, line) for table, line in zip(tables, lines, strict=True))
    _refuse_repetition(entries)
    return entries


def _entry(table: dict[str, Any], line: int) -> Acknowledgement:
    where = f"the entry at line {line}"
    if unknown := sorted(table.keys() - set(_KEYS)):
        raise ValueError(f"{where} has an unknown key {unknown[0]!r}; it may have {', '.join(_KEYS)}.")
    for key in _KEYS:
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise ValueError(f"{where} lacks its {key}, a text that is not empty.")
    if not _COMMIT.fullmatch(table["commit"]):
        raise ValueError(f"{where} names the commit {table['commit']!r}: give 7 to 40 digits of its hash.")
    return Acknowledgement(**table, line=line)


def _refuse_repetition(entries: tuple[Acknowledgement, ...]) -> None:
    seen: dict[tuple[str, str], int] = {}
    for entry in entries:
        first = seen.setdefault((entry.benchmark, entry.commit), entry.line)
        if first != entry.line:
            raise ValueError(f"the entry at line {entry.line} repeats the one at line {first}.")
