"""What an attack is: something tried in a session, by one way of acting, and what must come of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from field import Field, Target

#: Tries the attack in a session; returns what it got to see, or raises AssertionError where it did harm.
Try = Callable[["Field", "Target"], str]


@dataclass(frozen=True)
class Attack:
    """One row of the table.

    Attributes:
        name: what is attacked, and how.
        through: the way of acting: ``shell``, ``kernel``, ``MCP server``, ``file actions``, ``copies``, ``browser``.
        outcome: what must come of it.
        attempt: tries it.
        secret: which secret of the field must not be in what it returns; "" where ``attempt`` itself tells.
        outside: the script that must find the secret outside the walls, or nothing was shown.
        open_unless: the setting without which it succeeds today; "" for an attack that fails in each sandbox.
    """

    name: str
    through: str
    outcome: str
    attempt: Try
    secret: str = ""
    outside: str = ""
    open_unless: str = ""

    @property
    def id(self) -> str:
        return re.sub(r"\W+", "-", f"{self.name} {self.through}").strip("-").lower()


NOT_SEEN = "it is not there"


def by_script(
    name: str,
    script: str,
    secret: str,
    *,
    through: tuple[str, ...] = ("shell",),
    outcome: str = NOT_SEEN,
    outside: str | None = None,
    open_unless: str = "",
) -> list[Attack]:
    """Return the attacks by a script of bash that prints the secret where nothing keeps it from that.

    ``@name@`` in it is what the field has under that name. ``outside`` is what finds the secret outside of the walls:
    None for the same script, "" where only a session could.
    """
    return [
        Attack(
            name,
            way,
            outcome,
            lambda field, target, way=way: target.script(way, field.filled(script)),  # type: ignore[misc]
            secret,
            script if outside is None else outside,
            open_unless,
        )
        for way in through
    ]
