"""The hunt for the commit: the range, the search in it, and in the merges of it, and the answer.

What is statistics lies in ``question`` and ``rank``, what is search in ``search``, what is asv in ``measure``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from openhands_ray.history.errors import EmptyRange, NotMeasurable
from openhands_ray.history.measure import AsvMeasurer, Check, alone, in_folder_of, interruptible, logged_to
from openhands_ray.history.project import Benchmark, Project
from openhands_ray.history.question import Change, Failing, Limit, Question
from openhands_ray.history.runs import Journal
from openhands_ray.history.search import Effort, NothingMeasurable, Outcome, Result, Search


@dataclass(frozen=True)
class Wanted:
    """What a hunt is to find, and how.

    Attributes:
        range: of commits, as ``git rev-list`` takes it.
        benchmark: its name, or a regular expression that only it matches.
        configuration: path of ``asv.conf.json``.
        above: hunt the first commit whose value exceeds this.
        below: hunt the first whose value falls below this.
        failing: hunt the first at which the benchmark fails.
        decrease: hunt a fall of the value instead of a rise.
        smallest: the least relative change that counts.
        effort: how sure, how patient.
        into_merges: whether to go on within the branch where a merge is found.
        machine: asv's name of it.
        environment: asv's name of it.
        attributes: of the benchmark, to be overridden.
        launch_method: asv's.
        again: whether to discard the runs of an earlier hunt for the same.
    """

    range: str
    benchmark: str
    configuration: Path = Path("asv.conf.json")
    above: float | None = None
    below: float | None = None
    failing: bool = False
    decrease: bool = False
    smallest: float = 0.05
    effort: Effort = Effort()  # noqa: RUF009  it is frozen
    into_merges: bool = False
    machine: str | None = None
    environment: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    launch_method: str | None = None
    again: bool = False

    def question(self, benchmark: Benchmark) -> Question:
        timeout_s = benchmark.timeout_s if benchmark.kind == "time" else None
        if self.failing:
            return Failing()
        if self.above is not None:
            return Limit(self.above, timeout_s=timeout_s)
        if self.below is not None:
            return Limit(self.below, below=True, timeout_s=timeout_s)
        return Change(self.smallest, self.decrease, timeout_s)


@dataclass
class Hunt:
    """A hunt that has ended.

    Attributes:
        wanted: what was asked.
        benchmark: which was measured.
        machine: asv's name of it.
        environment: asv's name of it.
        commits: the good end and the candidates, oldest first.
        outcome: of the range; of the innermost branch where merges were followed.
        merges: those that were followed, outermost first.
        notes: what else is to be known.
        subjects: the first line of the message of each commit of the answer.
        kept: how many runs were there from an earlier hunt.
        made: how many were made now.
        spent_s: by them.
        folder: of the hunt.
        suggestion: what to try where nothing was found.
    """

    wanted: Wanted
    benchmark: Benchmark
    machine: str
    environment: str
    commits: Sequence[str]
    outcome: Outcome
    merges: list[str]
    notes: list[str]
    subjects: dict[str, str]
    kept: int
    made: int
    spent_s: float
    folder: Path
    suggestion: str | None = None


class Observer(Protocol):
    """Is told how a hunt gets on."""

    def begins(self, commits: Sequence[str], benchmark: Benchmark, kept: int, folder: Path) -> None: ...

    def measures(self, commit: str, purpose: str, runs_left: int, spent_s: float, made: int) -> None:
        """Called before each run that is really made.

        Args:
            commit: the full hash.
            purpose: what it is for.
            runs_left: how many are expected from here.
            spent_s: what those so far have taken.
            made: how many those are.
        """


def hunt(wanted: Wanted, observer: Observer) -> Hunt:
    """Hunts.

    Raises:
        HistoryError: it cannot be started, or nothing can be measured.
        KeyboardInterrupt: by Ctrl-C or SIGTERM; the same call goes on where this one ended.
    """
    with in_folder_of(wanted.configuration):
        project = Project(Path(wanted.configuration.name), wanted.machine, wanted.environment)
        with alone(project.folder), logged_to(project.folder / "asv.log"), interruptible() as check:
            return _hunt(wanted, project, observer, check)


def _hunt(wanted: Wanted, project: Project, observer: Observer, check: Check) -> Hunt:
    notes = list(project.notes)
    commits = _line(project, wanted.range, notes)
    benchmark, selected = project.benchmark(wanted.benchmark, [commits[-1], commits[0], commits[len(commits) // 2]])
    question = wanted.question(benchmark)
    stored = project.stored(benchmark, selected)
    journal = _journal(wanted, project, benchmark, commits)
    measurer = AsvMeasurer(project, selected, journal, wanted.attributes, wanted.launch_method, check)
    observer.begins(commits, benchmark, journal.kept, journal.folder)

    def notify(commit: str, purpose: str, runs_left: int) -> None:
        if not journal.holds(commit):
            observer.measures(commit, purpose, runs_left, measurer.spent_s, measurer.made)

    kept = journal.kept
    search = Search(question, measurer, wanted.effort, stored, notify)
    try:
        outcome = search.among(commits)
        merges: list[str] = []
        if wanted.into_merges:
            outcome, merges = _into_merges(project, search, outcome, notes)
    except NothingMeasurable as error:
        failure = error.run.failure or "no value"
        raise NotMeasurable(
            f"Commit {error.run.commit[:8]} and those beside it give no value ({failure}: {error.run.message}). "
            f"What asv said is in {project.folder / 'asv.log'}."
        ) from error
    _note_moved_ends(commits, outcome, merges, notes)
    shown = {outcome.good, outcome.bad, *outcome.suspects, *merges, *outcome.unmeasurable, *outcome.runs}
    return Hunt(
        wanted,
        benchmark,
        project.machine.machine,
        project.environment.name,
        commits,
        outcome,
        merges,
        notes,
        _subjects(Path(project.conf.repo), sorted(shown)),
        kept,
        measurer.made,
        measurer.spent_s,
        journal.folder,
        _suggestion(commits, question, outcome, stored),
    )


def _line(project: Project, range_: str, notes: list[str]) -> list[str]:
    """Returns the good end and the candidates after it, oldest first.

    As in git, ``A..B`` holds all that came after A, up to B, so any of these may be the culprit; A is the good end.
    """
    candidates = project.commits(range_)
    if not candidates:
        older, dots, newer = range_.partition("..")
        swapped = dots and project.commits(f"{newer.lstrip('.') or 'HEAD'}..{older or 'HEAD'}")
        hint = f" Its ends are swapped: try {newer or 'HEAD'}..{older or 'HEAD'}." if swapped else ""
        raise EmptyRange(f"The range {range_!r} holds no commit.{hint}")
    good = project.parent(candidates[0])
    if good is None:
        if len(candidates) == 1:
            raise EmptyRange(f"The range {range_!r} holds nothing but a first commit, which has none to compare with.")
        notes.append("The range goes back to the first commit of the repository, which is taken for the good end.")
        return candidates
    return [good, *candidates]


def _journal(wanted: Wanted, project: Project, benchmark: Benchmark, commits: Sequence[str]) -> Journal:
    key = {
        "good": commits[0],
        "bad": commits[-1],
        "benchmark": benchmark.name,
        "version": benchmark.version,
        "machine": project.machine.machine,
        "environment": project.environment.name,
        "attributes": {name: str(value) for name, value in wanted.attributes.items()},
        "launch_method": wanted.launch_method,
    }
    journal = Journal(project.folder, key)
    if wanted.again:
        journal.forget()
    return journal


def _into_merges(project: Project, search: Search, outcome: Outcome, notes: list[str]) -> tuple[Outcome, list[str]]:
    """Searches the branch that a merge has brought in, and so on while a merge is the answer."""
    merges: list[str] = []
    while outcome.result is Result.FOUND and len(outcome.suspects) == 1:
        merge = outcome.suspects[0]
        if merge in merges:
            break
        inner = None
        for line in _branches(project, merge):
            inner = search.among(line)
            if inner.result is not Result.NONE:
                break
        if inner is None:
            break
        if inner.result is not Result.FOUND:
            notes.append(
                f"Merge {merge[:8]} is the answer; within its branch no single commit is, since the branch was "
                "like that where it began, or because what both sides did is slow only together."
            )
            break
        merges.append(merge)
        outcome = inner
    return outcome, merges


def _branches(project: Project, merge: str) -> Iterator[list[str]]:
    """Yields, for each branch that a merge has brought in, where it began, its commits, and the merge."""
    main, number = project.parent(merge), 2
    while (tip := project.parent(merge, number)) is not None:
        commits = project.commits(f"{main}..{tip}")
        began = project.parent(commits[0]) if commits else None
        if began is not None:
            yield [began, *commits, merge]
        number += 1


def _note_moved_ends(commits: Sequence[str], outcome: Outcome, merges: list[str], notes: list[str]) -> None:
    if merges:
        return
    for wanted, used, what in ((commits[0], outcome.good, "begins"), (commits[-1], outcome.bad, "ends")):
        if wanted != used:
            notes.append(
                f"Commit {wanted[:8]} cannot be measured, so the hunt {what} at {used[:8]}; what happened between "
                "the two is not known."
            )


def _suggestion(
    commits: Sequence[str], question: Question, outcome: Outcome, stored: Mapping[str, float | None]
) -> str | None:
    """Returns a range to try where the ends are alike, but a stored result in between is unlike both."""
    if outcome.result is not Result.NONE or not isinstance(question, Change):
        return None
    sign = -1 if question.decrease else 1
    values = {c: value for c in commits[1:-1] if (value := question.observe_stored(stored.get(c))) is not None}
    if not values:
        return None
    worst = max(values, key=lambda commit: sign * values[commit])
    both = (*outcome.ends.before, *outcome.ends.after)
    level = max(sign * value for value in both)
    if sign * values[worst] - level <= 0.25 * abs(level):
        return None
    return f"{commits[0][:8]}..{worst[:8]}"


def _subjects(repository: Path, commits: list[str]) -> dict[str, str]:
    """Returns the first line of the message of each commit; nothing where git cannot tell."""
    if not repository.is_dir():
        return {}
    command = ["git", "show", "--no-patch", "--format=%H%x00%s", "--stdin"]
    answer = subprocess.run(
        command, check=False, cwd=repository, input="\n".join(commits), capture_output=True, text=True
    )
    pairs = (line.partition("\0") for line in answer.stdout.splitlines() if "\0" in line)
    return {commit: subject for commit, _, subject in pairs}
