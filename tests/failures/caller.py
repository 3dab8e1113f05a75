"""Who uses a session when something fails: through ``RayRuntime``, in this process or in one of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from matrix import ACTION_TIMEOUT_S
from support import ROOT, clean_environment

#: Bytes of what is copied: three parts, so that there is a middle.
COPIED_BYTES = 10 * 2**20


@dataclass(frozen=True)
class Answer:
    """What a caller got.

    Attributes:
        kind: the class of the exception or of the observation.
        text: what it said.
        seconds: after which it came.
    """

    kind: str
    text: str
    seconds: float = field(compare=False)


class Caller:
    """A runtime, each of whose answers is told, errors too.

    What is *held* is in its middle when the pipe ``begun`` in ``folder`` is written to, and goes on when ``go`` is.
    ``folder`` is ``/workspace/data`` in the session.
    """

    def __init__(self, runtime: Any, folder: Path) -> None:
        self.runtime = runtime
        self._folder = folder

    def open(self) -> Answer:
        return _told(lambda: asyncio.run(self.runtime.connect()))

    def info(self) -> dict[str, Any]:
        info: dict[str, Any] = self.runtime._live().info
        return info

    def act(self, name: str, **args: Any) -> Answer:
        """Run an action of OpenHands."""
        import openhands.events.action as actions

        action = getattr(actions, name)(**args)
        action.set_hard_timeout(ACTION_TIMEOUT_S, blocking=False)
        return _told(lambda: self.runtime.run_action(action))

    def copy_to(self, held: bool = False) -> Answer:
        """Copy ``large`` from the folder into the workspace."""
        source = self._folder / "large"
        return _told(lambda: self._held("write_chunk", held, lambda: self.runtime.copy_to(str(source), "/workspace")))

    def copy_from(self, held: bool = False) -> Answer:
        """Copy ``/workspace/large`` from the session; tell its digest."""

        def copy() -> str:
            archive = self.runtime.copy_from("/workspace/large")
            with zipfile.ZipFile(archive) as files:
                digest = hashlib.sha256(files.read("large")).hexdigest()
            archive.unlink()
            return digest

        return _told(lambda: self._held("read_chunk", held, copy))

    def _held(self, operation: str, held: bool, copy: Callable[[], Any]) -> Any:
        """Copy; where it is to be held, stop between the first part and the second."""
        if not held:
            return copy()
        session = self.runtime._live()
        parts = 0

        def request(asked: str, *args: Any, **options: Any) -> Any:
            nonlocal parts
            parts += asked == operation
            if asked == operation and parts == 2:
                (self._folder / "begun").write_text("begun\n")
                with (self._folder / "go").open() as go:
                    go.readline()
            return type(session).request(session, asked, *args, **options)

        session.request = request
        try:
            return copy()
        finally:
            del session.request

    def close(self) -> Answer:
        return _told(self.runtime.close)


def _told(ask: Callable[[], Any]) -> Answer:
    began = time.monotonic()
    try:
        answer = ask()
    except Exception as error:
        return Answer(type(error).__name__, str(error), time.monotonic() - began)
    # What is said beside the output of a command, in the words that an agent reads.
    text = answer.to_agent_observation() if hasattr(answer, "to_agent_observation") else getattr(answer, "content", "")
    said = answer if isinstance(answer, str) else f"{text}{getattr(answer, 'last_browser_action_error', '')}"
    return Answer(type(answer).__name__, said, time.monotonic() - began)


def main() -> None:
    """Serve lines of JSON: ``[sid, method, arguments]``; ``open`` takes the settings and the folder."""
    from openhands.core.config import OpenHandsConfig
    from openhands.events import EventStream
    from openhands.llm.llm_registry import LLMRegistry
    from openhands.storage import get_file_store

    from openhands_ray import RayRuntime, Settings

    callers: dict[str, Caller] = {}

    def new(sid: str, folder: str, **settings: Any) -> Caller:
        config = OpenHandsConfig()
        config.sandbox.volumes = f"{folder}:/workspace/data:rw"
        runtime_class = type("Runtime", (RayRuntime,), {"settings": replace(Settings.from_environment(), **settings)})
        stream = EventStream(sid, get_file_store("memory", "/tmp"))
        return Caller(runtime_class(config, stream, LLMRegistry(config), sid=sid), Path(folder))

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints on the standard output what becomes of its nodes
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        sid, method, args = json.loads(line)
        if method == "open":
            callers[sid] = new(sid, **args)
            args = {}
        answer = getattr(callers[sid], method)(**args)
        print(json.dumps(asdict(answer) if isinstance(answer, Answer) else answer), file=answers, flush=True)


class Program:
    """A caller in a process of its own, asked one thing at a time."""

    def __init__(self, **environment: str) -> None:
        tests = Path(__file__).parents[1]
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            env=clean_environment(PYTHONPATH=f"{ROOT}:{tests}", **environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        assert self._hear() == "ready"

    def ask(self, sid: str, method: str, **args: Any) -> Any:
        """Ask for something, and wait for its answer; AssertionError where the program has ended instead."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps([sid, method, args]) + "\n")
            self.process.stdin.flush()
        answer = self._hear()
        return Answer(**answer) if isinstance(answer, dict) and set(answer) == {"kind", "text", "seconds"} else answer

    def _hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the program has ended: {self.process.wait()}"
        return json.loads(line)

    def end(self) -> int:
        """Let it end; return its exit status."""
        self.process.communicate()
        return self.process.returncode


if __name__ == "__main__":
    main()
