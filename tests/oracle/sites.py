"""The sites that the actions of a scenario with a browser may name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenario import Scenario

sys.path.append(str(Path(__file__).resolve().parent.parent))  # pytest has it there already; a program has not

from web_site import serve


@contextmanager
def addresses(scenario: Scenario) -> Iterator[dict[str, str]]:
    """Serve, if the scenario has a browser, and give the addresses for the names in its actions."""
    if not scenario.browser:
        yield {}
        return
    with serve() as site:
        yield {"<site>": site.url, "<secure site>": site.secure_url, "<closed port>": site.closed_url}
