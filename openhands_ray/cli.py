"""The ``openhands-ray`` command. It imports neither OpenHands nor Ray."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

_CHECK_EXAMPLES = """\
examples:
  openhands-ray check              the newest measured commit of the history of HEAD
  openhands-ray check HEAD~1       a commit, by any name that git knows
  openhands-ray check --machine ci only the results of one machine

exit status: 0 when all success criteria held; 1 when one failed or could not be measured.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: without the program's name; defaults to those of the process.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    try:
        from openhands_ray.history import check, errors, results
    except ImportError as error:
        print(f"error: {error}. Install what reads the history: pip install 'openhands-ray[history]'", file=sys.stderr)
        return 1
    from rich.console import Console

    try:
        found = check.reports(results.History(options.config), options.commit, options.machine)
    except errors.HistoryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    check.print_reports(found, Console())
    return 0 if all(report.held for report in found) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="openhands-ray", description="The history of the speed of the Ray runtime.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check",
        help="judge a commit's results by the success criteria",
        description="Reads what ASV has measured of a commit and judges it by the success criteria.",
        epilog=_CHECK_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("commit", nargs="?", help="default: the newest one with results at or before HEAD")
    check.add_argument("--machine", help="only the results of this machine (default: all)")
    check.add_argument("--config", type=Path, default=Path("asv.conf.json"), help="default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
