from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from openhands_ray import Settings
from openhands_ray.errors import SettingsError


def test_defaults() -> None:
    settings = Settings.from_environment({"PATH": "/bin", "OPENHANDS_RAY_KEY": "not a setting"})
    assert settings == Settings()
    assert (settings.address, settings.isolation) == (None, None)


def test_each_setting_has_a_variable() -> None:
    values = {
        "ADDRESS": "auto",
        "ISOLATION": "process",
        "SESSION_CPUS": "0.5",
        "SESSION_MEMORY_BYTES": "1000000000",
        "SESSION_RESOURCES": "slot=1",
        "SESSION_LABELS": "zone=a",
        "PLACEMENT": "pack",
        "QUEUE_TIMEOUT_S": "9",
        "IDLE_LIMIT_S": "60",
        "WARM_SESSIONS": "4",
        "WARM_BROWSER": "1",
        "CLUSTER_CPUS": "3",
        "OBJECT_STORE_BYTES": "100000000",
        "START_TIMEOUT_S": "7",
        "NO_CHANGE_TIMEOUT_S": "1.5",
        "NETWORK": "none",
        "MEMORY_LIMIT_BYTES": "1073741824",
        "PROCESS_LIMIT": "500",
        "CPU_LIMIT": "1.5",
        "OPEN_FILES_LIMIT": "1024",
        "FILE_LIMIT_BYTES": "0",
        "DISK_LIMIT_BYTES": "2097152",
        "CGROUP": "/sys/fs/cgroup/sessions.slice",
        "METRICS": "true",
    }
    assert {name.lower() for name in values} == {field.name for field in dataclasses.fields(Settings)}
    settings = Settings.from_environment({f"OPENHANDS_RAY_{name}": value for name, value in values.items()})
    assert settings == Settings(
        address="auto",
        isolation="process",
        session_cpus=0.5,
        session_memory_bytes=1_000_000_000,
        session_resources="slot=1",
        session_labels="zone=a",
        placement="pack",
        queue_timeout_s=9.0,
        idle_limit_s=60.0,
        warm_sessions=4,
        warm_browser=True,
        cluster_cpus=3,
        object_store_bytes=100_000_000,
        start_timeout_s=7.0,
        no_change_timeout_s=1.5,
        network="none",
        memory_limit_bytes=2**30,
        process_limit=500,
        cpu_limit=1.5,
        open_files_limit=1024,
        file_limit_bytes=0,
        disk_limit_bytes=2 * 2**20,
        cgroup="/sys/fs/cgroup/sessions.slice",
        metrics=True,
    )
    assert settings.limits == {
        "memory_bytes": 2**30,
        "processes": 500,
        "cpus": 1.5,
        "open_files": 1024,
        "file_bytes": 0,
        "disk_bytes": 2 * 2**20,
    }


def test_the_variables_of_ray_and_openhands_count_and_ours_win() -> None:
    theirs = {"RAY_ADDRESS": "a:1", "NO_CHANGE_TIMEOUT_SECONDS": "3"}
    assert Settings.from_environment(theirs) == Settings(address="a:1", no_change_timeout_s=3.0)
    ours = {"OPENHANDS_RAY_ADDRESS": "b:2", "OPENHANDS_RAY_NO_CHANGE_TIMEOUT_S": "4"}
    assert Settings.from_environment({**ours, **theirs}) == Settings(address="b:2", no_change_timeout_s=4.0)


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("OPENHANDS_RAY_ISOLATON", "process", "OPENHANDS_RAY_ISOLATON is not a setting"),
        ("OPENHANDS_RAY_ISOLATION", "docker", "isolation is one of sandbox, process, not 'docker'"),
        ("OPENHANDS_RAY_CLUSTER_CPUS", "two", "OPENHANDS_RAY_CLUSTER_CPUS is a number, not 'two'"),
        ("OPENHANDS_RAY_WARM_BROWSER", "yes", "OPENHANDS_RAY_WARM_BROWSER is 1 .or true. or 0 .or false."),
        ("OPENHANDS_RAY_METRICS", "auto", "OPENHANDS_RAY_METRICS is 1 .or true. or 0 .or false."),
        ("OPENHANDS_RAY_START_TIMEOUT_S", "-1", "start_timeout_s cannot be negative"),
        ("OPENHANDS_RAY_SESSION_CPUS", "", "is a number"),
        ("OPENHANDS_RAY_CLUSTER_CPUS", "-2", "cluster_cpus"),
        ("OPENHANDS_RAY_SESSION_RESOURCES", "slot", "session_resources is NAME=VALUE,NAME=VALUE"),
        ("OPENHANDS_RAY_SESSION_RESOURCES", "slot=1,slot=2", "each name once"),
        ("OPENHANDS_RAY_SESSION_RESOURCES", "slot=many", "The amount of slot in session_resources is a number"),
        ("OPENHANDS_RAY_SESSION_RESOURCES", "slot=0", "asks for 0 of slot, which is not above 0"),
        ("OPENHANDS_RAY_SESSION_RESOURCES", "CPU=1", "cannot hold CPU: there is session_cpus for it"),
        ("OPENHANDS_RAY_SESSION_LABELS", "=a", "session_labels is NAME=VALUE,NAME=VALUE"),
        ("OPENHANDS_RAY_PLACEMENT", "tight", "placement is one of spread, pack, not 'tight'"),
        ("OPENHANDS_RAY_PLACEMENT", "pack", "they ask for nothing"),
        ("OPENHANDS_RAY_START_TIMEOUT_S", "nan", "start_timeout_s"),
        ("OPENHANDS_RAY_NETWORK", "off", "network is one of host, none, not 'off'"),
        ("OPENHANDS_RAY_MEMORY_LIMIT_BYTES", "512", "memory_limit_bytes is 0 .no limit. or at least"),
        ("OPENHANDS_RAY_PROCESS_LIMIT", "-1", "process_limit"),
        ("OPENHANDS_RAY_CPU_LIMIT", "nan", "cpu_limit"),
    ],
)
def test_what_is_refused(variable: str, value: str, shown: str) -> None:
    with pytest.raises(SettingsError, match=shown):
        Settings.from_environment({variable: value})


def test_frozen_and_by_name() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().address = "x"  # type: ignore[misc]
    unknown: dict[str, Any] = {"colour": "red"}
    with pytest.raises(TypeError):
        Settings(**unknown)
