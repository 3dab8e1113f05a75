"""The settings of the runtime, in one frozen class."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, get_args

from openhands_ray.errors import SettingsError

#: Prefix of the environment variables that hold settings: ``OPENHANDS_RAY_ISOLATION=process``.
PREFIX = "OPENHANDS_RAY_"

Isolation = Literal["sandbox", "process"]
Placement = Literal["spread", "pack"]
Network = Literal["host", "none"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How sessions are placed, walled in and started.

    Attributes:
        address: The Ray cluster to attach to (``auto``, ``host:port``). None: a small private one of this process.
        isolation: ``sandbox`` (bubblewrap) or ``process``. None: the strongest that works on the session's node.
        session_cpus: CPUs that Ray's scheduler sets aside for each session. 0: sessions share what there is.
        session_memory_bytes: Memory that it sets aside for each session. 0: as above. It is no limit.
        session_resources: Custom resources of a node that each session takes: ``NAME=AMOUNT``, separated by commas.
        session_labels: Labels that the session's node must have: ``NAME=VALUE``, separated by commas.
        placement: ``spread`` sessions over the nodes, or ``pack`` them: fill a node before the next one is used.
        queue_timeout_s: Seconds that a session may wait for a place where no node has room for it.
        idle_limit_s: Seconds without an action after which a session that outlives its process ends. 0: never.
        warm_sessions: Sessions that are kept ready ahead of need for each node that has what they ask for, about 60 MB
            each. None: one in all, as soon as the process has asked for a second session.
        warm_browser: Start Chromium along with each session, in the background; else its first page does.
            With ``warm_sessions``, it is there before its session is asked for.
        cluster_cpus: CPUs that a private cluster says that it has. None: those of the machine.
        object_store_bytes: Size of a private cluster's object store; used only as far as files are copied.
        start_timeout_s: Seconds that a cluster or a session may take to start.
        no_change_timeout_s: Seconds without output after which a command that does not block is handed back.
        network: ``host``, that of the node; or ``none``: a session has a loopback of its own and no way out.
        memory_limit_bytes: Memory of all processes of a session. For this and what follows: None is what protects the
            node, where it can have that for nothing; 0 is no limit; a limit that nothing on the node holds is an error.
        process_limit: Processes and threads of a session.
        cpu_limit: CPUs' worth of time that a session gets.
        open_files_limit: Open files of one process.
        file_limit_bytes: Size of one file.
        disk_limit_bytes: Size of the workspace, of home and of ``/tmp``, each, which are in memory then.
        cgroup: The control group (version 2) of the nodes below which those of sessions are made. None: that of the
            session's actor.
        metrics: Record metrics by ``ray.util.metrics``. None: on nodes whose Ray exports them.
    """

    address: str | None = None
    isolation: Isolation | None = None
    session_cpus: float = 0.0
    session_memory_bytes: int = 0
    session_resources: str = ""
    session_labels: str = ""
    placement: Placement = "spread"
    queue_timeout_s: float = 300.0
    idle_limit_s: float = 86_400.0
    warm_sessions: int | None = None
    warm_browser: bool = False
    cluster_cpus: int | None = None
    object_store_bytes: int = 256 * 1024 * 1024
    start_timeout_s: float = 120.0
    no_change_timeout_s: float = 10.0
    network: Network = "host"
    memory_limit_bytes: int | None = None
    process_limit: int | None = None
    cpu_limit: float | None = None
    open_files_limit: int | None = None
    file_limit_bytes: int | None = None
    disk_limit_bytes: int | None = None
    cgroup: str | None = None
    metrics: bool | None = None

    def __post_init__(self) -> None:
        if self.isolation is not None and self.isolation not in get_args(Isolation):
            raise SettingsError(f"isolation is one of {', '.join(get_args(Isolation))}, not {self.isolation!r}.")
        for name in _AMOUNTS:
            if not getattr(self, name) >= 0:  # nan is not, either
                raise SettingsError(f"{name} cannot be negative, but is {getattr(self, name)!r}.")
        self._check_placement()
        self._check_walls()
        if self.warm_sessions is not None and self.warm_sessions < 0:
            raise SettingsError(f"warm_sessions cannot be negative, but is {self.warm_sessions!r}.")
        if self.cluster_cpus is not None and self.cluster_cpus < 1:
            raise SettingsError(f"cluster_cpus is at least 1, but is {self.cluster_cpus!r}.")

    def _check_placement(self) -> None:
        amounts = pairs("session_resources", self.session_resources)
        pairs("session_labels", self.session_labels)
        for name, text in amounts.items():
            if not _convert(f"The amount of {name} in session_resources", text, "float") > 0:  # type: ignore[operator]
                raise SettingsError(f"session_resources asks for {text} of {name}, which is not above 0.")
            if name in _SETTINGS_OF:
                raise SettingsError(f"session_resources cannot hold {name}: there is {_SETTINGS_OF[name]} for it.")
        if self.placement not in get_args(Placement):
            raise SettingsError(f"placement is one of {', '.join(get_args(Placement))}, not {self.placement!r}.")
        if self.placement == "pack" and not (self.session_cpus or self.session_memory_bytes or amounts):
            raise SettingsError(
                "placement = 'pack' fills a node with what sessions ask for, and they ask for nothing: set "
                "session_cpus, session_memory_bytes or session_resources."
            )

    def _check_walls(self) -> None:
        if self.network not in get_args(Network):
            raise SettingsError(f"network is one of {', '.join(get_args(Network))}, not {self.network!r}.")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value != 0 and not value >= least:
                raise SettingsError(
                    f"{name} is 0 (no limit) or at least {least}, which a session needs, not {value!r}."
                )

    @property
    def limits(self) -> dict[str, int | float | None]:
        """The limits of a session, as its actor takes them."""
        return {
            "memory_bytes": self.memory_limit_bytes,
            "processes": self.process_limit,
            "cpus": self.cpu_limit,
            "open_files": self.open_files_limit,
            "file_bytes": self.file_limit_bytes,
            "disk_bytes": self.disk_limit_bytes,
        }

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings of ``OPENHANDS_RAY_*``; the address also of ``RAY_ADDRESS``, Ray's own variable.

        OpenHands' ``NO_CHANGE_TIMEOUT_SECONDS`` is honoured too.

        Raises:
            SettingsError: a variable is unknown, or its value is not of its type.
        """
        values: dict[str, Any] = {}
        if "RAY_ADDRESS" in environment:
            values["address"] = environment["RAY_ADDRESS"]
        if "NO_CHANGE_TIMEOUT_SECONDS" in environment:
            name = "NO_CHANGE_TIMEOUT_SECONDS"
            values["no_change_timeout_s"] = _convert(name, environment[name], "float")
        types = {field.name: str(field.type) for field in fields(cls)}
        for variable, text in environment.items():
            if not variable.startswith(PREFIX) or variable in _OTHER_VARIABLES:
                continue
            name = variable.removeprefix(PREFIX).lower()
            if name not in types:
                known = ", ".join(f"{PREFIX}{each.upper()}" for each in types)
                raise SettingsError(f"{variable} is not a setting. The settings are {known}.")
            values[name] = _convert(variable, text, types[name])
        return cls(**values)


#: Below these a session could not even start.
_LEAST = {
    "memory_limit_bytes": 128 * 1024 * 1024,
    "process_limit": 32,
    "cpu_limit": 0.01,
    "open_files_limit": 64,
    "file_limit_bytes": 1024 * 1024,
    "disk_limit_bytes": 1024 * 1024,
}

# Set by this package itself, and not settings.
_OTHER_VARIABLES = {f"{PREFIX}KEY"}


# What cannot be negative.
_AMOUNTS = (
    "session_cpus",
    "session_memory_bytes",
    "queue_timeout_s",
    "idle_limit_s",
    "object_store_bytes",
    "start_timeout_s",
    "no_change_timeout_s",
)

# Ray's own resources, and the settings that ask for them.
_SETTINGS_OF = {"CPU": "session_cpus", "memory": "session_memory_bytes"}


def pairs(setting: str, text: str) -> dict[str, str]:
    """Return the pairs of ``NAME=VALUE,NAME=VALUE``.

    Raises:
        SettingsError: the text of this setting is of another form.
    """
    found: dict[str, str] = {}
    for each in filter(None, map(str.strip, text.split(","))):
        name, equals, value = map(str.strip, each.partition("="))
        if not (name and equals and value) or name in found:
            raise SettingsError(f"{setting} is NAME=VALUE,NAME=VALUE with each name once, not {text!r}.")
        found[name] = value
    return found


def _convert(variable: str, text: str, kind: str) -> str | int | float:
    try:
        if kind.startswith("int"):
            return int(text)
        if kind.startswith("float"):
            return float(text)
    except ValueError:
        raise SettingsError(f"{variable} is a number, not {text!r}.") from None
    if kind.startswith("bool"):
        return _truth(variable, text)
    return text


def _truth(variable: str, text: str) -> bool:
    try:
        return {"1": True, "true": True, "0": False, "false": False}[text.strip().lower()]
    except KeyError:
        raise SettingsError(f"{variable} is 1 (or true) or 0 (or false), not {text!r}.") from None
