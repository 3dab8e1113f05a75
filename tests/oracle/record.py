"""Record anew what OpenHands answers: ``python tests/oracle/record.py [AREA ..] [--only SCENARIO]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from areas import AREAS, RECORDED, recorded, scenarios
from scenario import Scenario, comparable, with_addresses
from sites import addresses
from upstream import Upstream


def answers(
    upstream: Upstream, scenario: Scenario, kept: Callable[[Any, dict[str, str]], Any] = comparable
) -> list[dict[str, Any]]:
    """Run a scenario on OpenHands' own executor. ``kept`` says what of an answer to keep."""
    with addresses(scenario) as names:
        upstream.fresh(scenario.plugins, scenario.files, scenario.no_change_timeout_s, scenario.browser)
        return [kept(upstream.act(with_addresses(step.action, names)), names) for step in scenario.steps]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("areas", nargs="*", default=AREAS, metavar="AREA", help=f"default: {' '.join(AREAS)}")
    parser.add_argument("--only", action="append", help="the name of a scenario; the others keep their answers")
    options = parser.parse_args()
    with Upstream() as upstream:
        for area in options.areas:
            _record(upstream, area, options.only)


def _record(upstream: Upstream, area: str, only: list[str] | None) -> None:
    path = RECORDED / f"{area}.json"
    kept = recorded(area)["answers"] if only and path.exists() else {}
    found = {}
    for scenario in scenarios(area):
        if only and scenario.name not in only:
            if scenario.name in kept:
                found[scenario.name] = kept[scenario.name]
            continue
        print(f"{area}: {scenario.name}", flush=True)
        found[scenario.name] = answers(upstream, scenario)
    path.parent.mkdir(exist_ok=True)
    text = json.dumps({"openhands": version("openhands-ai"), "answers": found}, indent=1, ensure_ascii=True)
    path.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
