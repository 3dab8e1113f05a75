"""``openhands-ray check``: from the options of the command to its exit status."""

from __future__ import annotations

import argparse
import sys

from openhands_ray.history.check import Status, overall, reports
from openhands_ray.history.check_report import annotation, as_json, as_markdown, print_reports, workflow_commands
from openhands_ray.history.errors import HistoryError, NoResults
from openhands_ray.history.noise import console
from openhands_ray.history.results import History
from openhands_ray.history.triage import FILENAME, Triage


def run(options: argparse.Namespace) -> int:
    """Judges and reports.

    Returns:
        The exit status, a ``Status``.
    """
    # Of two commits the second is judged, and the first what it is compared with.
    base, commit = (options.commit, options.head) if options.head else (None, options.commit)
    try:
        triage = Triage.load(options.config.parent / FILENAME)
        found = reports(
            History(options.config), commit, options.machine, base=base, triage=triage, lenient=options.lenient
        )
    except NoResults as error:
        return _refuse(error, Status.NOTHING, options)
    except HistoryError as error:
        return _refuse(error, Status.USAGE, options)
    if options.json:
        print(as_json(found))
    elif options.markdown:
        print(as_markdown(found), end="")
    else:
        print_reports(found, console())
        if options.github:
            print(*workflow_commands(found), sep="\n")
    return overall(found)


def _refuse(error: HistoryError, status: Status, options: argparse.Namespace) -> int:
    print(f"error: {error}", file=sys.stderr)
    title = "Nothing was measured" if status is Status.NOTHING else "Nothing was judged"
    if options.markdown:
        print(f"### {title}\n\n{error}")
    if options.github:
        print(annotation("error", title, str(error)))
    return status
