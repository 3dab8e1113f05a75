"""The token of a cluster of ours: without it, Ray's processes answer nobody.

They listen on the node's loopback, which a session can reach as long as it has the node's network; whoever may speak to
them may run anything, outside of all walls. The token is in the environment of Ray's processes and of this one, and in
no session's.
"""

from __future__ import annotations

import contextlib
import os
import secrets

#: Ray's variables; a release of Ray that does not know them (before 2.52) ignores them.
MODE, TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"


def new_token() -> str:
    """Return one that nobody can guess."""
    return secrets.token_hex(32)


def variables(token: str) -> dict[str, str]:
    """Return what Ray's processes, and whoever is to be answered, need in their environment."""
    return {MODE: "token", TOKEN: token}


class Access:
    """A new token, and this process's use of it."""

    def __init__(self) -> None:
        self.environment = variables(new_token())
        self._before: dict[str, str | None] = {}

    def take(self) -> None:
        """Have this process, and those that it starts, present the token."""
        self._before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        read_anew()

    def give_back(self) -> None:
        """Have this process be as it was before. Idempotent."""
        before, self._before = self._before, {}
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if before:
            read_anew()


def read_anew() -> None:
    """Have Ray forget what it has read of these variables."""
    with contextlib.suppress(ImportError):  # of a release that does not know them
        from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()
