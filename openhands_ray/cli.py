"""The ``openhands-ray`` command. It imports no OpenHands, and Ray only to ask a cluster."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from openhands_ray.commands import cluster, connection, sessions
from openhands_ray.errors import OpenHandsRayError

#: Exit status after Ctrl-C, as shells count it.
INTERRUPTED = 130

_CHECK_EXAMPLES = """\
examples:
  openhands-ray check                  the newest measured commit of the history of HEAD
  openhands-ray check HEAD~1           a commit, by any name that git knows
  openhands-ray check main HEAD        HEAD beside main, as `asv continuous main HEAD` measures them
  openhands-ray check --machine ci     only the results of one machine
  openhands-ray check main HEAD --markdown > verdict.md
      for a pull request's comment or a job's summary; --json for machines
  openhands-ray check main HEAD --github
      with annotations of the run, in a GitHub workflow

A commit is worse when a success criterion failed, a benchmark rose by more than its threshold in asv.conf.json and by
more than the noise of its samples, or a benchmark is broken: it had a value before, and fails. Beside a BASE, one that
is missing is broken too, and a criterion that BASE had failed already is told, but does not count.

exit status:
  0    fine
  1    worse
  2    wrong usage: no such commit or configuration
  3    could not measure: nothing is worse as far as it was measured, but a criterion or a benchmark has no value
  4    measured nothing: there are no results of the commit, or none of both on one machine and environment
"""

_REPORT_EXAMPLES = """\
examples:
  openhands-ray report                             the newest measured commit, as Markdown
  openhands-ray report v0.1.0 --html --output report.html
      any commit, as one file that needs no other
  openhands-ray report HEAD --log .asv/asv.log
      with what failed benchmarks wrote last, from what `asv run --show-stderr` printed; asv's results do not keep it

exit status: 0 written, whatever it says; 1 error, such as a commit without results; 2 wrong usage.
"""

_ALERTS_EXAMPLES = """\
examples:
  openhands-ray alerts --dry-run                   the calls of gh that would be made
  openhands-ray alerts --dry-run --issues issues.json
      with the issues that there are read from a file, as `gh issue list --state all --label regression
      --json number,state,stateReason,body` prints them; without the network
  openhands-ray alerts --site-url https://example.org/history/

Reads the regressions that `asv publish` has found. A commit with a regression that lasts gets one issue; when all of
its regressions have recovered, its issue is closed, and it is reopened if they return. An issue that people closed as
"not planned" is left alone.

exit status: 0 done; 1 error; 2 wrong usage.
"""

_FIND_EXAMPLES = """\
examples:
  openhands-ray find v0.1.0..main actions.File.time_write
      the commit that made it slower, among all that came after v0.1.0
  openhands-ray find HEAD~50..HEAD initialization.Initialization.time_runtime_initialization --above 10
      the first commit at which it exceeded 10, in the benchmark's unit: seconds
  openhands-ray find HEAD~50.. reliability.Reliability.track_failure_rate --above 0
      the first commit at which an action failed
  openhands-ray find HEAD~50.. 'actions\\.Browser\\.time_browse' --failing
      the first commit at which the benchmark itself fails
  openhands-ray find HEAD~50.. workflows.Rapid.track_rate --decrease --smallest 0.2
      the commit at which it fell, if it fell by a fifth or more

A range is what `git rev-list` takes, followed along first parents. Of A..B the good end is A, and any commit after it
may be the culprit. A benchmark is a name as `asv run` prints it, with the parameters in brackets if it has any, or a
regular expression that matches only one. After Ctrl-C the same command goes on where it was.

exit status: 0 found; 1 error; 2 wrong usage; 3 no regression (or the limit is not crossed); 4 undecided: it cannot be
told from the noise, or no single commit makes it; 130 interrupted.
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
        return int(options.run(options))
    except ImportError as error:
        print(f"error: {error}. Install what commands need: pip install 'openhands-ray[history]'", file=sys.stderr)
    except OpenHandsRayError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return int(options.error_status)


def program() -> NoReturn:
    """Runs the command, and ends the process."""
    status = main()
    if connection.unanswered():  # Ray would wait for the answer before it lets the process end
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)


def _check(options: argparse.Namespace) -> int:
    from openhands_ray.history.check_command import run

    return run(options)


def _report(options: argparse.Namespace) -> int:
    from openhands_ray.history.report import run

    return run(options)


def _alerts(options: argparse.Namespace) -> int:
    from openhands_ray.history.alerts import run

    return run(options)


def _find(options: argparse.Namespace) -> int:
    from openhands_ray.history.find_command import run

    return run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="openhands-ray", description="The sessions of the Ray runtime, and the history of its speed."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    cluster.add_parser(commands)
    sessions.add_parser(commands)
    _add_check(commands)
    _add_report(commands)
    _add_alerts(commands)
    _add_find(commands)
    return parser


def _add_check(commands: Any) -> None:
    check = commands.add_parser(
        "check",
        help="judge a commit's results, alone or beside another's",
        usage="openhands-ray check [COMMIT | BASE HEAD] [--json | --markdown | --github] [--machine NAME]",
        description="Reads what ASV has measured of a commit, and judges it by the success criteria, by the threshold\n"
        "of each benchmark, and by the noise. It is compared with BASE, or with the last measured commit before it.",
        epilog=_CHECK_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("commit", nargs="?", help="default: the newest one with results at or before HEAD")
    check.add_argument("head", nargs="?", help="where it is given, COMMIT is the BASE, and this one is judged")
    form = check.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for machines")
    form.add_argument("--markdown", action="store_true", help="for a pull request's comment or a job's summary")
    form.add_argument("--github", action="store_true", help="the tables, and annotations of a GitHub workflow")
    check.add_argument("--machine", help="only the results of this machine (default: all)")
    check.add_argument(
        "--lenient",
        action="store_true",
        help="a benchmark that rose is told, and does not count: for commits that were measured at different times, "
        "when the machine may have had other work",
    )
    check.add_argument("--config", type=Path, default=Path("asv.conf.json"), help="default: %(default)s")
    check.set_defaults(run=_check, error_status=2)


def _add_report(commands: Any) -> None:
    report = commands.add_parser(
        "report",
        help="write the validation report of a commit",
        description="Writes what ASV has measured of a commit: a summary, the success criteria, averages by category,\n"
        "every operation, an analysis of the errors, and the machine.",
        epilog=_REPORT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    report.add_argument("commit", nargs="?", help="default: the newest one with results at or before HEAD")
    report.add_argument("--html", action="store_true", help="as HTML, in one file (default: Markdown)")
    report.add_argument("--output", type=Path, metavar="FILE", help="default: the standard output")
    report.add_argument("--log", type=Path, metavar="FILE", help="what `asv run --show-stderr` printed")
    report.add_argument("--machine", help="only the results of this machine (default: all)")
    report.add_argument("--config", type=Path, default=Path("asv.conf.json"), help="default: %(default)s")
    report.set_defaults(run=_report, error_status=1)


def _add_alerts(commands: Any) -> None:
    alerts = commands.add_parser(
        "alerts",
        help="keep one GitHub issue for each commit with a regression",
        description="Opens, reopens and closes issues, through gh, as regressions come and go.",
        epilog=_ALERTS_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    alerts.add_argument("--site", type=Path, default=Path(".asv/html"), help="as published (default: %(default)s)")
    alerts.add_argument("--issues", type=Path, metavar="FILE", help="the issues that there are (default: asks gh)")
    alerts.add_argument(
        "--triage", type=Path, default=Path("regressions.toml"), help="what is acknowledged (default: %(default)s)"
    )
    alerts.add_argument("--dry-run", action="store_true", help="print the calls of gh, and make none")
    alerts.add_argument("--site-url", default="", metavar="URL", help="where the site is, for links")
    alerts.set_defaults(run=_alerts, error_status=1)


def _add_find(commands: Any) -> None:
    find = commands.add_parser(
        "find",
        help="hunt the commit that made a benchmark worse",
        description="Measures commits of a range through ASV until it is sure which of them made a benchmark\n"
        "worse, or that none did. Results that ASV has stored are read, and never changed.",
        epilog=_FIND_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    find.add_argument("range", help="of commits, such as A..B: any after A, up to B, may be the culprit")
    find.add_argument("benchmark", help="its name, or a regular expression that matches only one")
    hunted = find.add_mutually_exclusive_group()
    hunted.add_argument("--above", type=_finite, metavar="X", help="hunt the first commit whose value exceeds X")
    hunted.add_argument("--below", type=_finite, metavar="X", help="hunt the first commit whose value falls below X")
    hunted.add_argument("--failing", action="store_true", help="hunt the first commit at which the benchmark fails")
    hunted.add_argument("--decrease", action="store_true", help="hunt a fall of the value, not a rise")
    find.add_argument(
        "--smallest", type=_share, default=0.05, metavar="SHARE", help="relative change that counts (default: 0.05)"
    )
    find.add_argument("--confidence", type=_share, default=0.99, metavar="P", help="of each verdict (default: 0.99)")
    find.add_argument("--rounds", type=_rounds, default=27, metavar="N", help="most runs of a commit (default: 27)")
    find.add_argument("--into-merges", action="store_true", help="where a merge is the answer, search its branch")
    find.add_argument("--again", action="store_true", help="discard the runs of an earlier hunt for the same")
    find.add_argument("--json", action="store_true", help="print the answer as JSON")
    find.add_argument("--machine", help="asv's name of this machine")
    find.add_argument("--environment", metavar="NAME", help="asv's environment, where there are several")
    find.add_argument("-a", "--attribute", action="append", default=[], metavar="K=V", help="as of `asv run`")
    find.add_argument("--launch-method", choices=("auto", "spawn", "forkserver"), help="as of `asv run`")
    find.add_argument("--config", type=Path, default=Path("asv.conf.json"), help="default: %(default)s")
    find.set_defaults(run=_find, error_status=1)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _rounds(text: str) -> int:
    value = int(text)
    if value < 5:
        raise argparse.ArgumentTypeError("fewer than 5 runs prove nothing")
    return value


if __name__ == "__main__":
    program()
