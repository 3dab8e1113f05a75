"""``openhands-ray cluster``: a lean Ray cluster that outlives the programs that use it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from typing import Any

from openhands_ray.commands.connection import add_address, answer, connect
from openhands_ray.commands.units import plural, size
from openhands_ray.config import Settings

_EXAMPLES = """\
examples:
  openhands-ray cluster start              start it; prints the line that programs need
  eval "$(openhands-ray cluster start)"    start it, and have what this shell starts use it
  openhands-ray cluster start --cpus 8 --host 10.0.0.5
      listen on an address that other machines reach; they join by `ray start --address`, with the variables that
      this prints. Who has the token may run anything, and what goes over the network is not encrypted
  openhands-ray cluster status --json      its nodes and sessions, and the memory of Ray's own processes
  openhands-ray cluster stop               end it, and all of its sessions

There is one such cluster of a user on a machine. It has fewer processes than `ray start --head` starts.

exit status: 0 done; 1 error, such as no cluster; 2 wrong usage; 130 interrupted.
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    cluster = commands.add_parser(
        "cluster",
        help="start, look at and stop a Ray cluster that outlives its programs",
        description="A lean Ray cluster that programs attach to, so that they start at once and share its sessions.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = cluster.add_subparsers(dest="verb", required=True)
    start = verbs.add_parser("start", help="start it, or say where it is; the line to export goes to standard output")
    start.add_argument("--cpus", type=int, metavar="N", help="that it says it has (default: those of the machine)")
    start.add_argument("--object-store", type=int, metavar="BYTES", help="used as far as files are copied")
    start.add_argument("--host", metavar="IP", help="where it listens (default: this machine alone)")
    start.set_defaults(run=_start, error_status=1)
    status = verbs.add_parser("status", help="its nodes, its sessions and its memory")
    add_address(status)
    status.add_argument("--json", action="store_true", help="for machines")
    status.set_defaults(run=_status, error_status=1)
    stop = verbs.add_parser("stop", help="end it, and all of its sessions")
    stop.set_defaults(run=_stop, error_status=1)


def _start(options: argparse.Namespace) -> int:
    given = {"cluster_cpus": options.cpus, "object_store_bytes": options.object_store}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    from openhands_ray.lasting import Lasting

    lasting = Lasting.start(settings, **({"host": options.host} if options.host else {}))
    print("A Ray cluster runs until `openhands-ray cluster stop`. Programs use it with:", file=sys.stderr)
    print("export", *(f"{name}={value}" for name, value in lasting.environment.items()))
    return 0


def _stop(options: argparse.Namespace) -> int:
    from openhands_ray.lasting import Lasting

    lasting = Lasting.find()
    if lasting is None:
        print("There was no cluster to stop.", file=sys.stderr)
    else:
        lasting.stop()
        print(f"The cluster at {lasting.address} has ended.", file=sys.stderr)
    return 0


def _status(options: argparse.Namespace) -> int:
    address = connect(options)
    from openhands_ray.inventory import node_rows, sessions

    found = answer(sessions, address)
    rows, memory_bytes = answer(partial(node_rows, found), address), _memory_bytes(address)
    if options.json:
        nodes = [{**asdict(row.node), "sessions": row.sessions} for row in rows]
        states = {state: sum(each.state == state for each in found) for state in sorted({each.state for each in found})}
        print(json.dumps({"address": address, "nodes": nodes, "memory_bytes": memory_bytes, "sessions": states}))
        return 0
    from rich.console import Console

    from openhands_ray.commands.tables import nodes_table, tally

    Console().print(nodes_table(rows))
    print(f"{plural(len(found), 'session')}{tally(found)} at {address}")
    if memory_bytes is not None:
        print(f"{size(memory_bytes)} of memory for Ray's own processes")
    return 0


def _memory_bytes(address: str) -> int | None:
    """Return the memory of Ray's own processes; None where the cluster was not started here."""
    from openhands_ray.lasting import Lasting

    lasting = Lasting.find()
    return lasting.memory_bytes() if lasting is not None and lasting.address == address else None
