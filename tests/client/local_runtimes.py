"""OpenHands' own runtime as the oracle, for the tests that take longer."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import pytest


@contextmanager
def local_runtimes() -> Iterator[Callable[..., Any]]:
    """Make and connect ``LocalRuntime``s with a home of their own; ends all of their processes, which they leave."""
    from openhands.core.config import OpenHandsConfig
    from openhands.events import EventStream
    from openhands.llm.llm_registry import LLMRegistry
    from openhands.runtime.impl.local.local_runtime import LocalRuntime
    from openhands.storage import get_file_store

    before = set(psutil.Process().children(recursive=True))
    made: list[Any] = []
    temporary = tempfile.TemporaryDirectory(prefix="local-", ignore_cleanup_errors=True)
    with temporary as folder, pytest.MonkeyPatch.context() as monkeypatch:
        environment = {"HOME": folder, "USER": "root", "SKIP_DEPENDENCY_CHECK": "1", "TMUX_TMPDIR": folder}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        workspace = os.path.join(folder, "workspace")

        def make(sid: str, **options: Any) -> Any:
            config = options.pop("config", None) or OpenHandsConfig()
            config.runtime, config.enable_browser, config.workspace_base = "local", False, workspace
            stream = EventStream(sid, get_file_store("memory", "/tmp"))
            runtime = LocalRuntime(config, stream, LLMRegistry(config), sid=sid, **options)
            made.append(runtime)
            asyncio.run(runtime.connect())
            return runtime

        yield make
        for runtime in made:
            runtime.close()
        left = [each for each in psutil.process_iter() if _lives_in(each, folder)]
        for process in {*left, *psutil.Process().children(recursive=True)} - before:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=15)


def _lives_in(process: psutil.Process, folder: str) -> bool:
    with suppress(psutil.Error, OSError):
        return process.pid != os.getpid() and process.environ().get("TMUX_TMPDIR") == folder
    return False
