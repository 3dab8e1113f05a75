"""The attempts to use up the node and to live on, in sessions without Ray: there the kernel alone holds them.

``test_control_groups.py`` has them made in a virtual machine too, whose control groups are of version 2.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from exhausting import EXHAUSTIONS, LIMITS, Exhaustion
from field import LocalTarget, alive, comes_alive
from outliving import SURVIVORS
from support import ROOT, LocalSession

from openhands_ray import Settings
from openhands_ray.worker.cgroup import places
from openhands_ray.worker.sandbox import sandbox_problem

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem())),
    pytest.mark.skipif(len(places(None)[0]) < 3, reason=places(None)[1]),
]

UNIFIED = Path("/sys/fs/cgroup")
version_2 = pytest.mark.skipif(
    not (UNIFIED / "cgroup.controllers").exists(), reason="the control groups of this machine are of version 1"
)


NOBODY = 65534


def session(**spec: object) -> LocalTarget:
    return LocalTarget(LocalSession("sandbox", kernel=True, **spec))


@pytest.fixture(scope="module")
def limited() -> Iterator[LocalTarget]:
    target = session(limits=Settings(**LIMITS).limits)  # type: ignore[arg-type]
    yield target
    target.session.close()


@pytest.fixture(scope="module")
def beside() -> Iterator[LocalTarget]:
    target = session()
    yield target
    target.session.close()


@pytest.mark.parametrize("exhaustion", EXHAUSTIONS, ids=lambda each: f"{each.name}, {each.through}")
def test_what_would_use_up_the_node(limited: LocalTarget, beside: LocalTarget, exhaustion: Exhaustion) -> None:
    assert {limited.info["limits"][name]["held"] for name in ("memory_bytes", "processes", "cpus")} == {"control group"}

    assert exhaustion.said in exhaustion.attempt(limited)

    assert limited.goes_on()
    assert beside.goes_on()


def test_what_would_outlive_close() -> None:
    target = session()
    groups = target.groups()
    assert groups
    markers = {f"{each.name}, {each.through}": each.run(target) for each in SURVIVORS}
    assert [name for name, marker in markers.items() if not comes_alive(marker, 60)] == []
    target.session.close()
    assert [name for name, marker in markers.items() if alive(marker)] == []
    assert not any(group.exists() for group in groups)


def test_cpu_time_is_held() -> None:
    target = session(limits=Settings(cpu_limit=0.25).limits)
    spin = "import time; end = time.monotonic() + 4\nwhile time.monotonic() < end: pass\nprint(time.process_time())"
    used = float(target.shell(f'python3 -S -c "{spin}"'))
    target.session.close()
    assert used < 2  # of four seconds; the limit is one, and the last period may be overdrawn


@version_2
def test_a_group_that_is_named() -> None:
    """As in a container or a service, whose own group holds processes and so cannot have limited ones below it."""
    with delegated(os.getuid()) as folder:
        target = session(limits=Settings(**LIMITS).limits, cgroup=str(folder))  # type: ignore[arg-type]
        (group,) = [each for each in folder.iterdir() if each.is_dir()]
        assert (group / "memory.max").read_text().strip() == str(LIMITS["memory_limit_bytes"])
        assert str(target.info["executor_pid"]) in (group / "session/cgroup.procs").read_text().split()
        assert EXHAUSTIONS[0].said in EXHAUSTIONS[0].attempt(target)
        target.session.close()
        assert not group.exists()


_AS_ITS_OWNER = """
import os, sys
from pathlib import Path
from support import LocalSession, below
from openhands_ray.memory import unique_bytes
folder, user = sys.argv[1], int(sys.argv[2])
(Path(folder).parent / "programs/cgroup.procs").write_text(str(os.getpid()))
os.setgroups([]); os.setgid(user); os.setuid(user)
session = LocalSession("sandbox", limits={"memory_bytes": 256 * 2**20, "processes": 100}, cgroup=folder)
info = session.actor.info()
print(info["limits"])
print("executor:", unique_bytes(below(info["executor_pid"])))
print("first to be killed:", session.output("cat /proc/self/oom_score_adj"))
print(session.output("python3 -c 'data = bytearray(2**30)'"))
session.close()
print(os.listdir(folder).count("session"), [each for each in os.listdir(folder) if each.startswith("openhands")])
"""


def _others_run_python() -> bool:
    if os.getuid() != 0:
        return False
    try:
        return subprocess.run([sys.executable, "-c", ""], user=NOBODY, check=False).returncode == 0
    except PermissionError:
        return False


@version_2
@pytest.mark.skipif(not _others_run_python(), reason="this Python is root's alone, or this user is not root")
def test_a_group_that_a_user_was_given() -> None:
    """As systemd delegates one to each user: no privileges are needed."""
    with delegated(NOBODY) as folder, tempfile.TemporaryDirectory() as home:
        os.chown(home, NOBODY, NOBODY)
        done = subprocess.run(
            [sys.executable, "-c", _AS_ITS_OWNER, str(folder), str(NOBODY)],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/tests", "HOME": home},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("control group") == 2
    assert "The session reached its memory limit of 256 MiB" in done.stdout
    assert re.search(r"executor: [1-9]\d{6}", done.stdout)  # it can be measured, though not from inside
    assert "first to be killed: 1000" in done.stdout
    assert done.stdout.endswith("0 []\n")


@contextmanager
def delegated(user: int) -> Iterator[Path]:
    """Make a group for sessions beside one for programs, below one that belongs to ``user``; remove them."""
    above = UNIFIED / f"delegated-{secrets.token_hex(4)}"
    for folder in (above, above / "programs", above / "sessions"):
        if folder != above:
            (above / "cgroup.subtree_control").write_text("+memory +pids +cpu")
        folder.mkdir()
        for path in (folder, folder / "cgroup.procs", folder / "cgroup.subtree_control"):
            os.chown(path, user, user)
    try:
        yield above / "sessions"
    finally:
        for folder in (above / "sessions", above / "programs", above):
            _wait_until_empty(folder)
            folder.rmdir()


def _wait_until_empty(folder: Path) -> None:
    """Wait for those that end with the user's program, a moment after it."""
    end = time.monotonic() + 30
    while "populated 0" not in (folder / "cgroup.events").read_text():
        assert time.monotonic() < end, (folder / "cgroup.procs").read_text()
        time.sleep(0.1)
