"""The token of a cluster of ours: without it, Ray's processes answer nobody.

They listen on the node's loopback, which a session can reach as long as it has the node's network; whoever may speak to
them may run anything, outside of all walls. The token is in the environment of Ray's processes and of this one, and in
no session's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping

from openhands_ray.errors import ClusterError

#: Ray's variables; a release of Ray that does not know them (before 2.52) ignores them.
MODE, TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"


def new_token() -> str:
    """Return one that nobody can guess."""
    return secrets.token_hex(32)


def variables(token: str) -> dict[str, str]:
    """Return what Ray's processes, and whoever is to be answered, need in their environment."""
    return {MODE: "token", TOKEN: token}


def exchange(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """Set variables of this process, or remove those that are None; return what they were, in the same form."""
    before = {name: os.environ.get(name) for name in values}
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before


class Access:
    """A new token, and this process's use of it."""

    def __init__(self) -> None:
        self.environment = variables(new_token())
        self._before: dict[str, str | None] = {}

    def take(self) -> None:
        """Have this process, and those that it starts, present the token."""
        self._before = exchange(self.environment)
        read_anew()

    def give_back(self) -> None:
        """Have this process be as it was before. Idempotent."""
        before, self._before = self._before, {}
        if before:
            exchange(before)
            read_anew()


def read_anew() -> None:
    """Have Ray forget what it has read of these variables."""
    with contextlib.suppress(ImportError):  # of a release that does not know them
        from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()


def introduce(address: str) -> None:
    """Find out whether the cluster at ``host:port`` answers this process.

    Ray's own client would ask again for twenty seconds, and then not say why.

    Raises:
        ClusterError: the cluster asks for a token that this process does not have.
    """
    try:
        from ray._raylet import GcsClient  # type: ignore[attr-defined]
        from ray.exceptions import AuthenticationError, RayError
    except ImportError:  # of a release that does not know them
        return
    try:
        GcsClient(address=address)
    except AuthenticationError:
        raise ClusterError(
            f"The Ray cluster at {address} asks for a token, and this process has none, or another. Nothing was "
            f"started. Set {MODE} and {TOKEN} as `openhands-ray cluster start` prints them."
        ) from None
    except RayError:
        return  # whatever it is, connecting will say it
