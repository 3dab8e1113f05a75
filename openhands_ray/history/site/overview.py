"""All that our pages, data and feed are made from, collected once when asv publishes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from openhands_ray.history.criteria import Verdict
from openhands_ray.history.regressions import Regression, Status
from openhands_ray.history.results import Series
from openhands_ray.history.timeline import Timeline


@dataclass(frozen=True)
class Commit:
    """A measured commit.

    Attributes:
        commit: the full hash.
        date: as ``YYYY-MM-DD``; empty where git cannot tell.
        subject: the first line of its message; empty where git cannot tell.
    """

    commit: str
    date: str
    subject: str


@dataclass(frozen=True)
class Overview:
    """The state of the project.

    Attributes:
        project: its name.
        commits: the measured ones, the newest first.
        timelines: of every criterion in every series.
        regressions: the open ones first.
    """

    project: str
    commits: tuple[Commit, ...]
    timelines: tuple[Timeline, ...]
    regressions: tuple[Regression, ...]

    @property
    def newest(self) -> Commit | None:
        """None where nothing was measured."""
        return self.commits[0] if self.commits else None

    @property
    def current(self) -> list[Timeline]:
        """The timelines of the series that measured the newest commit: the ones that judge the project."""
        return [each for each in self.timelines if self.newest and each.newest.commit == self.newest.commit]

    @property
    def series(self) -> list[Series]:
        """Those of the newest commit first."""
        ordered = [each.series for each in [*self.current, *self.timelines]]
        return list(dict.fromkeys(ordered))

    def of_series(self, series: Series) -> list[Timeline]:
        """Returns the criteria of a series: those that failed, those not measured, then by how near they are."""
        order = (Verdict.FAILED, Verdict.UNMEASURED, Verdict.HELD)
        found = [each for each in self.timelines if each.series == series]
        return sorted(found, key=lambda each: (order.index(each.newest.verdict), -(each.used or 0.0)))

    def with_verdict(self, verdict: Verdict) -> list[Timeline]:
        """Returns the current timelines that have a verdict at the newest commit."""
        return [each for each in self.current if each.newest.verdict is verdict]

    @property
    def counts(self) -> Counter[Status]:
        """How many regressions there are of each status."""
        return Counter(each.status for each in self.regressions)
