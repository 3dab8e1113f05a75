"""Write ``docs/attacks.md`` from the table of attacks: ``python tests/attacks/attacks_page.py``."""

from __future__ import annotations

from pathlib import Path

from exhausting import EXHAUSTIONS, LIMITS
from outliving import OUTCOME, SURVIVORS
from stealing import ATTACKS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "attacks.md"

_INTRODUCTION = """\
# Attacks tried

Every row is an attack that `make test` tries in sessions of `RayRuntime` behind the walls of a sandbox, on a running
cluster, with another session and a host full of secrets beside it. Where the same script can run outside of the walls,
it does, and must succeed there: an attack that would find nothing anyway shows nothing. Where bubblewrap works, no row
may be skipped. This page is made by `python tests/attacks/attacks_page.py`; a test holds it to the table.

{count} attacks: {failing} fail; {open} succeed as sessions are by default, and fail with the setting that is named.
[Isolation](isolation.md) tells what the walls are.
"""

Row = tuple[str, str, str, str]


def rows() -> list[Row]:
    """Return all rows: what is attacked, through what, what must come of it, and what does."""
    stealing = [
        (
            each.name,
            each.through,
            each.outcome,
            f"**open**; closed by `{each.open_unless}`" if each.open_unless else "fails",
        )
        for each in ATTACKS
    ]
    outliving = [(f"to outlive `close()`: {each.name}", each.through, OUTCOME, "fails") for each in SURVIVORS]
    exhausting = [(f"to use up {each.name}", each.through, each.outcome, "fails") for each in EXHAUSTIONS]
    return [*stealing, *outliving, *exhausting]


def page() -> str:
    """Return the page."""
    found = rows()
    opened = sum(row[3] != "fails" for row in found)
    text = _INTRODUCTION.format(count=len(found), failing=len(found) - opened, open=opened)
    sections = {"To see or change what is not the session's": len(ATTACKS), "To live on": len(SURVIVORS)}
    sections["To use up the node"] = len(EXHAUSTIONS)
    for title, count in sections.items():
        text += f"\n## {title}\n\n"
        if title == "To use up the node":
            text += _limits()
        text += "| attack | through | what must come of it | result |\n|---|---|---|---|\n"
        text += "".join(f"| {' | '.join(row)} |\n" for row in found[:count])
        found = found[count:]
    return text


def _limits() -> str:
    variables = ", ".join(f"`OPENHANDS_RAY_{name.upper()}={value}`" for name, value in LIMITS.items())
    return f"In a session with {variables}; after each, this session and the one beside it must go on.\n\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
