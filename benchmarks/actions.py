"""How long one action takes, from the call in OpenHands' process to its observation."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

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
from openhands.events.action.mcp import MCPAction
from openhands.runtime.base import Runtime

from benchmarks.common import TEXT, act, not_when_quick, read_whole
from benchmarks.session import SessionBenchmark

COMPLEX_COMMAND = "for i in $(seq 1 200); do echo line $i; done | grep -E '[05]$' | sort -r | head -n 5 | wc -l"

SIMPLE_CELL = "print('benchmark')"

COMPLEX_CELL = """
import json, math
primes = [n for n in range(2, 5000) if all(n % d for d in range(2, math.isqrt(n) + 1))]
json.loads(json.dumps({'count': len(primes), 'sum': sum(primes)}))
"""

# What a plot is to the runtime; how long a library takes to draw it is not its matter.
PICTURE_CELL = """
import os
from IPython.display import Image, display
display(Image(data=b'\\x89PNG\\r\\n' + os.urandom(100_000), format='png'))
"""

#: Bytes of the file of "large file operations".
LARGE_FILE_BYTES = 2 * 1024 * 1024

# The grammar that is hidden from the benchmarks, too, is several times what else the server imports.
_MCP_SERVER = """
import sys
sys.modules["rfc3987_syntax"] = None
from mcp.server.fastmcp import FastMCP

server = FastMCP("benchmark", log_level="ERROR")
server.add_tool(lambda text: text, name="echo")
server.run()
"""


class Command(SessionBenchmark):
    """Commands in the session's shell."""

    version = "4"

    def time_simple_command(self) -> None:
        """Echo a word."""
        act(self.runtime, CmdRunAction("echo benchmark"), "benchmark")

    def time_complex_command(self) -> None:
        """Run a loop and four programs in a pipeline."""
        act(self.runtime, CmdRunAction(COMPLEX_COMMAND), "5")

    def time_python_command(self) -> None:
        """Start a Python interpreter."""
        act(self.runtime, CmdRunAction("python3 -S -c 'print(6 * 7)'"), "42")

    def time_static_command(self) -> None:
        """Echo a word in a shell of its own."""
        act(self.runtime, CmdRunAction("echo benchmark", is_static=True), "benchmark")

    time_static_command.pretty_name = "Command in a shell of its own"  # type: ignore[attr-defined]
    time_simple_command.pretty_name = "Simple command"  # type: ignore[attr-defined]
    time_complex_command.pretty_name = "Complex command"  # type: ignore[attr-defined]
    time_python_command.pretty_name = "Command that starts Python"  # type: ignore[attr-defined]


class Input(SessionBenchmark):
    """Input to a program that asks: from the answer to the end of the program."""

    version = "3"
    number = 1
    repeat = 5
    warmup_time = 0.0

    def setup(self) -> None:
        """Have it ask, before each sample."""
        super().setup()
        asking = CmdRunAction("read -r word; echo got $word")
        asking.set_hard_timeout(ASKED_S, blocking=True)
        act(self.runtime, asking, "")

    def teardown(self) -> None:
        """Answer it, where no sample has."""
        if self.runtime is not None:
            act(self.runtime, CmdRunAction("C-c", is_input=True), "")
        super().teardown()

    def time_input(self) -> None:
        """Answer it."""
        act(self.runtime, CmdRunAction("word", is_input=True), "got word")

    time_input.pretty_name = "Input to a command that asks"  # type: ignore[attr-defined]


#: Seconds after which a program has asked.
ASKED_S = 0.02


class File(SessionBenchmark):
    """Small files: 40 lines of text."""

    version = "4"

    def prepare(self) -> None:
        """Write the file that is read and edited."""
        act(self.runtime, FileWriteAction("/workspace/file.txt", TEXT), "")
        self.words = ("line 20 of", "row 20 of")

    def time_write(self) -> None:
        """Write it whole."""
        act(self.runtime, FileWriteAction("/workspace/written.txt", TEXT), "")

    def time_read(self) -> None:
        """Read it whole."""
        act(self.runtime, FileReadAction("/workspace/file.txt"), "line 39 of the file")

    def time_edit(self) -> None:
        """Replace a word, there and back in turn."""
        old, new = self.words
        act(self.runtime, FileEditAction("/workspace/file.txt", command="str_replace", old_str=old, new_str=new), new)
        self.words = (new, old)

    time_write.pretty_name = "File write"  # type: ignore[attr-defined]
    time_read.pretty_name = "File read"  # type: ignore[attr-defined]
    time_edit.pretty_name = "File edit"  # type: ignore[attr-defined]


class LargeFile(SessionBenchmark):
    """A file of 2 MB."""

    version = "4"

    def setup(self) -> None:
        """Skip it in a quick run."""
        not_when_quick()
        super().setup()

    def prepare(self) -> None:
        """Make the text."""
        self.text = ("x" * 99 + "\n") * (LARGE_FILE_BYTES // 100)

    def time_large_file_operations(self) -> None:
        """Write it, and read it back."""
        act(self.runtime, FileWriteAction("/workspace/large.txt", self.text), "")
        read_whole(self.runtime, "/workspace/large.txt", len(self.text))

    time_large_file_operations.pretty_name = "Large file operations (2 MB)"  # type: ignore[attr-defined]


class Copy(SessionBenchmark):
    """A file between this machine and the session."""

    version = "3"
    params = [[1000, 1_000_000, 10_000_000]]  # noqa: RUF012 (asv's own way to declare them)
    param_names = ["bytes"]  # noqa: RUF012

    folder: tempfile.TemporaryDirectory[str] | None = None

    def setup(self, size: int) -> None:
        """Skip the larger ones in a quick run."""
        if size > 1000:
            not_when_quick()
        super().setup(size)

    def prepare(self, size: int) -> None:
        """Write it here, and bring it there."""
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name, "copied.bin")
        self.file.write_bytes(os.urandom(size))
        self.time_to(size)

    def teardown(self, size: int) -> None:
        """End the session; remove the file."""
        super().teardown(size)
        if self.runtime is None and self.folder is not None:
            self.folder.cleanup()

    def time_to(self, size: int) -> None:
        """Bring it into a folder of the session."""
        assert self.runtime is not None
        self.runtime.copy_to(str(self.file), "/workspace/there")

    def time_from(self, size: int) -> None:
        """Fetch it, which comes as an archive."""
        assert self.runtime is not None
        archive = self.runtime.copy_from("/workspace/there")
        if archive.stat().st_size < size:  # it is random: no archive is smaller
            raise AssertionError(f"{archive.stat().st_size} bytes came back of {size}")
        archive.unlink()

    time_to.pretty_name = "Copy to the session by size"  # type: ignore[attr-defined]
    time_from.pretty_name = "Copy from the session by size"  # type: ignore[attr-defined]


class IPython(SessionBenchmark):
    """Cells in the session's kernel."""

    version = "4"
    jupyter = True

    def prepare(self) -> None:
        """Wait until the kernel is there."""
        act(self.runtime, IPythonRunCellAction("1 + 1"), "2")

    def time_simple(self) -> None:
        """Print a word."""
        act(self.runtime, IPythonRunCellAction(SIMPLE_CELL), "benchmark")

    def time_complex(self) -> None:
        """Compute the primes below 5,000."""
        act(self.runtime, IPythonRunCellAction(COMPLEX_CELL), "669")

    def time_state(self) -> None:
        """Change a variable, and read it in the next cell."""
        self.count = getattr(self, "count", 0) + 1
        act(self.runtime, IPythonRunCellAction(f"state = {self.count}"), "")
        act(self.runtime, IPythonRunCellAction("state * 2"), str(self.count * 2))

    def time_picture(self) -> None:
        """Return an image of 100 KB."""
        observation = act(self.runtime, IPythonRunCellAction(PICTURE_CELL), "")
        if not getattr(observation, "image_urls", None):
            raise AssertionError("No image came back.")

    time_state.pretty_name = "IPython state over two cells"  # type: ignore[attr-defined]
    time_picture.pretty_name = "IPython picture (100 KB)"  # type: ignore[attr-defined]
    time_simple.pretty_name = "IPython simple"  # type: ignore[attr-defined]
    time_complex.pretty_name = "IPython complex"  # type: ignore[attr-defined]


def served_page(runtime: Runtime | None) -> str:
    """Serve a page inside the session; return its address."""
    page = "<title>Benchmark</title><h1>Benchmark page</h1><ul>" + "<li><a href='#'>item</a></li>" * 30 + "</ul>"
    act(runtime, FileWriteAction("/workspace/index.html", page), "")
    serve = (
        "rm -f /tmp/port; "
        'python3 -c \'import http.server as h, socketserver as s; server = s.TCPServer(("127.0.0.1", 0), '
        "h.SimpleHTTPRequestHandler); print(server.server_address[1], flush=True); server.serve_forever()' "
        "> /tmp/port 2> /dev/null & until [ -s /tmp/port ]; do sleep 0.05; done; cat /tmp/port"
    )
    port = act(runtime, CmdRunAction(serve), "").content.split()[-1]
    return f"http://127.0.0.1:{port}/index.html"


class Browser(SessionBenchmark):
    """Pages in the session's Chromium."""

    version = "4"
    own_class = True  # what a browser does beside others is not known
    rounds = 1  # its start takes longer than all samples
    number = 1
    repeat = 6
    warmup_time = 0.0

    def prepare(self) -> None:
        """Serve a page inside the session, and wait until the browser is there."""
        self.url = served_page(self.runtime)
        self.time_browse()

    def time_browse(self) -> None:
        """Open a local page."""
        act(self.runtime, BrowseURLAction(self.url), "Benchmark page")

    def time_interactive(self) -> None:
        """Click on a link of it."""
        act(self.runtime, BrowseInteractiveAction("click('12')"), "Benchmark page")

    time_interactive.pretty_name = "Click on a local page"  # type: ignore[attr-defined]
    time_browse.pretty_name = "Browse a local page"  # type: ignore[attr-defined]


class Mcp(SessionBenchmark):
    """A tool of an MCP server that lives in the session, called as OpenHands calls it: with a new client each time."""

    version = "3"
    own_class = True  # its server stays
    rounds = 1
    number = 1
    repeat = 6
    warmup_time = 0.0

    def prepare(self) -> None:
        """Start the server."""
        assert self.runtime is not None
        server = MCPStdioServerConfig(name="benchmark", command=sys.executable, args=["-c", _MCP_SERVER])
        self.runtime.get_mcp_config([server])
        self.time_call()

    def time_call(self) -> None:
        """Have it echo a word."""
        assert self.runtime is not None
        observation = asyncio.run(self.runtime.call_tool_mcp(MCPAction("echo", {"text": "benchmark"})))
        if "benchmark" not in observation.content:
            raise AssertionError(f"The tool said {observation.content!r}")

    time_call.pretty_name = "MCP call"  # type: ignore[attr-defined]
