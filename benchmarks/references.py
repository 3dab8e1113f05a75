"""What the operations are held against: the least that each could cost.

Nothing here is ours. A reference is measured in the same process as its operation and in turn with it, call by call, so
that whatever else the machine does slows both.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Seconds after which a reference that does not answer is a failed benchmark.
TIMEOUT_S = 60

#: Times that a kernel is started until one lives: of seventy that were started beside another, one died.
KERNEL_STARTS = 3


class RawPty:
    """A bash on a pseudo-terminal, and nothing between: a command is a write, its answer a read up to the prompt."""

    _PROMPT = b"\x01done\x01"

    def __init__(self) -> None:
        """Start it and wait for its prompt."""
        pid, self._terminal = pty.fork()
        if pid == 0:
            environment = {"PS1": self._PROMPT.decode(), "PATH": os.environ["PATH"], "TERM": "dumb"}
            os.execvpe("bash", ["bash", "--norc", "--noediting", "-i"], environment)
        self._pid = pid
        self._read()

    def run(self, command: str) -> bytes:
        """Type ``command`` and return what the terminal shows up to the next prompt, its echo included."""
        os.write(self._terminal, command.encode() + b"\n")
        return self._read()

    def _read(self) -> bytes:
        output = b""
        while not output.endswith(self._PROMPT):
            if not select.select([self._terminal], [], [], TIMEOUT_S)[0]:
                raise TimeoutError(f"The shell did not come to its prompt; it said {output!r}.")
            output += os.read(self._terminal, 65536)
        return output

    def close(self) -> None:
        """Hang up."""
        os.close(self._terminal)
        os.waitpid(self._pid, 0)


class BareKernel:
    """A Jupyter kernel by jupyter_client's own blocking client."""

    def __init__(self) -> None:
        """Start it and wait until it answers."""
        from jupyter_client.manager import start_new_kernel
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

        self._folder = tempfile.TemporaryDirectory()
        # It looks for free ports, and the kernel takes them a moment later: where another has them by then, it dies.
        until_it_lives = Retrying(
            retry=retry_if_exception_type(RuntimeError), stop=stop_after_attempt(KERNEL_STARTS), reraise=True
        )
        self._manager, self._client = until_it_lives(
            start_new_kernel, startup_timeout=TIMEOUT_S, cwd=self._folder.name, stderr=subprocess.DEVNULL
        )

    def run(self, code: str) -> str:
        """Run a cell and return what it printed."""
        printed: list[str] = []
        self._client.execute_interactive(
            code,
            store_history=False,
            allow_stdin=False,
            timeout=TIMEOUT_S,
            output_hook=lambda message: printed.append(message["content"].get("text", "")),
        )
        return "".join(printed)

    def close(self) -> None:
        """End it."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        self._folder.cleanup()


class _Nothing:
    """What an actor does that does nothing."""

    def swap(self, data: bytes, answer: bytes) -> bytes:
        return answer

    def take(self, data: bytes) -> None:
        self.taken = data

    def give(self) -> bytes:
        return self.taken


class BareActor:
    """A Ray actor that does nothing: no action can be cheaper than a call of it with the same payload."""

    def __init__(self, what: type = _Nothing) -> None:
        """Start it on the cluster that this process is connected to, and wait until it answers."""
        import ray
        from ray import cloudpickle

        cloudpickle.register_pickle_by_value(sys.modules[__name__])  # which Ray's workers cannot import
        self._actor: Any = ray.remote(what).options(num_cpus=0).remote()
        self.take(b"")

    def swap(self, data: bytes) -> None:
        """Send ``data`` and wait for as much."""
        self._get(self._actor.swap.remote(data, data))

    def take(self, data: bytes) -> None:
        """Send ``data`` and wait for an empty answer."""
        self._get(self._actor.take.remote(data))

    def give(self) -> None:
        """Ask for what was sent last by ``take``."""
        self._get(self._actor.give.remote())

    def _get(self, answer: Any) -> Any:
        import ray

        return ray.get(answer, timeout=TIMEOUT_S)

    def close(self) -> None:
        """End it."""
        import ray

        ray.kill(self._actor)


class _Everything(_Nothing):
    """A shell and a kernel beside what does nothing, in one process: each waits while another is called."""

    def __init__(self) -> None:
        self._terminal, self._kernel = RawPty(), BareKernel()

    def run_command(self, command: str) -> bytes:
        return self._terminal.run(command)

    def run_cell(self, code: str) -> str:
        return self._kernel.run(code)

    def end(self) -> None:
        self._terminal.close()
        self._kernel.close()


class References(BareActor):
    """A bare actor with a shell and a kernel in it, as a session has them, and nothing between."""

    def __init__(self) -> None:
        """Start it."""
        super().__init__(_Everything)

    def run_command(self, command: str) -> bytes:
        """Run a command; return what its terminal shows."""
        shown: bytes = self._get(self._actor.run_command.remote(command))
        return shown

    def run_cell(self, code: str) -> str:
        """Run a cell; return what it printed."""
        printed: str = self._get(self._actor.run_cell.remote(code))
        return printed

    def close(self) -> None:
        """End all."""
        self._get(self._actor.end.remote())
        super().close()


class BareBrowser:
    """BrowserGym in Chromium, in a process of its own, as OpenHands' executor has it."""

    def __init__(self) -> None:
        """Start it and wait until it answers.

        Raises:
            FileNotFoundError: there is no Chromium.
        """
        self._folder = tempfile.TemporaryDirectory()
        os.environ |= {
            "PLAYWRIGHT_BROWSERS_PATH": self._folder.name,
            "BROWSERGYM_DOWNLOAD_DIR": f"{self._folder.name}/downloads",
        }
        _provide_chromium()
        from openhands.runtime.browser.browser_env import BrowserEnv

        self._browser = BrowserEnv()

    def browse(self, url: str) -> None:
        """Open a page, as OpenHands does for ``BrowseURLAction``."""
        observation = self._browser.step(f'goto("{url}")')
        if observation["last_action_error"]:
            raise AssertionError(f"BrowserGym did not open {url}: {observation['last_action_error']}")

    def close(self) -> None:
        """End it."""
        self._browser.close()
        self._folder.cleanup()


def _provide_chromium() -> None:
    """Give Playwright the system's Chromium under the name that it looks for."""
    from playwright.sync_api import Error, sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise FileNotFoundError("There is no chromium on this machine.")
    with sync_playwright() as playwright:
        names = [playwright.chromium.executable_path]
        try:
            playwright.chromium.launch().close()
        except Error as error:  # it says where it looked for its headless shell
            names += [word for word in str(error).split() if word.startswith(os.environ["PLAYWRIGHT_BROWSERS_PATH"])]
    for name in map(Path, names):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.unlink(missing_ok=True)
        name.symlink_to(chromium)


def run_program(*argv: str) -> str:
    """Run a program by ``subprocess`` and return what it printed."""
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=TIMEOUT_S).stdout


# The interpreter that a session finds first, too.
_PYTHON = (f"{sys.prefix}/bin/python3", "-S", "-c", "print(6 * 7)")


def programs(count: int) -> Callable[[], None]:
    """Return a call that starts Python so many times, one after the other, which no commit changes."""

    def run() -> None:
        for _ in range(count):
            run_program(*_PYTHON)

    return run
