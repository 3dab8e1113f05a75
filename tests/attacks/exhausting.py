"""Attempts to use up the node: each session has limits here, and another session goes on beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from field import Target

#: What the session may take, by the names of the settings.
LIMITS = {
    "memory_limit_bytes": 384 * 2**20,
    "process_limit": 200,
    "open_files_limit": 256,
    "file_limit_bytes": 8 * 2**20,
    "disk_limit_bytes": 24 * 2**20,
    "cpu_limit": 1.5,
}

MEMORY_NOTE = "The session reached its memory limit of 384 MiB, and a process in it was killed."
PROCESSES_NOTE = "The session reached its limit of 200 processes, and no more were let be."


@dataclass(frozen=True)
class Exhaustion:
    """One way to try it.

    Attributes:
        name: what is used up, and how.
        through: the way of acting.
        attempt: does it; returns what was said of it.
        said: what that must contain.
        outcome: the same, in words.
    """

    name: str
    through: str
    attempt: Callable[[Target], str]
    said: str
    outcome: str


def _shell(command: str, timeout_s: float = 60) -> Callable[[Target], str]:
    return lambda target: target.shell(command, timeout_s)


def _cell(code: str) -> Callable[[Target], str]:
    return lambda target: target.cell(code)


def _fork_bomb(target: Target) -> str:
    said = target.shell("bomb() { bomb | bomb & }; bomb; wait", 5)
    for _ in range(60):
        said += target.shell("echo beside the bomb")  # built into bash: it needs no process
        if PROCESSES_NOTE in said:
            break
        time.sleep(0.5)
    target.shell("kill -9 -1")  # it would take each place that comes free, as long as the session lives
    return said


def _flood(target: Target) -> str:
    return target.shell("yes flooding the terminal", 2) + target.act("CmdRunAction", command="C-c", is_input=True)


def _mcp_flood(target: Target) -> str:
    target.request("mcp_start", reader="flood", server="flood", command="yes", args=["a flood of letters"], env={})
    said = target.shell("sleep 1; echo beside the flood")
    target.request("mcp_stop", server="flood")
    return said


def _grow(name: str) -> str:
    return f"data = bytearray(2**30)  # {name}"


#: Each holds 16 MB; the first that dies ends it.
_MANY_PROCESSES = (
    'python3 -S -c "import os, signal\n'
    "children = []\n"
    "while True:\n"
    "    read, write = os.pipe(); child = os.fork()\n"
    "    if not child:\n"
    "        data = bytearray(2**24); os.write(write, b'x'); signal.pause()\n"
    "    os.close(write); children.append(child)\n"
    "    if not os.read(read, 1) or os.waitpid(-1, os.WNOHANG)[0]: break\n"
    'signal.signal(signal.SIGTERM, signal.SIG_IGN); os.kill(0, signal.SIGTERM)"'
)

#: The namespaces are entered by a process that goes on: another program would lose the capabilities in them.
_LIFT = (
    'python3 -S -c "import ctypes, os\n'
    "os.makedirs('/tmp/groups', exist_ok=True)\n"
    "os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS | os.CLONE_NEWCGROUP)\n"
    "library = ctypes.CDLL(None)\n"
    "for kind, controller in ((b'cgroup', b'memory'), (b'cgroup', b'pids'), (b'cgroup2', None)):\n"
    "    if library.mount(b'none', b'/tmp/groups', kind, 0, controller) == 0: print('mounted', kind, controller)\n"
    "    for name in ('memory.limit_in_bytes', 'memory.memsw.limit_in_bytes', 'pids.max', 'memory.max'):\n"
    "        for value in ('-1', 'max'):\n"
    "            try: open('/tmp/groups/' + name, 'w').write(value)\n"
    "            except OSError: pass\n"
    "    library.umount2(b'/tmp/groups', 2)\n"
    "\"; ulimit -n 10000 2>&1; python3 -c 'data = bytearray(2**30)'"
)

EXHAUSTIONS = [
    Exhaustion(
        "memory",
        "shell",
        _shell("python3 -c 'data = bytearray(2**30)'"),
        MEMORY_NOTE,
        "the hog is killed, the observation says why",
    ),
    Exhaustion(
        "memory, by many small processes",
        "shell",
        _shell(_MANY_PROCESSES),
        MEMORY_NOTE,
        "some are killed, the observation says why",
    ),
    Exhaustion(
        "memory", "kernel", _cell(_grow("in a cell")), MEMORY_NOTE, "the kernel is killed, the observation says why"
    ),
    Exhaustion(
        "memory, by files in /dev/shm",
        "shell",
        _shell("cd /dev/shm; for i in $(seq 9); do head -c 7M /dev/zero > big$i; done; rm big*; cd -"),
        "No space left on device",
        "the file system is full, for this session alone",
    ),
    Exhaustion(
        "processes, by a fork bomb",
        "shell",
        _fork_bomb,
        PROCESSES_NOTE,
        "no more can be started, the observation says why, the session goes on",
    ),
    Exhaustion(
        "processes, by threads",
        "kernel",
        _cell(
            "import threading, time\nfor i in range(300):\n    threading.Thread(target=time.sleep, args=(3,)).start()"
        ),
        PROCESSES_NOTE,
        "no more can be started, the observation says why",
    ),
    Exhaustion(
        "the disk: the workspace",
        "shell",
        _shell("for i in $(seq 9); do head -c 7M /dev/zero > big$i; done; rm big*"),
        "No space left on device",
        "the disk is full, for this session alone",
    ),
    Exhaustion(
        "the disk: /tmp, home and /",
        "shell",
        _shell(
            "for d in /tmp ~; do for i in $(seq 9); do head -c 7M /dev/zero > $d/big$i; done; rm $d/big*; done; "
            "echo > /big; echo > /dev/big"
        ),
        "Read-only file system",
        "the disk is full, for this session alone",
    ),
    Exhaustion(
        "the disk, by one file",
        "shell",
        _shell("head -c 20M /dev/zero > big; rm big"),
        "File size limit exceeded",
        "the writer is ended",
    ),
    Exhaustion(
        "the disk",
        "file actions",
        lambda target: target.act("FileWriteAction", path="/workspace/big", content="x" * 9 * 2**20),
        "File too large",
        "an error that says so",
    ),
    Exhaustion(
        "open files",
        "kernel",
        _cell("files = [open('/dev/null') for _ in range(1000)]"),
        "Too many open files",
        "an error that says so",
    ),
    Exhaustion(
        "the limits themselves, by control groups mounted in namespaces of one's own, and ulimit",
        "shell",
        _shell(_LIFT),
        MEMORY_NOTE,
        "they still hold",
    ),
    Exhaustion(
        "the terminal, by output without end",
        "shell",
        _flood,
        "flooding the terminal",
        "the last of it is shown, and it can be interrupted",
    ),
    Exhaustion(
        "the client, by output without end", "MCP server", _mcp_flood, "beside the flood", "it waits until it is read"
    ),
]
