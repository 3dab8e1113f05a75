"""Where the attacks happen: a session that attacks, another beside it, and the host with its secrets."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import psutil

from openhands_ray import Settings

if TYPE_CHECKING:
    from support import LocalSession

#: Seconds for what a script does in an MCP server, whose output is a file.
SCRIPT_TIMEOUT_S = 30


class Target:
    """A session, by each way of acting in it."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        executor = psutil.Process(self.info["executor_pid"])
        #: The session's folders as the host sees them, from the mounts that its walls are made of.
        self.root = Path(next(each for each in executor.cmdline() if each.endswith("/workspace"))).parent

    @property
    def info(self) -> dict[str, Any]:
        info: dict[str, Any] = self.runtime._session.info
        return info

    def act(self, name: str, timeout_s: float = 60, **args: Any) -> str:
        """Run an action of OpenHands; return what its observation says."""
        import openhands.events.action as actions

        action = getattr(actions, name)(**args)
        action.set_hard_timeout(timeout_s, blocking=False)
        return str(self.runtime.run_action(action).content)

    def shell(self, command: str, timeout_s: float = 60) -> str:
        return self.act("CmdRunAction", timeout_s, command=command)

    def cell(self, code: str) -> str:
        return self.act("IPythonRunCellAction", code=code)

    def script(self, way: str, script: str) -> str:
        """Run a script of bash in the shell, the kernel or an MCP server."""
        if way == "shell":
            return self.shell(f"bash -c {_quoted(script)}")
        if way == "kernel":
            return self.cell(
                "import subprocess\n"
                f"print(subprocess.run(['bash', '-c', {script!r}], capture_output=True, text=True).stdout)"
            )
        assert way == "MCP server"
        name = secrets.token_hex(4)
        command = f"({script}) > /workspace/{name}.part 2>&1; mv /workspace/{name}.part /workspace/{name}; exec cat"
        self.request("mcp_start", reader=name, server=name, command="bash", args=["-c", command], env={})
        found = self.shell(f"timeout {SCRIPT_TIMEOUT_S} sh -c 'until cat {name}; do sleep 0.05; done' 2>/dev/null")
        self.request("mcp_stop", server=name)
        return found

    def request(self, operation: str, **args: Any) -> Any:
        return self.runtime._session.request(operation, 30, **args)

    def groups(self) -> list[Path]:
        """Return the folders of the control groups that the session is in."""
        lines = Path(f"/proc/{self.info['executor_pid']}/cgroup").read_text().splitlines()
        paths = {line.split(":", 2)[2] for line in lines if "openhands-ray-" in line}
        mounts = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]  # version 2, the controllers of version 1
        return [folder for path in paths for mount in mounts if (folder := mount / path[1:]).is_dir()]

    def goes_on(self) -> bool:
        """Whether the session acts; the first command may only find that its shell has been killed."""
        self.shell("true")
        return "still here" in self.shell("echo still here")


def _quoted(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"


class LocalTarget(Target):
    """A session without Ray, and so without OpenHands' classes."""

    _ACTIONS: ClassVar = {"CmdRunAction": "run", "IPythonRunCellAction": "run_ipython", "FileWriteAction": "write"}

    def __init__(self, session: LocalSession) -> None:
        self.session, self.root = session, session.root

    @property
    def info(self) -> dict[str, Any]:
        return self.session.actor.info()

    def act(self, name: str, timeout_s: float = 60, **args: Any) -> str:
        return str(self.session.act(self._ACTIONS[name], timeout_s, **args)["content"])

    def request(self, operation: str, **args: Any) -> Any:
        return self.session.control(operation, **args)


class Field:
    """The sessions and what there is to find.

    Attributes:
        names: what ``@name@`` is in a script.
        secrets: the secrets, by name.
    """

    def __init__(self, folder: Path, make_runtime: Any) -> None:
        self.folder = folder
        self.attacker = self.session(make_runtime)
        self.cut_off = self.session(make_runtime, network="none")
        self.victim = self.session(make_runtime)
        self.secrets: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self._listening: list[socket.socket] = []
        self._make = make_runtime

    @staticmethod
    def session(make_runtime: Any, **settings: Any) -> Target:
        from openhands.core.config import OpenHandsConfig
        from openhands.runtime.plugins import JupyterRequirement

        config = OpenHandsConfig(enable_browser=True)
        options = Settings(isolation="sandbox", warm_sessions=0, **settings)
        return Target(make_runtime(config=config, plugins=[JupyterRequirement()], settings=options))

    def another(self, **settings: Any) -> Target:
        """Return one more session."""
        return self.session(self._make, **settings)

    def filled(self, script: str) -> str:
        return re.sub(r"@(\w+)@", lambda found: self.names[found[1]], script)

    def outside(self, script: str) -> str:
        """Run a script beside the sessions, as their user; return what it prints."""
        done = subprocess.run(
            ["bash", "-c", self.filled(script)],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd="/",
        )
        return done.stdout

    def hide(self) -> None:
        """Put the secrets where they are to be."""
        self._hide_on_the_host()
        self._hide_in_the_victim()
        self._name_rays_places()

    def _secret(self, name: str) -> str:
        self.secrets[name] = f"secret-{secrets.token_hex(8)}"
        return self.secrets[name]

    def _hide_on_the_host(self) -> None:
        (self.folder / "folder").mkdir()
        for name in ("key", "folder/key"):
            (self.folder / name).write_text(self._secret("host file") if name == "key" else "x")
        self.names |= {
            "key": str(self.folder / "key"),
            "folder": str(self.folder / "folder"),
            "tmp": str(self.folder.parent),
        }
        self.secrets["host listing"] = self.folder.name
        self._holder = subprocess.Popen(["sleep", "1000"], env={"API_KEY": self._secret("environment")})
        self.secrets["shadow"] = _first_line("/etc/shadow")
        self.names["pid"] = str(self._holder.pid)
        self.names["abstract"] = self._listen("host abstract", "\0" + secrets.token_hex(8))
        self.names["socket"] = self._listen("host socket", str(self.folder / "socket"))

    def _listen(self, name: str, address: str) -> str:
        """Have a socket of the host tell a secret to whoever connects; return its address, @ for an abstract one."""
        listening, secret = socket.socket(socket.AF_UNIX), self._secret(name)
        listening.bind(address)
        listening.listen()
        self._listening.append(listening)

        def serve() -> None:
            with suppress(OSError):  # closed
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.sendall(secret.encode())

        threading.Thread(target=serve, daemon=True).start()
        return address.replace("\0", "@")

    def _hide_in_the_victim(self) -> None:
        root, word = self.victim.root, self._secret("victim")
        self.names |= {"victim": str(root), "victim_abstract": "@" + secrets.token_hex(8)}
        self.victim.shell(f"for f in /workspace/key ~/key /tmp/key /dev/shm/key; do echo {word} > $f; done")
        self.victim.cell(
            "import ctypes, socket, subprocess, sys, threading\n"
            f"word = {word!r}\n"
            "process = subprocess.Popen(['sleep', '1000'], env={'WORD': word, 'NAME': 'victim'})\n"
            "def serve(listening):\n"
            "    listening.listen()\n"
            "    while True:\n"
            "        connection, _ = listening.accept()\n"
            "        connection.sendall(word.encode()); connection.close()\n"
            "def listen(family, address):\n"
            "    listening = socket.socket(family); listening.bind(address)\n"
            "    threading.Thread(target=serve, args=(listening,), daemon=True).start()\n"
            "    return listening\n"
            f"abstract = listen(socket.AF_UNIX, {self.names['victim_abstract'].replace('@', chr(0))!r})\n"
            "local = listen(socket.AF_UNIX, '/tmp/victim.socket')\n"
            "web = listen(socket.AF_INET, ('127.0.0.1', 0))\n"
            "libc = ctypes.CDLL(None); libc.shmat.restype = ctypes.c_void_p\n"
            f"segment = libc.shmget({_SHM_KEY}, 4096, 0o1666)\n"
            "ctypes.memmove(libc.shmat(segment, None, 0), word.encode(), len(word))\n"
        )
        self.names["port"] = self.victim.cell("print(web.getsockname()[1])").split()[0]
        self.names["sleeper"] = str(self._sleeper(word).pid)
        self.names["shm_key"] = str(_SHM_KEY)

    def _sleeper(self, word: str) -> psutil.Process:
        for process in psutil.Process(self.victim.info["executor_pid"]).children(recursive=True):
            with suppress(psutil.Error):
                if process.environ().get("WORD") == word:
                    return process
        raise AssertionError("the victim's process is not there")

    def _name_rays_places(self) -> None:
        import ray

        context = ray.get_runtime_context()
        worker = psutil.Process(self.attacker.info["pid"])
        self.names |= {
            "gcs": context.gcs_address,
            "ray": ray._private.worker._global_node.get_session_dir_path(),
            "actor": str(worker.pid),
            "raylet": str(worker.ppid()),
            "python": sys.executable,
        }
        self.secrets["node"] = context.get_node_id()
        self.secrets["ray folder"] = "plasma_store"

    def secret(self, name: str) -> str:
        """Return a secret by its name; what is none of the field's is what it says."""
        return self.secrets.get(name, name)

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()
        for listening in self._listening:
            listening.close()


_SHM_KEY = 0x5EC2E7


@contextmanager
def prepared(make_runtime: Any) -> Iterator[Field]:
    """Return the field with its secrets; the sessions end with the suite."""
    with tempfile.TemporaryDirectory(prefix="attacks-") as folder:
        field = Field(Path(folder), make_runtime)
        try:
            field.hide()
            yield field
        finally:
            field.close()


def _first_line(path: str) -> str:
    return Path(path).read_text().splitlines()[0]


def comes_alive(marker: str, timeout_s: float = 10) -> bool:
    """Wait for a process whose command line has ``marker``; return whether there is one."""
    deadline = time.monotonic() + timeout_s
    while not alive(marker):
        if time.monotonic() > deadline:
            return False
    return True


def alive(marker: str) -> list[int]:
    """Return the processes whose command line has ``marker``, wherever they run."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if marker in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found
