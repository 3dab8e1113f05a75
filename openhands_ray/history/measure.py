"""Runs of a benchmark at commits, made by asv: its environments, its builds, its runner.

What ``asv run`` puts together in its command is put together here from the same classes, as ``asv find`` does, so that
a run is one process of one benchmark at one commit. asv's results are not touched: it is given none to write.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asv import util
from asv.results import Results
from asv.runner import run_benchmarks

from openhands_ray.history.errors import ConfigurationMissing, HuntRunning
from openhands_ray.history.project import Project, last_line, raise_if_interrupted
from openhands_ray.history.runs import Failure, Journal, Run

Check = Callable[[], None]


class AsvMeasurer:
    """Makes runs, or takes them from the journal.

    Args:
        project: what is measured.
        selected: asv's object for the benchmark.
        journal: where runs are kept.
        attributes: of the benchmark, which asv's ``--attribute`` would override.
        launch_method: asv's; None for its default.
        check: called between runs; raises KeyboardInterrupt where one was asked for.
    """

    def __init__(
        self,
        project: Project,
        selected: Any,
        journal: Journal,
        attributes: Mapping[str, Any] | None = None,
        launch_method: str | None = None,
        check: Check = lambda: None,
    ) -> None:
        self._project = project
        self._selected = selected
        self._journal = journal
        self._attributes = {**(attributes or {}), "rounds": 1}
        self._launch_method = launch_method
        self._check = check
        self.made = 0
        self.spent_s = 0.0

    def run(self, commit: str) -> Run:
        """Makes the next run at a commit.

        Raises:
            KeyboardInterrupt: also where asv has made an error of its own of it.
        """
        if (kept := self._journal.next(commit)) is not None:
            return kept
        self._check()
        started_at, start = time.time(), time.perf_counter()
        run = self._measure(commit)
        duration_s = time.perf_counter() - start
        run = Run(commit, run.value, run.samples, run.failure, run.message, duration_s, started_at)
        self._journal.append(run)
        self.made += 1
        self.spent_s += duration_s
        return run

    def _measure(self, commit: str) -> Run:
        project = self._project
        try:
            project.environment.create()
            project.environment.install_project(project.conf, project.repo, commit)
        except (util.UserError, util.ProcessError, OSError) as error:
            raise_if_interrupted(error)
            return Run(commit, failure=Failure.BUILD, message=_reason(error))
        try:
            results = run_benchmarks(
                self._selected,
                project.environment,
                results=Results.unnamed(),
                extra_params=self._attributes,
                record_samples=True,
                launch_method=self._launch_method,
            )
        except util.UserError as error:
            raise_if_interrupted(error)
            return Run(commit, failure=Failure.RUN, message=_reason(error))
        return self._read(commit, results)

    def _read(self, commit: str, results: Any) -> Run:
        ((name, entry),) = self._selected.items()
        index = (self._selected.benchmark_selection[name] or [0])[0]
        value = results.get_result_value(name, entry["params"])[index]
        if value is None:
            timed_out = results.errcode.get(name) == util.TIMEOUT_RETCODE
            message = last_line(results.stderr.get(name) or "")
            return Run(commit, failure=Failure.TIMEOUT if timed_out else Failure.RUN, message=message)
        if math.isnan(value):
            return Run(commit, failure=Failure.SKIPPED)
        samples = results.get_result_samples(name, entry["params"])[index]
        return Run(commit, float(value), tuple(samples or (value,)))


@contextlib.contextmanager
def in_folder_of(configuration: Path) -> Iterator[None]:
    """Works in the folder of the configuration, as asv does, with what asv prints kept from the terminal."""
    folder = configuration.resolve().parent
    if not configuration.exists():
        raise ConfigurationMissing(
            f"There is no {configuration}. Start the command where asv.conf.json lies, or give --config."
        )
    with contextlib.chdir(folder):
        yield


@contextlib.contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Sends what asv says to a file. asv speaks through the root logger, and prints its dots."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    level = root.level
    with path.open("a", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(level)


@contextlib.contextmanager
def interruptible() -> Iterator[Check]:
    """Lets Ctrl-C, and a request to end, raise KeyboardInterrupt, also where the parent has had them ignored.

    Python drops an exception that a signal raises while it forks: asv's processes have it run code of ``logging`` then,
    whose errors are only printed. So what is yielded has to be called now and then: it raises what was dropped.
    """
    asked = False

    def interrupt(number: int, frame: object) -> None:
        nonlocal asked
        asked = True
        raise KeyboardInterrupt

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    handlers = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield check
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Refuses to hunt where another hunt does: both would install commits into the same environment.

    Raises:
        HuntRunning: there is one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise HuntRunning(f"Another hunt is running in {folder.parent.parent}: wait for it, or end it.") from error
        yield


def _reason(error: BaseException) -> str:
    """Returns the last line of what a command wrote, or else of the error itself."""
    written = [getattr(error, name, "") or "" for name in ("stderr", "stdout")]
    return next((line for text in (*written, str(error)) if (line := last_line(text))), type(error).__name__)
