"""``openhands-ray sessions``: what runs on a cluster, whoever started it."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from openhands_ray.commands.connection import add_address, answer, connect
from openhands_ray.commands.units import plural

if TYPE_CHECKING:
    from openhands_ray.inventory import SessionRow

_EXAMPLES = """\
examples:
  openhands-ray sessions                   the sessions of the cluster, the oldest first
  openhands-ray sessions --watch           again every two seconds, until Ctrl-C
  openhands-ray sessions --json | jq '.[] | select(.state == "idle" and .idle_s > 3600) | .sid'
      those that have done nothing for an hour; sizes are in bytes, times in seconds
  openhands-ray sessions --json --watch    one line each time
  openhands-ray sessions --prometheus > /var/lib/node_exporter/openhands_ray.prom
      metrics, for node_exporter's textfile collector; deploy/ has a dashboard of Grafana and alerts for them

states: pending (waits for a place, or starts), warm (started ahead of need, not used yet), idle, running, paused,
silent (it did not answer within three seconds). Memory is what would be free without the session (USS).

exit status: 0 done, and after Ctrl-C of --watch; 1 error, such as no cluster; 2 wrong usage.
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    sessions = commands.add_parser(
        "sessions",
        help="list the sessions of a cluster",
        description="Lists the sessions of a cluster: id, node, age, state, memory, last action, and whether it came\n"
        "from a pool of warm sessions.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_address(sessions)
    sessions.add_argument("--watch", action="store_true", help="again and again, until Ctrl-C")
    sessions.add_argument("--every", type=_seconds, default=2.0, metavar="S", help="of --watch (default: 2 seconds)")
    form = sessions.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for machines")
    form.add_argument("--prometheus", action="store_true", help="and nodes, in Prometheus' text format")
    sessions.set_defaults(run=_run, error_status=1)


def _run(options: argparse.Namespace) -> int:
    address = connect(options)
    try:
        (_lines if options.json or options.prometheus else _tables)(options, address)
    except KeyboardInterrupt:
        if not options.watch:
            raise
    return 0


def _look(address: str) -> list[SessionRow]:
    from openhands_ray.cluster import knock
    from openhands_ray.inventory import sessions

    knock(address)  # it may have ended since the last look
    return answer(sessions, address)


def _lines(options: argparse.Namespace, address: str) -> None:
    from openhands_ray.commands.prometheus import exposition
    from openhands_ray.inventory import node_rows

    while True:
        found = _look(address)
        if options.prometheus:
            rows = answer(partial(node_rows, found), address)
            print(exposition(found, rows), flush=True)
        else:
            print(json.dumps([asdict(row) for row in found]), flush=True)
        if not options.watch:
            return
        time.sleep(options.every)


def _tables(options: argparse.Namespace, address: str) -> None:
    from rich.console import Console, Group
    from rich.live import Live

    from openhands_ray.commands.tables import sessions_table, tally

    def shown() -> Group:
        found = _look(address)
        return Group(sessions_table(found), f"{plural(len(found), 'session')}{tally(found)}")

    if not options.watch:
        Console().print(shown())
        return
    with Live(shown(), auto_refresh=False) as live:
        while True:
            time.sleep(options.every)
            live.update(shown(), refresh=True)


def _seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value
