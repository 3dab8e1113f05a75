"""What a hunt tells: its progress, its answer for people and for machines, and its evidence."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from openhands_ray.history.check import format_value
from openhands_ray.history.evidence import Row, svg_plot, text_plot
from openhands_ray.history.find import Hunt
from openhands_ray.history.project import Benchmark
from openhands_ray.history.question import Change, Comparison, Failing, Limit
from openhands_ray.history.rank import Shift
from openhands_ray.history.search import Result, levels

EVIDENCE = "evidence.svg"


class Progress:
    """Tells how a hunt gets on: one line that changes on a terminal, one for each commit elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # Without a thread that refreshes it, since asv forks; what is printed goes to asv's log meanwhile.
        line = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._line = line if console.is_terminal else None
        self._said: set[tuple[str, str]] = set()
        self.folder: Path | None = None

    def begins(self, commits: Sequence[str], benchmark: Benchmark, kept: int, folder: Path) -> None:
        self.folder = folder
        candidates = len(commits) - 1
        self._say(
            f"Hunting [bold]{escape(benchmark.name)}[/bold] among {_count(candidates, 'commit')} "
            f"after {commits[0][:8]}, up to {commits[-1][:8]}"
        )
        if kept:
            self._say(f"Going on with {_count(kept, 'run')} of an earlier hunt for the same (--again discards them)")

    def measures(self, commit: str, purpose: str, runs_left: int, spent_s: float, made: int) -> None:
        text = f"measuring {commit[:8]}: {purpose}"
        if made:
            text += f", about {_duration(runs_left * spent_s / made)} left"
        if self._line is not None:
            self._line.start()
            self._line.update(Text(text), refresh=True)
        elif (purpose, commit) not in self._said:
            self._say(text)
            self._said.add((purpose, commit))

    def end(self) -> None:
        if self._line is not None:
            self._line.stop()

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def print_hunt(hunt: Hunt, console: Console) -> None:
    """Prints the answer and its evidence."""
    for line in (*_answer(hunt), *(f"Note: {escape(note)}" for note in hunt.notes)):
        console.print(line, highlight=False, soft_wrap=True)
    rows = _rows(hunt, only_pair=True)
    if rows:
        console.print("\nThe runs, one mark each:", highlight=False)
        for line in text_plot(rows, hunt.benchmark.unit, max(20, min(60, console.width - 42))):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(f"\n{_effort(hunt)}", highlight=False, soft_wrap=True)


def write_evidence(hunt: Hunt) -> Path:
    """Writes the picture of all runs, and returns its path."""
    path = hunt.folder / EVIDENCE
    path.parent.mkdir(parents=True, exist_ok=True)
    title = f"{hunt.benchmark.name}: {_headline(hunt)}"
    path.write_text(svg_plot(_rows(hunt, only_pair=False), hunt.benchmark.unit, title), "utf-8")
    return path


def as_json(hunt: Hunt) -> str:
    """Returns the answer for machines. Values are in the benchmark's unit."""
    outcome = hunt.outcome
    middle = levels(outcome)
    answer = {
        "result": outcome.result.value,
        "range": hunt.wanted.range,
        "benchmark": hunt.benchmark.name,
        "unit": hunt.benchmark.unit,
        "hunted": _hunted(hunt),
        "machine": hunt.machine,
        "environment": hunt.environment,
        "candidates": len(hunt.commits) - 1,
        "culprit": outcome.suspects[0] if outcome.result is Result.FOUND and len(outcome.suspects) == 1 else None,
        "suspects": list(outcome.suspects),
        "before": outcome.before,
        "merges": hunt.merges,
        "spread": outcome.spread,
        "confidence": _confidence(outcome.step or outcome.ends),
        "share": _finite(outcome.share),
        "ends": {"good": outcome.good, "bad": outcome.bad, **_comparison(outcome.ends)},
        "step": _comparison(outcome.step) if outcome.step else None,
        "measured": [
            {
                "commit": commit,
                "median": middle.get(commit),
                "runs": [run.value for run in runs],
                "failure": outcome.unmeasurable[commit].failure if commit in outcome.unmeasurable else None,
                "message": outcome.unmeasurable[commit].message if commit in outcome.unmeasurable else None,
            }
            for commit, runs in _in_order(hunt)
        ],
        "commits_measured": len(_measured(hunt)),
        "runs": sum(map(len, outcome.runs.values())),
        "runs_made_now": hunt.made,
        "seconds": round(hunt.spent_s, 3),
        "suggestion": hunt.suggestion,
        "notes": hunt.notes,
        "evidence": str(hunt.folder / EVIDENCE),
    }
    return json.dumps(answer, indent=2)


# -- the answer in words -----------------------------------------------------------------------------------------------


def _answer(hunt: Hunt) -> list[str]:
    outcome = hunt.outcome
    if outcome.result is Result.FOUND:
        return _found(hunt)
    if outcome.result is Result.NONE:
        return _none(hunt)
    return _undecided(hunt)


def _headline(hunt: Hunt) -> str:
    outcome = hunt.outcome
    if outcome.result is not Result.FOUND:
        return str(outcome.result.value)
    names = ", ".join(commit[:8] for commit in outcome.suspects)
    return f"the culprit is {names}" if len(outcome.suspects) == 1 else f"the culprit is one of {names}"


def _found(hunt: Hunt) -> list[str]:
    outcome = hunt.outcome
    assert outcome.step is not None
    assert outcome.before is not None
    if len(outcome.suspects) == 1:
        lines = [f"[bold red]Found:[/bold red] {_name(hunt, outcome.suspects[0])}"]
    else:
        lines = [f"[bold red]Found:[/bold red] the culprit is one of these {len(outcome.suspects)}:"]
        for commit in outcome.suspects:
            lines.append(f"  {_name(hunt, commit)}{escape(_why_not(hunt, commit))}")
    lines.append(f"  {_size(hunt, outcome.step)}, beside {_name(hunt, outcome.before)}")
    if isinstance(_question(hunt), Change) and not hunt.merges:
        lines.extend(_rest(hunt, outcome.step, outcome.before))
    number = len(outcome.step.before)
    lines.append(f"  Confidence {_percent(_confidence(outcome.step))}, by {number} runs of each, measured in turn")
    if hunt.merges:
        lines.append(f"  It came by merge {', '.join(_name(hunt, merge) for merge in hunt.merges)}")
    return lines


def _rest(hunt: Hunt, step: Comparison, before: str) -> list[str]:
    """Says what else the range holds, where the intervals of the step and of the whole change exclude one another."""
    outcome = hunt.outcome
    of_step, of_range = (_amounts(each.shift) for each in (step, outcome.ends))
    if of_step[1] < of_range[0] and outcome.share is not None:
        first, last = hunt.commits[0][:8], hunt.commits[-1][:8]
        return [
            f"  That is {outcome.share:.0%} of the whole change of the range; "
            f"there is more in {first}..{before[:8]} or {outcome.suspects[-1][:8]}..{last}"
        ]
    if of_step[0] > of_range[1]:
        return [f"  At the end of the range it has partly recovered: {_size(hunt, outcome.ends)}"]
    return []


def _amounts(shift: Shift) -> tuple[float, float]:
    """Returns the bounds of the amount of a change, whichever its direction, smaller first."""
    return (shift.lower, shift.upper) if shift.estimate > 0 else (-shift.upper, -shift.lower)


def _none(hunt: Hunt) -> list[str]:
    outcome, question = hunt.outcome, _question(hunt)
    what = {Failing: "no failure", Limit: "no crossing"}.get(type(question), "no regression")
    lines = [
        f"[bold green]There is {what} between[/bold green] {_name(hunt, outcome.good)} and {_name(hunt, outcome.bad)}"
    ]
    lines.append(f"  {_size(hunt, outcome.ends)}, by {len(outcome.ends.before)} runs of each, measured in turn")
    if isinstance(question, Change):
        lines.append(f"  A change of {question.smallest:.0%} or more would have been seen (--smallest)")
    elif sum(outcome.ends.before):
        lines.append("  It is so already at the good end: begin the range earlier")
    if hunt.suggestion:
        lines.append(f"  A stored result in between is far worse, so it has recovered since: hunt in {hunt.suggestion}")
    return lines


def _undecided(hunt: Hunt) -> list[str]:
    outcome = hunt.outcome
    lines = ["[bold yellow]Undecided:[/bold yellow] nobody is named"]
    lines.append(f"  From {_name(hunt, outcome.good)} to {_name(hunt, outcome.bad)}: {_size(hunt, outcome.ends)}")
    if outcome.step is None:
        lines.append(
            f"  {len(outcome.ends.before)} runs of each do not tell it from the noise: give it more by --rounds, "
            "quieten the machine, or look only for more by --smallest"
        )
        return lines
    suspects = " or ".join(_name(hunt, commit) for commit in outcome.suspects)
    lines.append(f"  The largest step seems to be at {suspects}: {_size(hunt, outcome.step)}")
    if outcome.spread:
        lines.append("  That is not the whole change, which comes little by little, or from the machine. The levels:")
        middle = levels(outcome)
        for commit, _ in _in_order(hunt):
            if commit in middle:
                lines.append(f"    {_name(hunt, commit)}: {format_value(middle[commit], hunt.benchmark.unit)}")
    else:
        lines.append("  The runs do not prove it: give it more by --rounds")
    return lines


def _effort(hunt: Hunt) -> str:
    outcome = hunt.outcome
    runs = sum(map(len, outcome.runs.values()))
    skipped = [commit for commit, _ in _in_order(hunt) if commit in outcome.unmeasurable]
    among = "" if hunt.merges else f" of {len(hunt.commits)}"
    text = f"{_count(len(_measured(hunt)), 'commit')} measured{among}, {_count(runs, 'run')}"
    text += f", {hunt.made} of them now in {_duration(hunt.spent_s)}."
    if skipped:
        listed = ", ".join(f"{commit[:8]}{escape(_why_not(hunt, commit))}" for commit in skipped)
        text += f"\nStepped over: {listed}."
    return f"{text}\nAll runs as a picture: {escape(str(hunt.folder / EVIDENCE))}"


# -- pieces ------------------------------------------------------------------------------------------------------------


def _question(hunt: Hunt) -> object:
    return hunt.wanted.question(hunt.benchmark)


def _hunted(hunt: Hunt) -> dict[str, Any]:
    wanted = hunt.wanted
    if wanted.failing:
        return {"kind": "failing"}
    if wanted.above is not None or wanted.below is not None:
        kind = "above" if wanted.above is not None else "below"
        return {"kind": kind, "limit": wanted.above if kind == "above" else wanted.below}
    return {"kind": "decrease" if wanted.decrease else "increase", "smallest": wanted.smallest}


def _size(hunt: Hunt, compared: Comparison) -> str:
    """Says how large a difference is, with the interval that the test gives."""
    question, unit = _question(hunt), hunt.benchmark.unit
    if isinstance(question, Change):
        before, after = (format_value(median(each), unit) for each in (compared.before, compared.after))
        ratio = compared.ratio
        if ratio is None:
            return f"from {before} to {after}, {_interval(compared.shift, unit)} more"
        return f"from {before} to {after}: {ratio.estimate:.3g} times ({ratio.lower:.3g} to {ratio.upper:.3g})"
    what = "failed" if isinstance(question, Failing) else _crossed(question, unit)
    before_count, after_count = (f"{int(sum(each))} of {len(each)}" for each in (compared.before, compared.after))
    return f"{after_count} runs {what}, against {before_count} before"


def _crossed(question: object, unit: str) -> str:
    assert isinstance(question, Limit)
    return f"{'fell below' if question.below else 'exceeded'} {format_value(question.limit, unit)}"


def _interval(shift: Shift, unit: str) -> str:
    return " ".join(
        (
            format_value(shift.estimate, unit),
            f"({format_value(shift.lower, unit)} to {format_value(shift.upper, unit)})",
        )
    )


def _name(hunt: Hunt, commit: str) -> str:
    subject = hunt.subjects.get(commit, "")
    return f"[bold]{commit[:8]}[/bold]" + (f" {escape(subject)}" if subject else "")


def _why_not(hunt: Hunt, commit: str) -> str:
    run = hunt.outcome.unmeasurable.get(commit)
    if run is None:
        return ""
    return f" ({run.failure or 'no value'}{': ' + run.message if run.message else ''})"


def _rows(hunt: Hunt, *, only_pair: bool) -> list[Row]:
    outcome = hunt.outcome
    pair = {outcome.before, *outcome.suspects[-1:]} if outcome.step else {outcome.good, outcome.bad}
    roles = {outcome.good: "good end", outcome.bad: "bad end"}
    if outcome.step and outcome.before:
        roles[outcome.before] = "before it"
        for suspect in outcome.suspects:
            roles[suspect] = "culprit" if len(outcome.suspects) == 1 else "suspect"
    return [
        Row(
            f"{commit[:8]} {roles.get(commit, '')}".rstrip(),
            tuple(run.value for run in runs if run.value is not None),
            commit in outcome.suspects,
        )
        for commit, runs in _in_order(hunt)
        if not only_pair or commit in pair
    ]


def _in_order(hunt: Hunt) -> list[tuple[str, list[Any]]]:
    """Returns the measured commits as they follow one another; those within merges last."""
    place = {commit: index for index, commit in enumerate(hunt.commits)}
    return sorted(hunt.outcome.runs.items(), key=lambda item: place.get(item[0], len(place)))


def _measured(hunt: Hunt) -> list[str]:
    """Returns the commits that gave an answer."""
    return [commit for commit in hunt.outcome.runs if commit not in hunt.outcome.unmeasurable]


def _comparison(compared: Comparison) -> dict[str, Any]:
    ratio = compared.ratio
    return {
        "verdict": compared.verdict.value,
        "before": list(compared.before),
        "after": list(compared.after),
        "difference": _bounds(compared.shift),
        "ratio": _bounds(ratio) if ratio else None,
        "p_value": compared.p_value,
    }


def _bounds(shift: Shift) -> dict[str, float | None]:
    return {name: _finite(getattr(shift, name)) for name in ("estimate", "lower", "upper")}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _confidence(compared: Comparison) -> float:
    return 1 - compared.p_value


def _percent(share: float) -> str:
    """Writes a share near to one without rounding it up to one."""
    return f"{math.floor(share * 10000) / 100:g} %"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
