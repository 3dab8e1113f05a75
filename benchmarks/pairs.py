"""Operations and their references, side by side: the calls of which ``ratios`` measures one by one in turn."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from openhands.core.config.mcp_config import MCPStdioServerConfig
from openhands.events.action import (
    BrowseInteractiveAction,
    BrowseURLAction,
    CmdRunAction,
    FileEditAction,
    FileReadAction,
    FileWriteAction,
    IPythonRunCellAction,
)
from openhands.events.action.action import Action
from openhands.events.action.mcp import MCPAction

from benchmarks import workflows
from benchmarks.actions import CLICK, COMPLEX_CELL, COMPLEX_COMMAND, MCP_SERVER, PICTURE_CELL, served_page
from benchmarks.common import MEGABYTE, TEXT, act, connected_runtime, quick, read_whole, requested
from benchmarks.references import BareActor, BareKernel, References, programs, run_program

#: Seconds for which an operation and its reference are measured in a round where nothing else is said: what varies
#: most, and what takes longest, have more. A round tells most pairs to 1 to 2 %, programs to 4 %; so it does 1 MB read,
#: but for that no longer one would tell more.
MEASURE_S = 0.2

#: Times that 1 MB is read before: then it has the memory that it goes on with.
FIRST_READS = 1 if quick() else 30

#: Bytes of an answer to a simple command, which is most of what a bare call would carry.
ANSWER_BYTES = 250

#: Lines of a long output.
LINES = 10_000

Call = Callable[[], object]


class Pair(NamedTuple):
    """An operation and its reference, and for how long they are measured in turn.

    Attributes:
        least: times that they are, however long it takes.
        warm_up_s: seconds before that which do not count.
    """

    ours: Call
    reference: Call
    duration_s: float = MEASURE_S
    least: int = 5
    warm_up_s: float = 0.05


class Beside:
    """A session with a kernel, and the references of its pairs, until ``close``."""

    def __init__(self) -> None:
        """Start them side by side, and wait for both; this process is connected to a cluster."""
        with ThreadPoolExecutor() as pool:
            references, runtime = pool.submit(References), pool.submit(connected_runtime, jupyter=True)
        self.references, self.runtime = references.result(), runtime.result()
        self.near_kernel = BareKernel() if requested() else None
        self.folder = tempfile.TemporaryDirectory()
        self.act(IPythonRunCellAction("print('there')"), "there")
        self.references.run_cell("print('there')")

    def close(self) -> None:
        """End them; the connection to the cluster stays."""
        for each in (self.near_kernel, self.references, self.runtime):
            if each is not None:
                each.close()
        self.folder.cleanup()

    def act(self, action: Action, expected: str) -> None:
        act(self.runtime, action, expected)

    def simple_command(self) -> Pair:
        return Pair(lambda: self.act(CmdRunAction("echo word"), "word"), self._calls(1), 0.3)

    def simple_command_and_pty(self) -> Pair:
        return self._command_beside_pty("echo word", "word", 0.3)

    def complex_command(self) -> Pair:
        return self._command_beside_pty(COMPLEX_COMMAND, "5", 0.3)

    def long_output(self) -> Pair:
        return self._command_beside_pty(f"seq {LINES}", str(LINES), 0.3)

    def _command_beside_pty(self, command: str, expected: str, duration_s: float) -> Pair:
        action = CmdRunAction(command)
        return Pair(lambda: self.act(action, expected), lambda: self.references.run_command(command), duration_s)

    def static_command(self) -> Pair:
        action = CmdRunAction("echo word", is_static=True)
        return Pair(lambda: self.act(action, "word"), lambda: run_program("bash", "-c", "echo word"), 0.3)

    def python_command(self) -> Pair:
        command = CmdRunAction("python3 -S -c 'print(6 * 7)'")
        return Pair(lambda: self.act(command, "42"), programs(1), 0.5)

    def file_write(self) -> Pair:
        data = TEXT.encode()
        return Pair(lambda: self.act(FileWriteAction("/workspace/w.txt", TEXT), ""), lambda: self.references.swap(data))

    def file_read(self) -> Pair:
        self.act(FileWriteAction("/workspace/r.txt", TEXT), "")
        data = TEXT.encode()
        return Pair(lambda: self.act(FileReadAction("/workspace/r.txt"), "line 39"), lambda: self.references.swap(data))

    def file_edit(self) -> Pair:
        self.act(FileWriteAction("/workspace/e.txt", TEXT), "")
        words, data = ["line 20 of", "row 20 of"], TEXT.encode()

        def edit() -> None:
            old, new = words
            self.act(FileEditAction("/workspace/e.txt", command="str_replace", old_str=old, new_str=new), new)
            words.reverse()

        return Pair(edit, lambda: self.references.swap(data))

    def megabyte_write(self) -> Pair:
        data = MEGABYTE.encode()
        write = FileWriteAction("/workspace/mw.txt", MEGABYTE)
        return Pair(lambda: self.act(write, ""), lambda: self.references.take(data), 0.5)

    def megabyte_read(self) -> Pair:
        self.act(FileWriteAction("/workspace/mr.txt", MEGABYTE), "")
        self.references.take(MEGABYTE.encode())
        read = lambda: read_whole(self.runtime, "/workspace/mr.txt", len(MEGABYTE))  # noqa: E731
        pair = Pair(read, self.references.give, 0.5)
        for _ in range(FIRST_READS):
            pair.ours(), pair.reference()
        return pair

    def copy_to(self) -> Pair:
        """Bring 1 MB that no archive makes smaller."""
        data = os.urandom(len(MEGABYTE))
        path = Path(self.folder.name, "copied.bin")
        path.write_bytes(data)
        copy = lambda: self.runtime.copy_to(str(path), "/workspace/there")  # noqa: E731
        return Pair(copy, lambda: self.references.take(data), 0.3)

    def copy_from(self) -> Pair:
        """Fetch it, which comes as an archive."""
        there = self.copy_to()
        there.ours(), there.reference()

        def copy() -> None:
            archive = self.runtime.copy_from("/workspace/there")
            if archive.stat().st_size < len(MEGABYTE):
                raise AssertionError(f"{archive.stat().st_size} bytes came back of {len(MEGABYTE)}")
            archive.unlink()

        return Pair(copy, self.references.give, 0.3)

    def cell(self) -> Pair:
        return self._cell_beside_kernel("print('word')", "word", 0.6)

    def complex_cell(self) -> Pair:
        return self._cell_beside_kernel(COMPLEX_CELL, "669", 0.3)

    def picture(self) -> Pair:
        return self._cell_beside_kernel(PICTURE_CELL, "", 0.3)

    def _cell_beside_kernel(self, code: str, expected: str, duration_s: float) -> Pair:
        cell = IPythonRunCellAction(code)
        return Pair(lambda: self.act(cell, expected), lambda: self.references.run_cell(code), duration_s)

    def cell_and_client(self) -> Pair:
        kernel = self.near_kernel
        assert kernel is not None  # for the types
        return self.cell()._replace(reference=lambda: kernel.run("print('word')"))

    def simple_workflow(self) -> Pair:
        return Pair(self._workflow().time_simple, self._calls(3), 0.3)

    def text_workflow(self) -> Pair:
        return Pair(self._workflow().time_text_processing, _both(self._calls(6), programs(1)), 0.4)

    def multi_step_workflow(self) -> Pair:
        return Pair(self._workflow().time_multi_step, _both(self._calls(8), programs(2)), 0.5)

    def _workflow(self) -> workflows.Workflow:
        workflow = workflows.Workflow()
        workflow.runtime = self.runtime
        return workflow

    def _calls(self, count: int) -> Call:
        """As many bare calls of the actor as the operation has actions."""
        answer = b"x" * ANSWER_BYTES

        def call() -> None:
            for _ in range(count):
                self.references.swap(answer)

        return call

    def page(self) -> Pair:
        browse = BrowseURLAction(served_page(self.runtime))
        self.act(browse, "Benchmark page")
        return Pair(lambda: self.act(browse, "Benchmark page"), programs(5), 0.4, least=2)

    def click(self) -> Pair:
        """Click on the page that ``page`` has left."""
        return Pair(lambda: self.act(BrowseInteractiveAction(CLICK), "Benchmark page"), programs(5), 0.4, least=2)

    def mcp_call(self) -> Pair:
        server = MCPStdioServerConfig(name="benchmark", command=sys.executable, args=["-c", MCP_SERVER])
        self.runtime.get_mcp_config([server])

        def call() -> None:
            observation = asyncio.run(self.runtime.call_tool_mcp(MCPAction("echo", {"text": "benchmark"})))
            if "benchmark" not in observation.content:
                raise AssertionError(f"The tool said {observation.content!r}")

        call()
        return Pair(call, programs(5), 0.4, least=2)

    def session(self) -> Pair:
        return Pair(lambda: connected_runtime().close(), lambda: BareActor().close(), 0.0, least=2, warm_up_s=0.0)


def _both(first: Call, second: Call) -> Call:
    return lambda: (first(), second())


#: What is compared: the name in the site, and the pair of calls. A quick run has these alone.
PAIRS: dict[str, Callable[[Beside], Pair]] = {
    "simple command / bare actor call": Beside.simple_command,
    "simple command / raw pty in an actor": Beside.simple_command_and_pty,
    "command that starts Python / subprocess": Beside.python_command,
    "file write / bare actor call": Beside.file_write,
    "file read / bare actor call": Beside.file_read,
    "file edit / bare actor call": Beside.file_edit,
    "1 MB write / bare actor call": Beside.megabyte_write,
    "1 MB read / bare actor call": Beside.megabyte_read,
    "IPython cell / jupyter_client in an actor": Beside.cell,
}

#: Further operations. Where there is no least that one could cost, its reference is what costs about as much and is of
#: no commit: it is to tell that the operation became slower, not how good it is.
FURTHER_PAIRS: dict[str, Callable[[Beside], Pair]] = {
    "complex command / raw pty in an actor": Beside.complex_command,
    "10,000 lines of output / raw pty in an actor": Beside.long_output,
    "command in a shell of its own / subprocess": Beside.static_command,
    "copy of 1 MB to the session / bare actor call": Beside.copy_to,
    "copy of 1 MB from the session / bare actor call": Beside.copy_from,
    "IPython complex / jupyter_client in an actor": Beside.complex_cell,
    "IPython picture / jupyter_client in an actor": Beside.picture,
    "simple workflow / 3 bare actor calls": Beside.simple_workflow,
    "text-processing workflow / 6 bare actor calls, 1 program": Beside.text_workflow,
    "multi-step workflow / 8 bare actor calls, 2 programs": Beside.multi_step_workflow,
}

#: Those that take so long that only some rounds have them.
RARE_PAIRS: dict[str, Callable[[Beside], Pair]] = {
    "page / 5 programs": Beside.page,
    "click / 5 programs": Beside.click,
    "MCP call / 5 programs": Beside.mcp_call,
    "session and its end / bare actor": Beside.session,
}

#: What is compared on request: in one process with what calls it a kernel is quicker, but differs more from the next.
REQUESTED_PAIRS: dict[str, Callable[[Beside], Pair]] = {"IPython cell / jupyter_client": Beside.cell_and_client}
