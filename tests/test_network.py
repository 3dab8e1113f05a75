"""Nodes that share no network and no disk: each in a network namespace of its own, with its own ``/tmp``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from nodes import Driver, Nodes

#: The head's address, on a bridge that the others are linked to, and theirs.
HEAD, OTHERS = "10.213.7.1", ("10.213.7.2", "10.213.7.3")


class Network:
    """Three network namespaces, of which the first is linked to each of the others."""

    def __init__(self) -> None:
        self.names = [f"ohr-{os.getpid()}-{number}" for number in range(len(OTHERS) + 1)]
        for name in self.names:
            ip("netns", "add", name)
            self._ip(name, "link", "set", "lo", "up")
        head, *others = self.names
        self._ip(head, "link", "add", "hub", "type", "bridge")
        self._ip(head, "addr", "add", f"{HEAD}/24", "dev", "hub")
        self._ip(head, "link", "set", "hub", "up")
        for number, (name, address) in enumerate(zip(others, OTHERS, strict=True)):
            link = f"to{number}"
            self._ip(head, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
            self._ip(head, "link", "set", link, "master", "hub", "up")
            self._ip(name, "addr", "add", f"{address}/24", "dev", "eth0")
            self._ip(name, "link", "set", "eth0", "up")

    def _ip(self, name: str, *arguments: str) -> None:
        ip("-n", name, *arguments)

    def within(self, number: int, folder: Path | None = None) -> list[str]:
        """Return the command that runs another one there; if ``folder`` is given, it is a disk of its own there."""
        inside = ["ip", "netns", "exec", self.names[number]]  # which brings a mount namespace, too
        if folder is None:
            return inside
        return [*inside, "sh", "-c", f'mount -t tmpfs none {folder} && mkdir "$TMPDIR" && exec "$@"', "sh"]

    def close(self) -> None:
        for name in self.names:
            ip("netns", "del", name)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def problem() -> str:
    """Return why there can be no network namespace here, or nothing."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "needs root, and the program ip"
    done = subprocess.run(["unshare", "--net", "ip", "link", "add", "type", "veth"], check=False, capture_output=True)
    return "" if done.returncode == 0 else done.stderr.decode().strip()


pytestmark = pytest.mark.skipif(problem() != "", reason=problem())


def test_a_session_is_where_its_node_is_and_files_go_there_and_back(tmp_path: Path) -> None:
    network, nodes = Network(), Nodes()
    try:
        # The head and the programs on it share a folder: Ray's programs find their raylet by a socket in it.
        nodes.add(HEAD, network.within(0))
        for number, host in enumerate(OTHERS, 1):
            nodes.add_by_ray_start(host, network.within(number, nodes.folder))
        driver = Driver(nodes.address, network.within(0))
        second = Driver(nodes.address, network.within(0))
        places = {f"s{number}": driver.create(f"s{number}") for number in range(6)}
        assert Counter(places.values()) == {HEAD: 2, **dict.fromkeys(OTHERS, 2)}

        large = tmp_path / "large"
        large.write_bytes(os.urandom(1 << 20) * 48)  # many parts of a transfer
        digest = hashlib.sha256(large.read_bytes()).hexdigest()
        far = next(sid for sid, node in places.items() if node == OTHERS[0])
        address = "ip -brief address show eth0 2>/dev/null || hostname -I"
        assert OTHERS[0] in driver.ask("run", sid=far, command=address)["content"]
        driver.ask("upload", sid=far, path=str(large), to="/workspace")
        assert digest in driver.ask("run", sid=far, command="sha256sum large")["content"]
        assert driver.ask("download", sid=far, path="/workspace/large")["digests"] == {"large": digest}
        assert not list(nodes.folder.glob("*/openhands-ray-*/sessions/*/**/large"))  # nor is it on this disk

        second.ask("attach", sid=far)
        assert digest in second.ask("run", sid=far, command="sha256sum large")["content"]
        second.end()  # what was attached to goes on
        assert driver.ask("run", sid=far, command="ls")["content"] == "large"
        driver.end()
    finally:
        nodes.close()
        network.close()
