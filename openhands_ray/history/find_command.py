"""``openhands-ray find``: from the options of the command to its exit status."""

from __future__ import annotations

import argparse
import sys

from asv.commands import common_args
from rich.console import Console

from openhands_ray.history.errors import HuntError
from openhands_ray.history.find import Wanted, hunt
from openhands_ray.history.find_report import Progress, as_json, print_hunt, write_evidence
from openhands_ray.history.search import Effort, Result

STATUS = {Result.FOUND: 0, Result.NONE: 3, Result.UNDECIDED: 4}
INTERRUPTED = 130


def run(options: argparse.Namespace) -> int:
    """Hunts and reports.

    Returns:
        The exit status: 0 found, 3 no regression, 4 undecided, 130 interrupted.

    Raises:
        HistoryError: it cannot be done.
    """
    progress = Progress(Console(stderr=True))
    try:
        found = hunt(_wanted(options), progress)
        write_evidence(found)
    except KeyboardInterrupt:
        progress.end()
        kept = f" What was measured is kept in {progress.folder}." if progress.folder else ""
        print(f"\ninterrupted.{kept} The same command goes on from here.", file=sys.stderr)
        return INTERRUPTED
    finally:
        progress.end()
    if options.json:
        print(as_json(found))
    else:
        print_hunt(found, Console())
    return STATUS[found.outcome.result]


def _wanted(options: argparse.Namespace) -> Wanted:
    return Wanted(
        range=options.range,
        benchmark=options.benchmark,
        configuration=options.config,
        above=options.above,
        below=options.below,
        failing=options.failing,
        decrease=options.decrease,
        smallest=options.smallest,
        effort=Effort(error=1 - options.confidence, rounds=options.rounds),
        into_merges=options.into_merges,
        machine=options.machine,
        environment=options.environment,
        attributes=_attributes(options.attribute),
        launch_method=options.launch_method,
        again=options.again,
    )


def _attributes(assignments: list[str]) -> dict[str, object]:
    """Reads attributes by asv's own parser, so that they mean what they mean to ``asv run``."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    common_args.add_bench(parser)
    try:
        options = parser.parse_args([f"--attribute={each}" for each in assignments])
    except argparse.ArgumentError as error:
        raise HuntError(f"An attribute cannot be set: {error}") from error
    return dict(options.attribute or {})
