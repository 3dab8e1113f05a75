"""Where things fail: a session in the middle of something, who is to be killed, and what is left of it all."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
from caller import COPIED_BYTES, Answer
from matrix import ACTION, COPY_FROM, COPY_TO, REST, Failure
from support import gone

from openhands_ray.worker.cgroup import REMOVE
from openhands_ray.worker.sandbox import JANITOR

#: Asks a runtime for something: the name of a method of ``Caller``, and its arguments.
Ask = Callable[..., Any]

#: Appends a line for each run, says that it is in its middle, and waits for the word to go on.
_COMMAND = "echo ran >> data/runs; echo > data/begun; read -r x < data/go"
_CELL = """
open("data/runs", "a").write("ran\\n")
open("data/begun", "w").write("begun\\n")
open("data/go").readline()
"""


class Folder:
    """What caller, session and test share: it is ``/workspace/data`` in the session, and outlives it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("begun", "go"):
            os.mkfifo(path / name)
        self._go = os.open(path / "go", os.O_RDWR)  # so that nobody waits for a reader
        (path / "large").write_bytes(os.urandom(COPIED_BYTES))

    def wait_for_the_middle(self) -> None:
        (self.path / "begun").read_text()

    def let_go_on(self) -> None:
        os.write(self._go, b"go\n" * 4)

    @property
    def runs(self) -> int:
        """How often the action has run."""
        runs = self.path / "runs"
        return len(runs.read_text().splitlines()) if runs.exists() else 0

    def close(self) -> None:
        os.close(self._go)


@contextmanager
def page(folder: Folder) -> Iterator[str]:
    """Serve a page that runs like an action; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with (folder.path / "runs").open("a") as runs:
                runs.write("ran\n")
            (folder.path / "begun").write_text("begun\n")
            with (folder.path / "go").open() as go:
                go.readline()
            with suppress(OSError):  # the browser has gone
                self.send_response(204)
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def act(ask: Ask, victim: str, url: str) -> Answer:
    """Run the action whose middle is awaited, through what is to be killed."""
    if victim == "kernel":
        answer = ask("act", name="IPythonRunCellAction", code=_CELL)
    elif victim == "browser":
        answer = ask("act", name="BrowseURLAction", url=url)
    else:
        answer = ask("act", name="CmdRunAction", command=_COMMAND)
    assert isinstance(answer, Answer)
    return answer


def prepared(ask: Ask, failure: Failure) -> None:
    """Have what is to be killed there, files that are acknowledged, and what is copied from."""
    for path in ("/workspace/acknowledged", "/workspace/data/acknowledged"):
        assert ask("act", name="FileWriteAction", path=path, content="written").kind == "FileWriteObservation"
    if failure.victim == "kernel":
        assert "1" in ask("act", name="IPythonRunCellAction", code="1").text
    if failure.victim == "browser":
        assert ask("act", name="BrowseURLAction", url="about:blank").kind == "BrowserOutputObservation"
    if failure.moment == COPY_FROM:
        assert ask("copy_to").kind == "NoneType"


def fail(ask: Ask, failure: Failure, folder: Folder, kill: Callable[[], None]) -> Answer:
    """Inject the failure; return what the caller gets for what was in its middle, or next."""
    held: dict[str, Callable[[], Answer]] = {
        COPY_TO: lambda: ask("copy_to", held=True),
        COPY_FROM: lambda: ask("copy_from", held=True),
    }
    with page(folder) as url:
        held |= dict.fromkeys((REST, ACTION), lambda: act(ask, failure.victim, url))
        if failure.moment == REST:
            kill()
            folder.let_go_on()
            asked = _asked(held[REST])
            if failure.ran:
                folder.wait_for_the_middle()
        else:
            asked = _asked(held[failure.moment])
            folder.wait_for_the_middle()
            kill()
            folder.let_go_on()
        return asked.result(failure.within_s)


def _asked(ask: Callable[[], Answer]) -> Future[Answer]:
    """Ask in a thread of its own, which nobody waits for at the end of the program."""
    future: Future[Answer] = Future()

    def work() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def victims(kind: str, info: dict[str, Any]) -> list[psutil.Process]:
    """Return the processes of a session that are to be killed."""
    if kind == "actor":
        return [psutil.Process(info["pid"])]
    session = psutil.Process(info["executor_pid"])
    processes = [session, *session.children(recursive=True)]
    executor = next(each for each in processes if "openhands_ray.worker.executor" in " ".join(each.cmdline()[:4]))
    found = {
        "executor": lambda: [executor],
        "shell": lambda: [each for each in executor.children() if each.name() == "bash"],
        "kernel": lambda: [each for each in executor.children() if "ipykernel" in " ".join(each.cmdline())],
        "browser": lambda: [each for each in processes if _is_browser(each)],
    }[kind]()
    assert found
    return found


def _is_browser(process: psutil.Process) -> bool:
    command = " ".join(process.cmdline())
    return "chrom" in process.name() and "--type=" not in command and "--headless" in command


def kill(processes: list[psutil.Process]) -> None:
    """Kill all of them, and wait until they have ended, buried or not."""
    watched = []
    for process in processes:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            watched.append(os.pidfd_open(process.pid))
            process.kill()
    for fd in watched:
        assert select.select([fd], [], [], 30)[0]
        os.close(fd)


@contextmanager
def stopped(processes: list[psutil.Process]) -> Iterator[Callable[[], None]]:
    """Yield what stops all of them; in the end they go on."""

    def stop() -> None:
        for process in processes:
            process.suspend()

    try:
        yield stop
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


class Remains:
    """What is there of sessions below some folders of temporary files, before and after."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._before = self._look()
        self._processes = self._of_sessions()

    def _look(self) -> dict[str, set[str]]:
        return {
            "folders": {str(path) for folder in self._folders for path in _ours(folder)},
            "sockets": {line for line in _sockets() if any(str(folder) in line for folder in self._folders)},
            "shared memory": set(os.listdir("/dev/shm")),
            "control groups": control_groups(),
        }

    def _of_sessions(self) -> set[psutil.Process]:
        """Return the processes of sessions: actors, what watches over them, and all that has a folder of theirs."""
        found = set()
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                said = " ".join([*process.cmdline(), *process.environ().values()])
                is_session = any(each in said for each in (JANITOR, "ray::SessionActor", "openhands_ray.worker"))
                if is_session and any(str(folder) in said for folder in self._folders):
                    found.add(process)
        return found

    def assert_none_new(self) -> None:
        """Wait for what is ending; AssertionError where anything is there that was not."""
        new = self._of_sessions() - self._processes
        assert gone(list(new), 30), new
        left = {kind: found - self._before[kind] for kind, found in self._look().items()}
        left["shared memory"] = {name for name in left["shared memory"] if not _is_mapped(name)}
        assert left == {kind: set() for kind in left}


def control_groups() -> set[str]:
    """Return the folders of the control groups that sessions on this machine have."""
    return {str(path) for path in Path("/sys/fs/cgroup").glob("**/openhands-ray-*")}


def remove_groups(folders: set[str]) -> None:
    """Remove control groups whose node has ended without its janitors, as its end as a machine would."""
    subprocess.run(["/bin/sh", "-c", REMOVE, "sh", *folders], check=False)  # what it did is looked at
    assert not folders & control_groups()


def _ours(folder: Path) -> Iterator[Path]:
    """Return what is ours among temporary files: folders of sessions, of clusters, and archives of copies."""
    yield from folder.glob("openhands-ray-*.zip")
    yield from (each for each in folder.glob("openhands-ray-*") if not (each / "sessions").exists())
    yield from folder.glob("openhands-ray-*/sessions/*")


def _sockets() -> list[str]:
    """Return the paths of sockets that have one."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return [path for line in lines if (path := line.partition("/")[2])]


def _is_mapped(name: str) -> bool:
    """Return whether a process that lives uses this shared memory: its own, then, and nothing that was left."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if f"/dev/shm/{name}" in Path(f"/proc/{process.pid}/maps").read_text():
                return True
    return False
