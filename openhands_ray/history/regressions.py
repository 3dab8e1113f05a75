"""The regressions as asv detects them, those that have passed included, with what is needed to judge each."""

from __future__ import annotations

import itertools
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# The one place where asv reads `regressions_thresholds` and `regressions_first_commits`; it has no public name.
from asv.plugins.regressions import _GraphDataFilter
from asv.step_detect import detect_regressions

from openhands_ray.history.triage import Triage

#: asv's: how long a step must be, in revisions.
_LEAST_REVISIONS = 2

#: As asv returns it of a step: left and, exclusive, right revision; median, minimum, mean deviation from the median.
Step = tuple[int, int, float, float, float]


class Status(StrEnum):
    """What there is to do about a regression: only of the first, anything."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RECOVERED = "recovered"


@dataclass(frozen=True)
class Regression:
    """A lasting increase of a benchmark.

    Attributes:
        benchmark: the name with its parameters.
        title: what people read.
        unit: asv's.
        machine: where it was measured.
        branch: None where asv publishes whatever is checked out.
        commit: the full hash of the first commit that was measured to be worse.
        last_good: the one that was measured before, where others lie between them; None where ``commit`` it was.
        time_ms: the date of ``commit``, in milliseconds since 1970.
        before: the level before, in the unit.
        after: the best level since; of one that recovered, until then.
        threshold: the relative increase that is tolerated.
        noise: the mean deviation of single results from their level, relative to it; None where the level is zero.
        recovered: the full hash of the first commit at which it was gone; None where it never was.
        reason: why it is acknowledged; None where it is not.
        link: where its graph is, relative to ``index.html``.
    """

    benchmark: str
    title: str
    unit: str
    machine: str
    branch: str | None
    commit: str
    last_good: str | None
    time_ms: int
    before: float
    after: float
    threshold: float
    noise: float | None
    recovered: str | None
    reason: str | None
    link: str

    @property
    def status(self) -> Status:
        if self.recovered:
            return Status.RECOVERED
        return Status.ACKNOWLEDGED if self.reason else Status.OPEN

    @property
    def size(self) -> float | None:
        """The relative increase; None from zero."""
        return None if self.before == 0 else self.after / self.before - 1


@dataclass(frozen=True)
class Jump:
    """A regression in a series of steps.

    Attributes:
        left, right: the last revision before, and the first one in it.
        before, after: the levels.
        recovered: the revision at which it was gone.
    """

    left: int
    right: int
    before: float
    after: float
    recovered: int | None = None


def jumps(steps: Sequence[Step], threshold: float) -> list[Jump]:
    """Returns what asv's list of regressions has, and what it would have had if the history had ended earlier.

    Args:
        steps: of one benchmark, as asv fits them.
        threshold: the relative increase that is tolerated.
    """
    found: dict[tuple[int, int], Jump] = {}
    for end in range(1, len(steps) + 1):
        left, right, *_ = steps[end - 1]
        if end < len(steps) and right - left < _LEAST_REVISIONS:
            continue  # a single result that went astray, and no level
        current = {
            (a, b): Jump(a, b, before, after)
            for a, b, before, after in detect_regressions(list(steps[:end]), threshold)[2] or ()
        }
        gone = {key: jump for key, jump in found.items() if key not in current and jump.recovered is None}
        found |= current
        found |= {key: Jump(j.left, j.right, j.before, j.after, left) for key, j in gone.items()}
    return list(found.values())


def noise(steps: Sequence[Step]) -> float | None:
    """Returns the mean deviation from the levels relative to them; None where there is no level above zero."""
    weights = [(right - left, error / level) for left, right, level, _, error in steps if level > 0]
    total = sum(weight for weight, _ in weights)
    return sum(weight * each for weight, each in weights) / total if total else None


class Detection:
    """Finds regressions in what asv hands to a publisher.

    Args:
        conf, repo, benchmarks, graphs, revisions: as a publisher gets them.
        listed: the content of asv's own ``regressions.json``.
        times_ms: the date of each measured commit.
        triage: what is acknowledged.
    """

    def __init__(
        self,
        conf: Any,
        repo: Any,
        benchmarks: Any,
        graphs: Any,
        revisions: Mapping[str, int],
        listed: Mapping[str, Any],
        times_ms: Mapping[str, int],
        triage: Triage,
    ) -> None:
        self._filter = _GraphDataFilter(conf, repo, revisions)
        self._benchmarks, self._graphs, self._triage, self._times_ms = benchmarks, graphs, triage, times_ms
        self._hashes = {revision: commit for commit, revision in revisions.items()}
        self._varying = {name for name, values in graphs.get_params().items() if len(values) > 1}
        # Where a single commit can be the culprit, asv's list has no commit before it.
        self._single = {
            (name, path, jump[1])
            for name, path, *_, found in listed["regressions"]
            for jump in found
            if jump[0] is None
        }

    def regressions(self) -> list[Regression]:
        """Returns all, the open ones first, then by size."""
        order = list(Status)
        return sorted(self._all(), key=lambda each: (order.index(each.status), -(each.size or 0), each.benchmark))

    def _all(self) -> Iterator[Regression]:
        for _, graph in self._graphs:
            benchmark = self._benchmarks.get(graph.benchmark_name)
            if benchmark is None or "summary" in graph.params:
                continue
            for index, name, steps, threshold in self._filter.get_graph_data(graph, benchmark):
                for jump in jumps(steps, threshold):
                    yield self._regression(graph, benchmark, index, name, jump, threshold, noise(steps))

    def _regression(
        self,
        graph: Any,
        benchmark: Mapping[str, Any],
        index: int | None,
        name: str,
        jump: Jump,
        threshold: float,
        noise: float | None,
    ) -> Regression:
        commit, before = self._hashes[jump.right], self._hashes[jump.left]
        single = (name, f"{graph.path}.json", jump.right) in self._single or jump.right - jump.left == 1
        title = benchmark.get("pretty_name") or benchmark["name"]
        return Regression(
            benchmark=name,
            title=title + name.removeprefix(benchmark["name"]),
            unit=benchmark.get("unit", ""),
            machine=graph.params["machine"],
            branch=graph.params.get("branch"),
            commit=commit,
            last_good=None if single else before,
            time_ms=self._times_ms[commit],
            before=jump.before,
            after=jump.after,
            threshold=threshold,
            noise=noise,
            recovered=self._hashes[jump.recovered] if jump.recovered is not None else None,
            reason=self._triage.acknowledged(name, commit),
            link=self._link(graph, benchmark, index, commit if single else f"{before}-{commit}"),
        )

    def _link(self, graph: Any, benchmark: Mapping[str, Any], index: int | None, commits: str) -> str:
        query = {name: value for name, value in graph.params.items() if name in self._varying and value}
        if index is not None:
            combination = next(itertools.islice(itertools.product(*benchmark["params"]), index, None))
            query |= {f"p-{name}": value for name, value in zip(benchmark["param_names"], combination, strict=True)}
        return graph_link(benchmark["name"], {**query, "commits": commits})


def graph_link(benchmark: str, query: Mapping[str, str | Sequence[str]]) -> str:
    """Returns the address of a graph, relative to the site's ``index.html``."""
    encoded = urllib.parse.urlencode(query, doseq=True, quote_via=urllib.parse.quote)
    return f"#{urllib.parse.quote(benchmark)}?{encoded}"
