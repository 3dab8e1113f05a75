"""The A/A study: what the site would say of histories in which nothing has changed.

The runs of ``make aa``, all of one commit, are taken for a history. Thresholds come from the first half of them; false
alarms are counted on the second, taken at another time, and on long histories resampled from it. A slowdown is then
planted in such histories, and the smallest is found that the site always reports.

asv's own functions decide what a regression is, so what is counted here is what the site flags.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from asv._stats import get_weight
from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.results import iter_results
from asv.step_detect import detect_regressions, detect_steps
from rich.console import Console
from rich.progress import track

from openhands_ray.history import cost
from openhands_ray.history.errors import HistoryError, NoResults
from openhands_ray.history.results import parameter_labels
from openhands_ray.history.steady import SLOWNESS

#: Runs below which a study says nothing: each half needs a few.
LEAST_RUNS = 12

#: The thresholds that are tried, and the slowdowns that are planted, as relative increases.
STEPS = (0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5)

#: Commits of a long history, and how often its site is looked at: an alarm that a later look withdraws counts too.
COMMITS, LOOK_EVERY = 1000, 50

#: Runs in a row that are resampled together, so that drift stays in.
BLOCK = 3

#: Long histories from which a threshold comes; those that are then counted; histories for each planted slowdown.
TRAINING, COUNTED, PLANTED = 8, 1, 20

#: Commits of a young history and of a long one with a planted slowdown. asv takes a step for noise the sooner, the
#: shorter the history is: the price of a step that it reckons with falls with the length.
YOUNG, LONG = 50, COMMITS

#: Commits from the planted one on: where it is looked for soon, and later.
SOON, LATER = 10, 50

#: Slowdowns that are asked about.
SHARES = (0.1, 0.25, 0.5, 1.0)

#: Kinds of benchmarks, by what is in their names; the first that fits counts.
KINDS = {
    "ratios to a reference": r"\.track_ratio\b",
    "times of a ratio's two sides": r"^ratios\.",
    "memory, CPU time, failures, what is left": r"^(resources|reliability)\.|Memory\.",
    "other times": "",
}

#: How far from the planted commit asv's step may lie: between two levels that overlap no method tells it exactly.
NEARBY = 1

#: A result and its weight, which is asv's measure of how sure it is; None where a benchmark has one value for a run.
Sample = tuple[float, float | None]


@dataclass(frozen=True)
class Studied:
    """What is known of one benchmark.

    Attributes:
        name: with its parameters.
        runs: how many there are.
        spread: how far the largest of them is above the smallest, relative to it.
        threshold: the smallest that gives no alarm on the history that the first half of them makes, and on those
            resampled from it: for the site, which compares levels of several commits.
        single: the smallest that is above it, and above the difference between any two runs of that half: for the
            check, which compares one run with another.
        real: alarms on the history that the runs themselves make.
        pairs: runs of the second half that are further than ``single`` above the one before.
        alarms: on the long histories resampled from the second half.
        commits: of those histories together.
        young: the smallest slowdown of ``STEPS`` that is always found soon in a young history; None where the largest
            is not.
        soon: that in a long history.
        later: that in a long history, after more commits.
    """

    name: str
    runs: int
    spread: float
    threshold: float
    single: float
    real: int
    pairs: int
    alarms: int
    commits: int
    young: float | None
    soon: float | None
    later: float | None


def series(folder: Path) -> dict[str, list[Sample]]:
    """Returns the samples of each benchmark, in the order of the runs. Failed and skipped ones are left out.

    Args:
        folder: results of asv for one commit, each run under the name of a machine that says when it was.

    Raises:
        NoResults: there are not enough, or they are of several commits.
    """
    results = sorted(iter_results(str(folder)), key=lambda result: str(result.params["machine"]))
    if len({result.commit_hash for result in results}) != 1:
        raise NoResults(f"{folder} does not hold the runs of one commit. `make aa` makes it.")
    if len(results) < LEAST_RUNS:
        raise NoResults(f"{folder} holds {len(results)} runs, and a study needs {LEAST_RUNS}: `make aa` adds to them.")
    benchmarks = Benchmarks.load(Config.from_json({"results_dir": str(folder), "repo": "."}))
    found: dict[str, list[Sample]] = {}
    for result in results:
        for name in sorted(result.get_result_keys(benchmarks)):
            params = benchmarks[name]["params"]
            values, stats = result.get_result_value(name, params), result.get_result_stats(name, params)
            for label, value, stat in zip(parameter_labels(params), values, stats, strict=True):
                if name != SLOWNESS and value is not None and value == value:  # noqa: PLR0124 (NaN is what was skipped)
                    found.setdefault(name + label, []).append((value, get_weight(stat)))
    return found


Steps = Sequence[tuple[int, int, float, float, float]]


def _steps(history: Sequence[Sample]) -> Steps:
    found: Steps = detect_steps([value for value, _ in history], [weight for _, weight in history])
    return found


def _jumps(steps: Steps, threshold: float) -> set[int]:
    """Returns the commits at which the site says that it got worse."""
    _, _, jumps = detect_regressions(steps, threshold)
    return {after for _, after, _, _ in jumps or ()}


def resampled(samples: Sequence[Sample], length: int, chance: random.Random) -> list[Sample]:
    """Returns a history of ``length`` commits, made of blocks of runs that followed each other."""
    history: list[Sample] = []
    while len(history) < length:
        start = chance.randrange(max(1, len(samples) - BLOCK + 1))
        history += samples[start : start + BLOCK]
    return history[:length]


def looks(history: Sequence[Sample]) -> list[Steps]:
    """Returns the steps that the site finds each time it is published while the history grows."""
    return [_steps(history[:end]) for end in range(LOOK_EVERY, len(history) + 1, LOOK_EVERY)]


def alarms(seen: Sequence[Steps], threshold: float) -> int:
    """Returns at how many commits any of the looks gives an alarm."""
    return len(set().union(*(_jumps(steps, threshold) for steps in seen)))


def least_threshold(samples: Sequence[Sample], chance: random.Random) -> float:
    """Returns the smallest threshold of ``STEPS`` without an alarm, here and in long histories resampled from this."""
    resampled_looks = (look for _ in range(TRAINING) for look in looks(resampled(samples, COMMITS, chance)))
    seen = [_steps(samples), *resampled_looks]
    return next((step for step in STEPS if not alarms(seen, step)), STEPS[-1])


def _spread(samples: Sequence[Sample]) -> float:
    """Returns how far the largest value is above the smallest; infinite where that is zero."""
    values = [value for value, _ in samples]
    return max(values) / min(values) - 1 if min(values) else math.inf


def smallest_found(
    samples: Sequence[Sample], steps: Sequence[float], threshold: float, length: int, after: int, chance: random.Random
) -> float | None:
    """Returns the smallest slowdown that is found, where it is, in all of the histories in which it is planted.

    Args:
        samples: of which the histories are made.
        steps: slowdowns that are tried.
        threshold: above which the site tells it.
        length: commits of a history.
        after: commits of it that are slower, the last ones.
        chance: for the histories.
    """
    for slowdown in steps:
        if all(_found(resampled(samples, length, chance), slowdown, threshold, after) for _ in range(PLANTED)):
            return slowdown
    return None


def _found(history: list[Sample], slowdown: float, threshold: float, after: int) -> bool:
    planted = len(history) - after
    slowed = [(value * (1 + slowdown), weight) for value, weight in history[planted:]]
    return any(abs(jump - planted) <= NEARBY for jump in _jumps(_steps(history[:planted] + slowed), threshold))


def study(name: str, samples: Sequence[Sample]) -> Studied:
    """Studies one benchmark. Its chances are its own, so that the same runs give the same answer."""
    chance = random.Random(name)
    if not any(value for value, _ in samples):  # failures: whatever is not zero is worse
        return Studied(name, len(samples), 0.0, 0.0, 0.0, 0, 0, 0, COUNTED * COMMITS, 0.0, 0.0, 0.0)
    half = len(samples) // 2
    first, second = samples[:half], samples[half:]
    threshold = least_threshold(first, chance)
    single = max(threshold, next((step for step in STEPS if step >= _spread(first)), STEPS[-1]))
    steps = [step for step in STEPS if step >= threshold]
    soon = smallest_found(second, steps, threshold, LONG, SOON, chance)
    smaller = [step for step in steps if soon is None or step < soon]  # what is found soon is found later
    counted = [looks(resampled(second, COMMITS, chance)) for _ in range(COUNTED)]
    return Studied(
        name,
        len(samples),
        _spread(samples),
        threshold,
        single,
        len(_jumps(_steps(samples), threshold)),
        sum(after > (1 + single) * before for (before, _), (after, _) in pairwise(second)),
        sum(alarms(seen, threshold) for seen in counted),
        COUNTED * COMMITS,
        smallest_found(second, steps, threshold, YOUNG, SOON, chance),
        soon,
        smallest_found(second, smaller, threshold, LONG, LATER, chance) or soon,
    )


def thresholds(found: Sequence[Studied]) -> dict[str, dict[str, float]]:
    """Returns what asv.conf.json should say: of all, and for single runs of those that need more."""
    site = _keys({each.name: each.threshold for each in found})
    single = _keys({each.name: each.single for each in found})
    return {
        "regressions_thresholds": site,
        "single_run_thresholds": {key: share for key, share in single.items() if share != site.get(key)},
    }


def _keys(shares: dict[str, float]) -> dict[str, float]:
    """Returns one key for a benchmark whose parameters have the same, else one for each."""
    by_name: dict[str, dict[str, float]] = {}
    for name, share in shares.items():
        by_name.setdefault(name.partition("(")[0], {})[name] = share
    keys: dict[str, float] = {}
    for name, some in by_name.items():
        if len(set(some.values())) == 1:
            keys[_pattern(name) + r"\b"] = next(iter(some.values()))
        else:
            keys |= {_pattern(each): share for each, share in some.items()}
    return keys


def _pattern(name: str) -> str:
    return re.escape(name).replace(r"\ ", " ").replace(r"\-", "-")


_PAGE = """\
# Noise

{runs} runs of {suite} on one commit ({commit}), and what the site would say of them, though nothing has changed
between them. `make aa` makes the runs, `make aa-study` this page.

- Taken for a history of {runs} commits: the site flags {real} of {count} benchmarks.
- Histories of {length:,} commits, resampled from the second half of the runs in blocks of {block} and looked at every
  {every} commits: {alarms} alarms in {commits:,} benchmark-commits, {rate:.2f} per 1,000.
- The threshold is the smallest that gives no alarm on the history that the first half of the runs makes, and on
  {training} of {length:,} commits resampled from it. The site goes by it, which compares levels of several commits.
- `openhands-ray check` compares one run with another, and has little else to go by: for single runs, the threshold is
  also above the difference between any two runs of the first half. Each run of the second half beside the one before:
  {pairs} of {compared:,} benchmarks are above that, before any test for noise.
- The last columns are the smallest slowdowns that are always found with it, on their commit or one beside it: planted
  in {planted} histories of {young} commits, {soon} before the end, and of {long:,}, {soon} and {later} before the end.
  asv takes a step for noise that hangs together, the longer the shorter the history is, until more commits follow.

So many always find a slowdown of so much once {later} commits have followed, in the long histories; in brackets, when
only {soon} have:

| benchmarks | | {shares} |
|---|--:|{aligned}
{kinds}

| benchmark | runs | differ by | threshold | single runs | alarms per 1,000 | in {young} | in {long:,} | {later} later |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
{rows}

{machine}{cost}"""


def page(found: Sequence[Studied], folder: Path) -> str:
    """Returns ``docs/noise.md``."""
    commits, flagged = sum(each.commits for each in found), sum(each.alarms for each in found)
    return _PAGE.format(
        runs=max(each.runs for each in found),
        suite=_suite(found),
        commit=folder.name,
        real=sum(each.real > 0 for each in found),
        count=len(found),
        shares=" | ".join(map(_percent, SHARES)),
        aligned="--:|" * len(SHARES),
        kinds="\n".join(
            _kind_row(kind, some) for kind in KINDS if (some := [each for each in found if _kind(each.name) == kind])
        ),
        length=COMMITS,
        pairs=sum(each.pairs for each in found),
        compared=sum(max(0, each.runs - each.runs // 2 - 1) for each in found),
        block=BLOCK,
        every=LOOK_EVERY,
        training=TRAINING,
        alarms=flagged,
        commits=commits,
        rate=1000 * flagged / commits,
        planted=PLANTED,
        young=YOUNG,
        long=LONG,
        soon=SOON,
        later=LATER,
        rows="\n".join(map(_row, found)),
        machine=_machine(folder),
        cost=cost.section(folder),
    )


def _machine(folder: Path) -> str:
    """Returns how far the machine's own speed differed, where it was measured."""
    found = cost.values(folder, SLOWNESS)
    if not found:
        return ""
    return (
        f"The machine was {min(found):.2f} to {max(found):.2f} times as slow as the nominal one of the benchmarks' "
        f"clock, in the moment of each run in which that was looked at (`{SLOWNESS}`).\n\n"
    )


def _suite(found: Sequence[Studied]) -> str:
    modules = {each.name.partition(".")[0] for each in found}
    return "the whole suite" if len(modules) > 1 else f"`{modules.pop()}`"


def _kind(name: str) -> str:
    return next(kind for kind, pattern in KINDS.items() if re.search(pattern, name))


def _kind_row(kind: str, some: Sequence[Studied]) -> str:
    """Returns how many of these always find a slowdown of each of ``SHARES``."""
    later, soon = [each.later for each in some], [each.soon for each in some]
    counts = " | ".join(f"{_finding(share, later)} ({_finding(share, soon)})" for share in SHARES)
    return f"| {kind} | {len(some)} | {counts} |"


def _finding(share: float, smallest: Sequence[float | None]) -> int:
    return sum(each is not None and each <= share for each in smallest)


def _row(each: Studied) -> str:
    smallest = [
        "none" if found is None else "any" if found == 0 else _percent(found)
        for found in (each.young, each.soon, each.later)
    ]
    rate = f"{1000 * each.alarms / each.commits:.1f}"
    spread = _percent(round(each.spread, 3))
    limits = f"{_percent(each.threshold)} | {_percent(each.single)}"
    return f"| {each.name} | {each.runs} | {spread} | {limits} | {rate} | {' | '.join(smallest)} |"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the page; the status is 1 where there are not enough runs."""
    parser = argparse.ArgumentParser(prog="study", description="What the site would say of runs of one commit.")
    parser.add_argument("folder", type=Path, help="their results, as `make aa` keeps them: .asv/aa/COMMIT")
    parser.add_argument("--thresholds", type=Path, help="a file for what is to stand in asv.conf.json")
    options = parser.parse_args(arguments)
    try:
        samples = sorted(series(options.folder).items())
        with ProcessPoolExecutor() as pool:
            studies = pool.map(study, *zip(*samples, strict=True))
            found = list(track(studies, "Studying", len(samples), console=Console(stderr=True), transient=True))
    except HistoryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.thresholds:
        options.thresholds.write_text(json.dumps(thresholds(found), indent=4) + "\n", "utf-8")
    print(page(found, options.folder), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
