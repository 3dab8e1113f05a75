"""How long one action takes, from the call in OpenHands' process to its observation."""

from __future__ import annotations

from openhands.events.action import (
    BrowseURLAction,
    CmdRunAction,
    FileEditAction,
    FileReadAction,
    FileWriteAction,
    IPythonRunCellAction,
)

from benchmarks.common import SessionBenchmark, act

_COMPLEX_COMMAND = "for i in $(seq 1 200); do echo line $i; done | grep -E '[05]$' | sort -r | head -n 5 | wc -l"

_COMPLEX_CELL = """
import json, math
primes = [n for n in range(2, 5000) if all(n % d for d in range(2, math.isqrt(n) + 1))]
json.loads(json.dumps({'count': len(primes), 'sum': sum(primes)}))
"""

#: Bytes of the file of "large file operations".
LARGE_FILE_BYTES = 2 * 1024 * 1024


class Command(SessionBenchmark):
    """Commands in the session's shell."""

    version = "2"

    def time_simple_command(self) -> None:
        """Echo a word."""
        act(self.runtime, CmdRunAction("echo benchmark"), "benchmark")

    def time_complex_command(self) -> None:
        """Run a loop and four programs in a pipeline."""
        act(self.runtime, CmdRunAction(_COMPLEX_COMMAND), "5")

    def time_python_command(self) -> None:
        """Start a Python interpreter."""
        act(self.runtime, CmdRunAction("python3 -S -c 'print(6 * 7)'"), "42")

    time_simple_command.pretty_name = "Simple command"  # type: ignore[attr-defined]
    time_complex_command.pretty_name = "Complex command"  # type: ignore[attr-defined]
    time_python_command.pretty_name = "Command that starts Python"  # type: ignore[attr-defined]


class File(SessionBenchmark):
    """Small files: 40 lines of text."""

    version = "2"

    def prepare(self) -> None:
        """Write the file that is read and edited."""
        self.text = "".join(f"line {number} of the file\n" for number in range(40))
        act(self.runtime, FileWriteAction("/workspace/file.txt", self.text), "")
        self.words = ("line 20 of", "row 20 of")

    def time_write(self) -> None:
        """Write it whole."""
        act(self.runtime, FileWriteAction("/workspace/written.txt", self.text), "")

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

    version = "2"

    def prepare(self) -> None:
        """Make the text."""
        self.text = ("x" * 99 + "\n") * (LARGE_FILE_BYTES // 100)

    def time_large_file_operations(self) -> None:
        """Write it, and read it back."""
        act(self.runtime, FileWriteAction("/workspace/large.txt", self.text), "")
        observation = act(self.runtime, FileReadAction("/workspace/large.txt"), "")
        if len(observation.content) != len(self.text) + 1:  # OpenHands ends a written file with a newline
            raise AssertionError(f"{len(observation.content)} characters came back of {len(self.text)}")

    time_large_file_operations.pretty_name = "Large file operations (2 MB)"  # type: ignore[attr-defined]


class IPython(SessionBenchmark):
    """Cells in the session's kernel."""

    version = "2"
    jupyter = True

    def prepare(self) -> None:
        """Wait until the kernel is there."""
        act(self.runtime, IPythonRunCellAction("1 + 1"), "2")

    def time_simple(self) -> None:
        """Print a word."""
        act(self.runtime, IPythonRunCellAction("print('benchmark')"), "benchmark")

    def time_complex(self) -> None:
        """Compute the primes below 5,000."""
        act(self.runtime, IPythonRunCellAction(_COMPLEX_CELL), "669")

    time_simple.pretty_name = "IPython simple"  # type: ignore[attr-defined]
    time_complex.pretty_name = "IPython complex"  # type: ignore[attr-defined]


class Browser(SessionBenchmark):
    """Pages in the session's Chromium."""

    version = "2"
    number = 1
    repeat = 3
    warmup_time = 0.0

    def prepare(self) -> None:
        """Serve a page inside the session, and wait until the browser is there."""
        page = "<title>Benchmark</title><h1>Benchmark page</h1><ul>" + "<li><a href='#'>item</a></li>" * 30 + "</ul>"
        act(self.runtime, FileWriteAction("/workspace/index.html", page), "")
        serve = (
            'python3 -c \'import http.server as h, socketserver as s; server = s.TCPServer(("127.0.0.1", 0), '
            "h.SimpleHTTPRequestHandler); print(server.server_address[1], flush=True); server.serve_forever()' "
            "> /tmp/port 2> /dev/null & until [ -s /tmp/port ]; do sleep 0.05; done; cat /tmp/port"
        )
        port = act(self.runtime, CmdRunAction(serve), "").content.split()[-1]
        self.url = f"http://127.0.0.1:{port}/index.html"
        self.time_browse()

    def time_browse(self) -> None:
        """Open a local page."""
        act(self.runtime, BrowseURLAction(self.url), "Benchmark page")

    time_browse.pretty_name = "Browse a local page"  # type: ignore[attr-defined]
