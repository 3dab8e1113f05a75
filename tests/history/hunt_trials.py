"""Hunts on scratch histories with planted changes: real commits, real runs by asv, and the table of ``docs/hunt.md``.

Usage: ``python tests/history/hunt_trials.py [--repeat N] [--only CASE]`` measures anew and then writes the table;
``--table`` only writes it. Each hunt takes some ten seconds to a minute. For the rise of a value, ``asv find`` hunts in
the same history for comparison.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from scratch import Scratch

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tests/data/hunt_trials.json"
DOCUMENT = ROOT / "docs/hunt.md"
BEGIN, END = "<!-- trials: begin -->", "<!-- trials: end -->"

WORK = "toy_benchmarks.Work.time_work"
FAILURES = "toy_benchmarks.Work.track_failures"
COMMITS = 16


@dataclass
class Planted:
    """A history in which it is known what is to be found.

    Attributes:
        good: the good end.
        suspects: those that are to be named; empty where nobody is.
        merge: what is right for one who follows first parents only, where that is another.
        answers: the results that are right.
    """

    good: str
    suspects: list[str] = field(default_factory=list)
    answers: tuple[str, ...] = ("found",)
    merge: str | None = None


@dataclass(frozen=True)
class Case:
    """A kind of history.

    Attributes:
        title: what is planted.
        plant: makes the history; the place is drawn.
        benchmark: which is hunted.
        options: of the hunt.
        candidates: how many commits may be the culprit.
    """

    title: str
    plant: Callable[[Scratch, random.Random], Planted]
    benchmark: str = WORK
    options: tuple[str, ...] = ()
    candidates: int = COMMITS


def slower(factor: float, candidates: int = COMMITS, place: int | None = None) -> Callable[..., Planted]:
    def plant(scratch: Scratch, chance: random.Random) -> Planted:
        culprit = place or chance.randint(1, candidates)
        commits = [scratch.commit(factor if index >= culprit else 1.0) for index in range(candidates + 1)]
        return Planted(commits[0], [commits[culprit]])

    return plant


def nothing(scratch: Scratch, chance: random.Random) -> Planted:
    commits = [scratch.commit() for _ in range(COMMITS + 1)]
    return Planted(commits[0], answers=("no regression",))


def recovering(scratch: Scratch, chance: random.Random) -> Planted:
    begin, end = chance.randint(1, 8), chance.randint(9, COMMITS)
    commits = [scratch.commit(2.0 if begin <= index < end else 1.0) for index in range(COMMITS + 1)]
    return Planted(commits[0], answers=("no regression",))


def recovering_in_part(scratch: Scratch, chance: random.Random) -> Planted:
    begin, end = chance.randint(1, 7), chance.randint(10, COMMITS)
    levels = [1.0 if index < begin else 2.0 if index < end else 1.4 for index in range(COMMITS + 1)]
    commits = [scratch.commit(level) for level in levels]
    return Planted(commits[0], [commits[begin]])


def gradual(scratch: Scratch, chance: random.Random) -> Planted:
    commits = [scratch.commit(1.03**index) for index in range(COMMITS + 1)]
    return Planted(commits[0], answers=("undecided",))


def in_a_merge(scratch: Scratch, chance: random.Random) -> Planted:
    before = chance.randint(2, COMMITS - 2)
    commits = [scratch.commit() for _ in range(before)]
    culprit = chance.randint(0, 7)
    branch, merge = scratch.branch([1.5 if index >= culprit else 1.0 for index in range(8)])
    for _ in range(COMMITS - before):
        scratch.commit(1.5)
    return Planted(commits[0], [branch[culprit]], merge=merge)


def beside_broken(scratch: Scratch, chance: random.Random) -> Planted:
    culprit = chance.randint(2, COMMITS)
    broken = {index for index in range(1, COMMITS) if chance.random() < 0.3} - {culprit, culprit - 1}
    return _with_broken(scratch, culprit, broken)


def behind_broken(scratch: Scratch, chance: random.Random) -> Planted:
    culprit = chance.randint(3, COMMITS)
    return _with_broken(scratch, culprit, {culprit - 1, culprit - 2})


def _with_broken(scratch: Scratch, culprit: int, broken: set[int]) -> Planted:
    commits = [scratch.commit(1.5 if index >= culprit else 1.0, broken=index in broken) for index in range(COMMITS + 1)]
    first = next(index for index in range(culprit, 0, -1) if index - 1 not in broken)
    return Planted(commits[0], commits[first : culprit + 1])


def faster(scratch: Scratch, chance: random.Random) -> Planted:
    return slower(0.7)(scratch, chance)


def rising_rate(scratch: Scratch, chance: random.Random) -> Planted:
    culprit = chance.randint(1, COMMITS)
    commits = [scratch.commit(failures=5 if index >= culprit else 0) for index in range(COMMITS + 1)]
    return Planted(commits[0], [commits[culprit]])


def failing(scratch: Scratch, chance: random.Random) -> Planted:
    culprit = chance.randint(1, COMMITS)
    commits = [scratch.commit(failing=index >= culprit) for index in range(COMMITS + 1)]
    return Planted(commits[0], [commits[culprit]])


CASES = {
    "none": Case("nothing", nothing),
    "1.1": Case("1.1 times", slower(1.1)),
    "1.25": Case("1.25 times", slower(1.25)),
    "2": Case("2 times", slower(2.0)),
    "many": Case("1.5 times, among 64 commits", slower(1.5, 64), candidates=64),
    "first": Case("1.5 times, in the first commit", slower(1.5, place=1)),
    "merge": Case("1.5 times, in a commit of a merged branch", in_a_merge, options=("--into-merges",)),
    "broken": Case("1.5 times, a third of the commits cannot be built", beside_broken),
    "hidden": Case("1.5 times, right behind two that cannot be built", behind_broken),
    "recovers": Case("2 times, and back again", recovering),
    "partly": Case("2 times, later 1.4 times", recovering_in_part),
    "gradual": Case("1.03 times at each commit", gradual),
    "faster": Case("0.7 times (`--decrease`)", faster, options=("--decrease",)),
    "rate": Case("failures, 0 to 5 % (`--above 0`)", rising_rate, FAILURES, ("--above", "0")),
    "failing": Case("the benchmark fails (`--failing`)", failing, options=("--failing",)),
}


@dataclass
class Trial:
    """A hunt and its judgement: ``right``, ``refused`` (nobody is named where one should be), or ``wrong``."""

    case: str
    seed: int
    verdict: str
    result: str
    asv_find: str | None
    commits: int
    runs: int
    seconds: float
    ratio: float | None
    load: float


def run(case: str, seed: int) -> Trial:
    kind = CASES[case]
    with tempfile.TemporaryDirectory(prefix="hunt-") as folder:
        scratch = Scratch(Path(folder) / "project")
        planted = kind.plant(scratch, random.Random(f"{case} {seed}"))
        load, start = os.getloadavg()[0], time.perf_counter()
        _, found = scratch.hunt(f"{planted.good}..main", kind.benchmark, *kind.options)
        seconds = time.perf_counter() - start
        compared = kind.benchmark == WORK and not {"--failing", "--decrease"} & {*kind.options}
        return Trial(
            case,
            seed,
            _judge(planted, found),
            found["result"],
            _judge_asv(planted, _asv_find(scratch, planted, kind)) if compared else None,
            found["commits_measured"],
            found["runs"],
            round(seconds, 1),
            ((found["step"] or found["ends"])["ratio"] or {}).get("estimate"),
            round(load, 1),
        )


def _judge(planted: Planted, found: dict[str, Any]) -> str:
    if found["result"] in planted.answers and (found["result"] != "found" or found["suspects"] == planted.suspects):
        return "right"
    return "wrong" if found["result"] == "found" else "refused"


def _asv_find(scratch: Scratch, planted: Planted, kind: Case) -> str | None:
    """Returns the short hash that ``asv find`` names; None where it gives up."""
    answer = subprocess.run(
        [sys.executable, "-m", "asv", "find", f"{planted.good}..main", f"^{kind.benchmark}$", "--skip-save"],
        cwd=scratch.folder,
        env=scratch.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    named = re.search(r"Greatest regression found: (\w{8})", answer.stdout)
    return named[1] if named else None


def _judge_asv(planted: Planted, named: str | None) -> str:
    if named is None:
        return "gave up"
    wanted = [planted.merge] if planted.merge else planted.suspects
    return "right" if [each[:8] for each in wanted] == [named] else "wrong"


def measure(cases: list[str], repeat: int) -> None:
    """Measures and keeps every hunt as soon as it has ended; those of the same case before are replaced."""
    kept = [trial for trial in _load() if trial["case"] not in cases]
    for seed in range(repeat):
        for case in cases:
            trial = run(case, seed)
            print(trial, flush=True)
            kept.append(asdict(trial))
            RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


def _load() -> list[dict[str, Any]]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def table() -> str:
    """Returns the table, a line for each case."""
    trials = [Trial(**each) for each in _load()]
    lines = [
        "| planted | hunts | right | nobody named | wrong | `asv find` right | commits measured (allowed) "
        "| runs | seconds | size found | load |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case, kind in CASES.items():
        own = [trial for trial in trials if trial.case == case]
        if own:
            lines.append(_line(kind, own))
    return "\n".join(lines)


def _line(kind: Case, own: list[Trial]) -> str:
    verdicts = [trial.verdict for trial in own]
    asv = [trial.asv_find for trial in own if trial.asv_find]
    ratios = [trial.ratio for trial in own if trial.ratio is not None]
    allowed = "" if "--into-merges" in kind.options else f" ({math.floor(math.log2(kind.candidates) + 3)})"
    cells = [
        kind.title,
        str(len(own)),
        *(str(verdicts.count(verdict)) for verdict in ("right", "refused", "wrong")),
        f"{asv.count('right')} of {len(asv)}" if asv else "-",
        f"{min(t.commits for t in own)} to {max(t.commits for t in own)}{allowed}",
        f"{median(t.runs for t in own):.0f}",
        f"{median(t.seconds for t in own):.0f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else "-",
        f"{min(t.load for t in own):.0f} to {max(t.load for t in own):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def write_table() -> None:
    """Puts the table between its marks in the document."""
    text = DOCUMENT.read_text("utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", action="append", choices=CASES, help="default: all")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if not options.table:
        measure(options.only or list(CASES), options.repeat)
    write_table()
