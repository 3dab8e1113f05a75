"""Attempts to live on when the session has been closed. Each leaves a process that is known by its argument."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from field import Target

#: Sleeps under a name; the marker is one of its arguments.
_SLEEP = "python3 -S -c 'import time; time.sleep(1000)' @marker@"

_SUBREAPER = (
    'python3 -S -c "import ctypes, os, time; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); '
    'os.fork() or (os.setsid(), os.fork()); time.sleep(1000)" @marker@ > /dev/null 2>&1 &'
)
_IGNORES = (
    'python3 -S -c "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in range(1, 65) '
    'if s not in (9, 19, 32, 33)]; time.sleep(1000)" @marker@ > /dev/null 2>&1 &'
)
_HOLDS = (
    'python3 -S -c "import glob, os, time\n'
    "for path in glob.glob('/proc/1/fd/*'):\n"
    "    for flags in (os.O_RDONLY, os.O_WRONLY):\n"
    "        try: os.open(path, flags | os.O_NONBLOCK)\n"
    "        except OSError: pass\n"
    'time.sleep(1000)" @marker@ > /dev/null 2>&1 &'
)


@dataclass(frozen=True)
class Survivor:
    """One way to try it; ``start`` is what is run, with ``@marker@`` in the arguments of what is to live on."""

    name: str
    through: str
    start: str

    def run(self, target: Target) -> str:
        """Start it; return its marker."""
        marker = f"survivor-{secrets.token_hex(6)}"
        start = self.start.replace("@marker@", marker)
        if self.through == "kernel":
            target.cell(start)
        elif self.through == "MCP server":
            target.script("MCP server", start)
        else:
            target.shell(start)
        return marker


SURVIVORS = [
    Survivor("nohup and setsid", "shell", f"nohup setsid {_SLEEP} > /dev/null 2>&1 &"),
    Survivor("two forks, and no parent", "shell", f"(({_SLEEP} > /dev/null 2>&1 &) &)"),
    Survivor("a disowned job", "shell", f"{_SLEEP} > /dev/null 2>&1 & disown"),
    Survivor("every signal ignored", "shell", _IGNORES),
    Survivor("a subreaper of one's own", "shell", _SUBREAPER),
    Survivor("stopped", "shell", f"{_SLEEP} > /dev/null 2>&1 & sleep 0.1; kill -STOP $!"),
    Survivor(
        "namespaces of one's own, and their first process",
        "shell",
        f"setsid unshare --user --pid --fork {_SLEEP} > /dev/null 2>&1 &",
    ),
    Survivor("the descriptors of the first process held", "shell", _HOLDS),
    Survivor(
        "one that is started again whenever it ends",
        "shell",
        f"setsid sh -c \"trap '' HUP TERM INT; while :; do {_SLEEP.replace(chr(39), chr(92) + chr(34))}; done\""
        " > /dev/null 2>&1 &",
    ),
    Survivor(
        "a process of its own session",
        "kernel",
        "import subprocess; subprocess.Popen(['python3', '-S', '-c', 'import time; time.sleep(1000)', '@marker@'], "
        "start_new_session=True)",
    ),
    Survivor(
        "a thread that forks",
        "kernel",
        "import os, threading\n"
        "threading.Thread(target=lambda: os.fork() or os.execvp('python3', "
        "['python3', '-S', '-c', 'import time; time.sleep(1000)', '@marker@'])).start()",
    ),
    Survivor("nohup and setsid", "MCP server", f"nohup setsid {_SLEEP} > /dev/null 2>&1 &"),
]

OUTCOME = "it has ended when `close()` returns; folders and control groups are gone"
