"""The commands that set variables in a shell, and in those that come after it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping


def export_commands(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the command for the running shell, and the one that writes the same into ``~/.bashrc``.

    The values stand in JSON's quotes, as OpenHands puts them: the shell expands what is in them, so that
    ``/opt/bin:$PATH`` works. What ``~/.bashrc`` exports already stays, as in OpenHands.
    """
    exports = {name: f"export {name}={json.dumps(value)}" for name, value in environment.items()}
    lasting = (
        f"grep -q '^export {name}=' ~/.bashrc || printf '%s\\n' {shlex.quote(export)} >> ~/.bashrc"
        for name, export in exports.items()
    )
    return "; ".join(exports.values()), "; ".join(["touch ~/.bashrc", *lasting])
