"""Gives OpenHands' shell the time that it needs on a busy machine.

It types a command into tmux and looks at the screen at once: as long as tmux has not shown the command, the prompt
before it is taken for the prompt after it, and the answer is empty. What it answers on an idle machine is what counts.
"""

from __future__ import annotations

import time
from typing import Any

#: Seconds that the screen may take to show what was typed; some keys show nothing.
SHOWN_S = 1.0


def calm_shell() -> None:
    """Have this process wait, after each time it types into tmux, until the screen has changed."""
    from libtmux import Pane

    type_only = Pane.send_keys

    def type_and_wait(pane: Any, *args: Any, **kwargs: Any) -> None:
        before = pane.capture_pane()
        type_only(pane, *args, **kwargs)
        end = time.monotonic() + SHOWN_S
        while pane.capture_pane() == before and time.monotonic() < end:
            time.sleep(0.02)

    Pane.send_keys = type_and_wait  # type: ignore[method-assign, assignment]
