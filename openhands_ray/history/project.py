"""A project as asv knows it: its configuration, machine, environment, commits, benchmarks and stored results."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asv import environment, util
from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.machine import Machine, MachineCollection
from asv.plugin_manager import plugin_manager
from asv.repo import NoSuchNameError, get_repo
from asv.results import iter_results_for_machine

from openhands_ray.history.errors import (
    AmbiguousBenchmark,
    ConfigurationMissing,
    NotMeasurable,
    UnknownBenchmark,
    UnknownCommit,
)
from openhands_ray.history.results import parameter_labels

_SHOWN = 20  # names in an error, at most


@dataclass(frozen=True)
class Benchmark:
    """One benchmark with one combination of its parameters.

    Attributes:
        name: asv's, with the parameters in brackets.
        unit: asv's, such as ``seconds``.
        kind: asv's, such as ``time`` or ``track``.
        version: changes with the benchmark's code, or as its author says.
        timeout_s: after so long without output it is ended.
    """

    name: str
    unit: str
    kind: str
    version: str
    timeout_s: float


class Project:
    """A project that asv measures. While it is used, the current folder is that of its configuration, as asv wants it.

    Args:
        configuration: path of ``asv.conf.json``.
        machine: its name; default as asv chooses it. Where asv knows none yet, it is told, as by ``asv machine --yes``.
        environment_name: where the configuration has several.

    Raises:
        ConfigurationMissing: the configuration is missing or useless, or does not say which environment.
    """

    def __init__(self, configuration: Path, machine: str | None, environment_name: str | None) -> None:
        self.notes: list[str] = []
        try:
            self.conf = Config.load(str(configuration))
            for plugin in self.conf.plugins:
                plugin_manager.import_plugin(plugin)
            self.repo = get_repo(self.conf)
            self.repo.pull()
            self.environment = self._environment(environment_name)
        except util.UserError as error:
            raise ConfigurationMissing(
                f"{error} Start the command where asv.conf.json lies, or give --config."
            ) from error
        self._check_commands()
        self.machine = self._machine(machine)

    @property
    def folder(self) -> Path:
        """Where hunts are kept: beside asv's own results, and never among them."""
        return Path(self.conf.results_dir).resolve().parent / "find"

    # -- commits -------------------------------------------------------------------------------------------------------

    def commits(self, range_: str) -> list[str]:
        """Returns the full hashes of a range, oldest first, along first parents.

        Raises:
            UnknownCommit: git does not understand it.
        """
        try:
            return list(self.repo.get_hashes_from_range(range_))[::-1]
        except util.ProcessError as error:
            raise UnknownCommit(f"git does not know the range {range_!r}: {last_line(error.stderr)}") from error

    def parent(self, commit: str, number: int = 1) -> str | None:
        """Returns a parent of a commit, the first one by default; None where it has none of that number."""
        try:
            return str(self.repo.get_hash_from_name(f"{commit}^{number}"))
        except (NoSuchNameError, util.ProcessError):
            return None

    # -- benchmarks ----------------------------------------------------------------------------------------------------

    def benchmark(self, wanted: str, commits: Sequence[str]) -> tuple[Benchmark, Any]:
        """Discovers the benchmarks, as asv does with the package of one of these commits, and returns the wanted one.

        Args:
            wanted: a name, with the parameters in brackets if it has any, or a regular expression for only one.
            commits: to be tried in order.

        Returns:
            The benchmark, and asv's object for it alone.

        Raises:
            UnknownBenchmark, AmbiguousBenchmark: not exactly one is meant.
            NotMeasurable: the benchmarks cannot be imported at any of these commits.
        """
        try:
            found = Benchmarks.discover(self.conf, self.repo, [self.environment], list(commits))
        except (util.UserError, util.ProcessError) as error:
            raise_if_interrupted(error)
            raise NotMeasurable(f"asv cannot discover the benchmarks: {error}") from error
        names = {
            entry_name + label: entry_name
            for entry_name, entry in found.items()
            for label in parameter_labels(entry["params"])
        }
        name = choose(wanted, list(names))
        selected = Benchmarks(self.conf, [found[names[name]]], regex=f"^{re.escape(name)}$")
        entry = selected[names[name]]
        timeout_s = entry.get("timeout") or self.conf.default_benchmark_timeout
        return Benchmark(name, entry.get("unit", ""), entry["type"], str(entry["version"]), timeout_s), selected

    def stored(self, benchmark: Benchmark, selected: Any) -> dict[str, float | None]:
        """Returns what asv has stored of this benchmark on this machine and environment, by commit."""
        ((name, entry),) = selected.items()
        index = (selected.benchmark_selection[name] or [0])[0]
        found = {}
        for result in iter_results_for_machine(self.conf.results_dir, self.machine.machine):
            if result.env_name == self.environment.name and name in result.get_result_keys(selected):
                found[result.commit_hash] = result.get_result_value(name, entry["params"])[index]
        return found

    # -- set-up --------------------------------------------------------------------------------------------------------

    def _environment(self, name: str | None) -> Any:
        found = list(environment.get_environments(self.conf, [name] if name else None, verbose=False))
        if len(found) == 1:
            return found[0]
        known = ", ".join(each.name for each in environment.get_environments(self.conf, None, verbose=False))
        if not found:
            raise ConfigurationMissing(
                f"asv has no environment {name!r}; the configuration has: {known}."
                if name
                else f"asv finds no Python for an environment of type {self.conf.environment_type!r} and version "
                f"{', '.join(map(str, self.conf.pythons))}."
            )
        raise ConfigurationMissing(f"The configuration has several environments. Choose one by --environment: {known}.")

    def _check_commands(self) -> None:
        """Refuses a configuration whose own tools are missing, at which every commit would seem not to build."""
        root = str(Path.cwd())
        for command in (*_commands(self.conf.build_command), *_commands(self.conf.install_command)):
            program = command.split()[0] if command.strip() else ""
            path = program.replace("{conf_dir}", root)
            if program.startswith("{conf_dir}") and not os.access(path, os.X_OK):
                raise ConfigurationMissing(
                    f"asv.conf.json builds with {Path(path).name}, which is missing at {path}: run `make setup`."
                )

    def _machine(self, name: str | None) -> Any:
        known = name or Machine.get_unique_machine_name()
        try:
            MachineCollection.load(known)
        except util.UserError:
            MachineCollection.save(known, Machine.get_defaults() | {"machine": known})
            self.notes.append(f"asv did not know the machine {known!r} yet: noted, as `asv machine --yes` does.")
        return Machine.load(machine_name=known)


def _commands(configured: Any) -> list[str]:
    """Returns what asv takes as a command, a list of them, or none."""
    return [configured] if isinstance(configured, str) else list(configured or ())


def choose(wanted: str, names: Sequence[str]) -> str:
    """Returns the one name that is meant.

    Args:
        wanted: a whole name, or a regular expression found in only one.
        names: of all benchmarks, with their parameters.

    Raises:
        UnknownBenchmark: none; the text suggests near ones.
        AmbiguousBenchmark: several; the text lists them.
    """
    if wanted in names:
        return wanted
    combinations = [name for name in names if name.startswith(f"{wanted}(")]
    try:
        matching = combinations or [name for name in names if re.search(wanted, name)]
    except re.error:
        matching = []
    if len(matching) == 1:
        return matching[0]
    if matching:
        shown = "\n  ".join(matching[:_SHOWN])
        more = f"\n  and {len(matching) - _SHOWN} more" if len(matching) > _SHOWN else ""
        raise AmbiguousBenchmark(f"{wanted!r} means {len(matching)} benchmarks; name one of them:\n  {shown}{more}")
    near = _near(wanted, names)
    hint = f" Did you mean {' or '.join(near)}?" if near else f" There are: {', '.join(names[:_SHOWN]) or 'none'}."
    raise UnknownBenchmark(f"There is no benchmark {wanted!r}.{hint}")


def _near(wanted: str, names: Sequence[str]) -> list[str]:
    """Returns up to five names that look like the wanted one, whole or in their last part."""
    whole = difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)
    last = [_last_part(name) for name in names]
    near = difflib.get_close_matches(_last_part(wanted), sorted(set(last)), n=3, cutoff=0.6)
    parts = [name for each in near for name, part in zip(names, last, strict=True) if part == each]
    return list(dict.fromkeys([*whole, *parts]))[:5]


def _last_part(name: str) -> str:
    return name.partition("(")[0].rpartition(".")[2]


def raise_if_interrupted(error: BaseException) -> None:
    """Raises KeyboardInterrupt where asv has made an error of its own of it."""
    if str(error) == "Interrupted.":  # its text for Ctrl-C within a benchmark
        raise KeyboardInterrupt from error


def last_line(text: str) -> str:
    """Returns the last line that says something, at most 200 characters of it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
