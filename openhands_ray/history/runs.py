"""One run of a benchmark at a commit, and the journal that keeps the runs of a hunt."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

JOURNAL = "runs.jsonl"


class Failure(StrEnum):
    """Why a run has no value."""

    BUILD = "cannot be built or installed"
    RUN = "the benchmark fails"
    TIMEOUT = "the benchmark times out"
    SKIPPED = "the benchmark skips itself"


@dataclass(frozen=True)
class Run:
    """What one process of a benchmark measured.

    Attributes:
        commit: the full hash.
        value: asv's result, in the benchmark's unit: of a timing the median of its samples. None where there is none.
        samples: what asv took within the process; of a ``track_`` benchmark only the value.
        failure: None where there is a value.
        message: the last line that the failing command or benchmark wrote.
        duration_s: with the installation of the commit.
        started_at: seconds since the epoch.
    """

    commit: str
    value: float | None = None
    samples: tuple[float, ...] = ()
    failure: Failure | None = None
    message: str = ""
    duration_s: float = 0.0
    started_at: float = 0.0

    @property
    def may_pass_again(self) -> bool:
        """Whether another run at this commit may end otherwise: a build or a skip would not."""
        return self.failure in (Failure.RUN, Failure.TIMEOUT)


class Journal:
    """The runs of a hunt, in the order in which they were made, one JSON object in a line.

    asv's own result files keep neither the borders between processes nor why a benchmark failed, and both are needed.
    A hunt that is started again takes its runs from here, as if it had just made them, until there are no more.

    Args:
        folder: below which each hunt has a folder.
        key: what the runs depend on; another key is another hunt.
    """

    def __init__(self, folder: Path, key: dict[str, Any]) -> None:
        text = json.dumps(key, sort_keys=True)
        name = re.sub(r"[^\w.-]+", "-", str(key.get("benchmark", "hunt"))).strip("-")[:80]
        self.folder = folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        self.path = self.folder / JOURNAL
        self._key = key
        self._replay: dict[str, deque[Run]] = defaultdict(deque)
        self._open = False
        for run in self._read():
            self._replay[run.commit].append(run)
        self.kept = sum(map(len, self._replay.values()))

    def forget(self) -> None:
        """Discards the runs that were kept."""
        self.path.unlink(missing_ok=True)
        self._replay.clear()
        self.kept = 0

    def next(self, commit: str) -> Run | None:
        """Returns the next kept run of a commit, each of them once; None where none is left."""
        return self._replay[commit].popleft() if self._replay[commit] else None

    def holds(self, commit: str) -> bool:
        """Whether ``next`` would return a run."""
        return bool(self._replay[commit])

    def append(self, run: Run) -> None:
        """Writes a run. Returns when the disk has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            if not self._open:
                self._repair(file)
            file.write(json.dumps(asdict(run)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _repair(self, file: Any) -> None:
        """Makes the end of the file the begin of a line: the last writer may have been killed within one."""
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            file.write(json.dumps({"hunt": self._key}).encode() + b"\n")
        else:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.write(b"\n")
        self._open = True

    def _read(self) -> Iterator[Run]:
        if not self.path.exists():
            return
        for line in self.path.read_text("utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # a writer was killed within the line
                continue
            if "commit" in entry:
                failure = Failure(entry["failure"]) if entry["failure"] else None
                yield Run(**entry | {"failure": failure, "samples": tuple(entry["samples"])})
