"""The one reader of ASV's result files.

Everything is read through asv's own classes, so the formats of its files are asv's concern alone: ``Config`` for the
configuration, ``Benchmarks`` for what was discovered, ``Results`` for what was measured, ``Repo`` for the commits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asv import util
from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.plugins import git as _git  # noqa: F401  get_repo() finds the classes that are loaded
from asv.repo import NoSuchNameError, get_repo
from asv.results import iter_results

from openhands_ray.history.errors import ConfigurationMissing, NoResults, UnknownCommit

CONFIGURATION = "asv.conf.json"


@dataclass(frozen=True)
class Measurement:
    """One value of one benchmark, for one combination of its parameters.

    Attributes:
        benchmark: asv's name, ``module.Class.method``.
        parameters: the combination as asv prints it, ``(a, b)``; empty without parameters.
        title: what people read.
        unit: asv's, such as ``seconds`` or ``MB``.
        value: in that unit; None where the benchmark failed, NaN where it was skipped.
        statistics: of the samples, by asv's names: ``q_25`` and ``q_75``, ``ci_99_a`` and ``ci_99_b`` in the unit, and
            ``repeat``, their number. Empty where asv took none, as of ``track_`` and ``peakmem_``.
        samples: in the unit; empty where they were not recorded. `asv continuous` records them, `asv run` if asked to.
    """

    benchmark: str
    parameters: str
    title: str
    unit: str
    value: float | None
    statistics: Mapping[str, float] = field(default_factory=dict)
    samples: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """The name with its parameters: unique in a snapshot, and what patterns are matched against."""
        return self.benchmark + self.parameters

    @property
    def failed(self) -> bool:
        return self.value is None

    @property
    def skipped(self) -> bool:
        return self.value is not None and math.isnan(self.value)

    @property
    def measured(self) -> bool:
        return not self.failed and not self.skipped


@dataclass(frozen=True)
class Series:
    """Where results can be compared with one another: one machine, one environment."""

    machine: str
    environment: str

    def __str__(self) -> str:
        return f"{self.machine}, {self.environment}"


@dataclass(frozen=True)
class Snapshot:
    """All that was measured of one commit in one series.

    Attributes:
        commit: the full hash.
        date: of the commit.
        measurements: by ``Measurement.name``. A benchmark that is known but was never run here is absent.
        conditions: of the machine and the environment, by asv's names, such as ``cpu``, ``ram`` and ``python``.
    """

    commit: str
    date: datetime
    series: Series
    measurements: dict[str, Measurement]
    conditions: Mapping[str, str] = field(default_factory=dict)


def single_run_thresholds(configuration: Config) -> dict[str, float]:
    """Returns the relative increases that count between two runs, by patterns; see ``noise.threshold``.

    Those of ``regressions_thresholds``, which asv takes for levels of several commits, and those of
    ``single_run_thresholds`` in the same file, which asv does not read.
    """
    site, single = configuration.regressions_thresholds, getattr(configuration, "single_run_thresholds", {})
    return {key: max(site.get(key, 0.0), single.get(key, 0.0)) for key in [*site, *single]}


class History:
    """What ASV knows of a project: its benchmarks, and their results at each commit.

    Args:
        configuration: path of ``asv.conf.json``.

    Raises:
        ConfigurationMissing: no such file, or asv refuses it.
        NoResults: nothing has been measured yet.
    """

    def __init__(self, configuration: Path) -> None:
        self._conf = _load_configuration(configuration)
        try:
            benchmarks = Benchmarks.load(self._conf)
        except util.UserError as error:
            raise NoResults(f"Nothing has been measured yet: run `asv run` first. ({error})") from error
        self._attach(benchmarks, get_repo(self._conf))

    def _attach(self, benchmarks: Any, repo: Any) -> None:
        self._benchmarks = benchmarks
        self._repo = repo
        # asv's objects: most commits of a long history are never looked into.
        self._results: dict[str, list[Any]] = {}
        for result in _iter_results(self._conf):
            self._results.setdefault(result.commit_hash, []).append(result)

    @property
    def commits(self) -> frozenset[str]:
        """The full hashes of the commits that have results."""
        return frozenset(self._results)

    @property
    def expected(self) -> frozenset[str]:
        """The names, with parameters, of all benchmarks that asv discovered last."""
        return expected_names(self._benchmarks)

    def resolve(self, commit: str) -> str:
        """Returns the full hash of whatever names a commit in git.

        Raises:
            UnknownCommit: git does not know it.
        """
        try:
            return str(self._repo.get_hash_from_name(commit))
        except (NoSuchNameError, util.ProcessError) as error:
            raise UnknownCommit(f"The repository has no commit {commit!r}.") from error

    def ancestry(self, commit: str) -> list[str]:
        """Returns full hashes, from this commit backwards along first parents, as ``asv run`` walks a range."""
        return list(self._repo.get_hashes_from_range(commit))

    @property
    def single_run_thresholds(self) -> Mapping[str, float]:
        """The relative increases that count between two runs, by patterns; see ``noise.threshold``."""
        return single_run_thresholds(self._conf)

    def between(self, base: str, head: str) -> frozenset[str]:
        """Returns the full hashes of what came after one commit, up to another."""
        return frozenset(self._repo.get_hashes_from_range(f"{self.resolve(base)}..{self.resolve(head)}"))

    def newest_measured(self, commit: str = "HEAD") -> str:
        """Returns the newest commit with results, at or before the given one.

        Raises:
            NoResults: there is none.
        """
        for candidate in self.ancestry(self.resolve(commit)):
            if candidate in self._results:
                return candidate
        raise NoResults(f"No commit at or before {commit} has results: run `asv run {commit}^!`.")

    def snapshots(self, commit: str) -> list[Snapshot]:
        """Returns what was measured of a commit, one snapshot for each series.

        Raises:
            NoResults: nothing was.
        """
        full = self.resolve(commit)
        if full not in self._results:
            raise NoResults(f"Commit {full[:8]} has no results: run `asv run {full[:8]}^!`.")
        found = (_read_snapshot(result, self._benchmarks) for result in self._results[full])
        return sorted(found, key=lambda snapshot: str(snapshot.series))

    def previous(self, snapshot: Snapshot) -> Snapshot | None:
        """Returns the last snapshot of the same series before this commit; None where there is none."""
        for commit in self.ancestry(snapshot.commit)[1:]:
            for result in self._results.get(commit, []):
                if _series(result) == snapshot.series:
                    return _read_snapshot(result, self._benchmarks)
        return None


def expected_names(benchmarks: Any) -> frozenset[str]:
    """Returns the names, with parameters, of all of asv's benchmarks."""
    return frozenset(name + label for name, entry in benchmarks.items() for label in parameter_labels(entry["params"]))


def read_snapshots(conf: Any, benchmarks: Any, wanted: Callable[[str], bool]) -> Iterator[Snapshot]:
    """Reads every result file once, and keeps none: for who goes over a whole history.

    Args:
        conf: asv's configuration.
        benchmarks: asv's, as they were discovered.
        wanted: whether a benchmark is to be read, by asv's name.
    """
    for result in _iter_results(conf):
        yield _read_snapshot(result, benchmarks, wanted)


def _load_configuration(path: Path) -> Any:
    """Loads the configuration with its directories made absolute, so that nothing depends on the current one."""
    try:
        conf = Config.load(str(path))
    except util.UserError as error:
        raise ConfigurationMissing(f"{error} Start the command where asv.conf.json lies, or give --config.") from error
    root = path.resolve().parent
    conf.results_dir = str(root / conf.results_dir)
    if (root / conf.repo).is_dir():
        conf.repo = str(root / conf.repo)
    return conf


def _iter_results(conf: Any) -> Iterator[Any]:
    return iter_results(conf.results_dir) if Path(conf.results_dir).is_dir() else iter(())


def _series(result: Any) -> Series:
    return Series(machine=result.params["machine"], environment=result.env_name)


def _read_snapshot(result: Any, benchmarks: Any, wanted: Callable[[str], bool] = lambda name: True) -> Snapshot:
    # get_result_keys() leaves out what an older version of a benchmark measured.
    measurements = [
        measurement
        for name in sorted(filter(wanted, result.get_result_keys(benchmarks)))
        for measurement in _measurements(benchmarks[name], result)
    ]
    return Snapshot(
        commit=result.commit_hash,
        date=datetime.fromtimestamp(result.date / 1000, UTC),
        series=_series(result),
        measurements={measurement.name: measurement for measurement in measurements},
        conditions={key: str(value) for key, value in result.params.items() if value},
    )


def _measurements(entry: dict[str, Any], result: Any) -> Iterator[Measurement]:
    name, params = entry["name"], entry["params"]
    columns = (
        parameter_labels(params),
        result.get_result_value(name, params),
        result.get_result_stats(name, params),
        result.get_result_samples(name, params),
    )
    title, unit = entry.get("pretty_name") or name, entry.get("unit", "")
    for label, value, statistics, samples in zip(*columns, strict=True):
        yield Measurement(name, label, title + label, unit, value, statistics or {}, tuple(samples or ()))


def parameter_labels(params: list[list[str]]) -> list[str]:
    """Returns a label for each combination of parameters, in asv's order; one empty label without parameters."""
    if not params:
        return [""]
    return [f"({', '.join(combination)})" for combination in itertools.product(*params)]
