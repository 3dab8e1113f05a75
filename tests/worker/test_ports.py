"""Ports that nobody uses."""

from __future__ import annotations

import socket

import pytest

from openhands_ray.worker import ports


def test_one_port_of_each_range_of_openhands() -> None:
    from openhands.runtime.impl.docker import docker_runtime

    ranges = (docker_runtime.APP_PORT_RANGE_1, docker_runtime.APP_PORT_RANGE_2)
    assert tuple((each.start, each.stop - 1) for each in ports.APPLICATIONS) == ranges
    found = ports.application_ports()
    assert all(port in each for port, each in zip(found, ports.APPLICATIONS, strict=True))
    for port in found:
        socket.create_server(("", port)).close()


def test_a_port_that_is_used_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_ATTEMPTS", 1)
    with socket.create_server(("", 0)) as listening:
        port = listening.getsockname()[1]
        assert ports.free_port(range(port, port + 1)) is None
