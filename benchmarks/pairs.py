"""Operations and their references, side by side: the calls of which ``ratios`` measures one by one in turn."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from openhands.events.action import CmdRunAction, FileWriteAction, IPythonRunCellAction
from openhands.events.action.action import Action

from benchmarks import actions, workflows
from benchmarks.common import MEGABYTE, TEXT, act, connected_runtime, quick, read_whole, requested
from benchmarks.references import BareActor, BareKernel, References, programs, run_program
from benchmarks.session import SessionBenchmark

#: Seconds for which an operation and its reference are measured in a round where nothing else is said: what varies
#: most, and what takes longest, have more. A round tells most pairs to 1 to 2 %, programs to 4 %; so it does 1 MB read,
#: but for that no longer one would tell more.
MEASURE_S = 0.2

#: Times that 1 MB is read before: then it has the memory that it goes on with.
FIRST_READS = 1 if quick() else 30

#: Bytes of an answer to a simple command, which is most of what a bare call would carry.
ANSWER_BYTES = 250

#: Lines of a long output, and bytes of a file that is copied.
LINES, COPIED_BYTES = 10_000, 1_000_000

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
        self.act(IPythonRunCellAction("print('there')"), "there")
        self.references.run_cell("print('there')")

    def close(self) -> None:
        """End them; the connection to the cluster stays."""
        for each in (self.near_kernel, self.references, self.runtime):
            if each is not None:
                each.close()

    def act(self, action: Action, expected: str) -> None:
        act(self.runtime, action, expected)

    def simple_command(self) -> Pair:
        return Pair(lambda: self.act(CmdRunAction("echo word"), "word"), self._calls(1), 0.3)

    def simple_command_and_pty(self) -> Pair:
        return Pair(lambda: self.act(CmdRunAction("echo word"), "word"), self._in_pty("echo word"), 0.3)

    def complex_command(self) -> Pair:
        return Pair(self._benchmark(actions.Command).time_complex_command, self._in_pty(actions.COMPLEX_COMMAND), 0.3)

    def long_output(self) -> Pair:
        command = f"seq {LINES}"
        return Pair(lambda: self.act(CmdRunAction(command), str(LINES)), self._in_pty(command), 0.3)

    def _in_pty(self, command: str) -> Call:
        return lambda: self.references.run_command(command)

    def static_command(self) -> Pair:
        ours = self._benchmark(actions.Command).time_static_command
        return Pair(ours, lambda: run_program("bash", "-c", "echo benchmark"), 0.3)

    def python_command(self) -> Pair:
        return Pair(self._benchmark(actions.Command).time_python_command, programs(1), 0.5)

    def file_write(self) -> Pair:
        return Pair(self._benchmark(actions.File).time_write, self._text_swap())

    def file_read(self) -> Pair:
        return Pair(self._benchmark(actions.File).time_read, self._text_swap())

    def file_edit(self) -> Pair:
        return Pair(self._benchmark(actions.File).time_edit, self._text_swap())

    def _text_swap(self) -> Call:
        data = TEXT.encode()
        return lambda: self.references.swap(data)

    def megabyte_write(self) -> Pair:
        data, write = MEGABYTE.encode(), FileWriteAction("/workspace/mw.txt", MEGABYTE)
        return Pair(lambda: self.act(write, ""), lambda: self.references.take(data), 0.5)

    def megabyte_read(self) -> Pair:
        self.act(FileWriteAction("/workspace/mr.txt", MEGABYTE), "")
        self.references.take(MEGABYTE.encode())

        def read() -> None:
            read_whole(self.runtime, "/workspace/mr.txt", len(MEGABYTE))

        for _ in range(FIRST_READS):
            read()
            self.references.give()
        return Pair(read, self.references.give, 0.5)

    def copy_to(self) -> Pair:
        copied, data = self._benchmark(actions.Copy, COPIED_BYTES), os.urandom(COPIED_BYTES)
        return Pair(lambda: copied.time_to(COPIED_BYTES), lambda: self.references.take(data), 0.3)

    def copy_from(self) -> Pair:
        copied = self._benchmark(actions.Copy, COPIED_BYTES)
        self.references.take(os.urandom(COPIED_BYTES))
        return Pair(lambda: copied.time_from(COPIED_BYTES), self.references.give, 0.3)

    def cell(self) -> Pair:
        return Pair(self._benchmark(actions.IPython).time_simple, self._in_kernel(actions.SIMPLE_CELL), 0.6)

    def complex_cell(self) -> Pair:
        return Pair(self._benchmark(actions.IPython).time_complex, self._in_kernel(actions.COMPLEX_CELL), 0.3)

    def picture(self) -> Pair:
        return Pair(self._benchmark(actions.IPython).time_picture, self._in_kernel(actions.PICTURE_CELL), 0.3)

    def _in_kernel(self, code: str) -> Call:
        return lambda: self.references.run_cell(code)

    def cell_and_client(self) -> Pair:
        kernel = self.near_kernel
        assert kernel is not None  # for the types
        return self.cell()._replace(reference=lambda: kernel.run(actions.SIMPLE_CELL))

    def simple_workflow(self) -> Pair:
        return Pair(self._benchmark(workflows.Workflow).time_simple, self._calls(3), 0.3)

    def text_workflow(self) -> Pair:
        return Pair(self._benchmark(workflows.Workflow).time_text_processing, _both(self._calls(6), programs(1)), 0.4)

    def multi_step_workflow(self) -> Pair:
        return Pair(self._benchmark(workflows.Workflow).time_multi_step, _both(self._calls(8), programs(2)), 0.5)

    def session(self) -> Pair:
        return Pair(lambda: connected_runtime().close(), lambda: BareActor().close(), 0.0, least=1, warm_up_s=0.0)

    def _benchmark[Of: SessionBenchmark](self, kind: type[Of], *parameters: Any) -> Of:
        """Return one whose operations can be called; it acts in the session that is here."""
        benchmark = kind()
        benchmark.runtime = self.runtime
        benchmark.prepare(*parameters)
        return benchmark

    def _calls(self, count: int) -> Call:
        """As many bare calls of the actor as the operation has actions."""
        answer = b"x" * ANSWER_BYTES

        def call() -> None:
            for _ in range(count):
                self.references.swap(answer)

        return call


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

#: Further operations. The reference of a workflow is what costs about as much and consists of the same: it is to tell
#: that the workflow became slower, not how good it is.
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
    "session and its end / bare actor": Beside.session,
}

#: What is compared on request: in one process with what calls it a kernel is quicker, but differs more from the next.
REQUESTED_PAIRS: dict[str, Callable[[Beside], Pair]] = {"IPython cell / jupyter_client": Beside.cell_and_client}
