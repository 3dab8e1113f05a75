"""Cells in the session's kernel."""

from __future__ import annotations

from dataclasses import replace

from scenario import Scenario, Step, cell, run

DIFFERENCES = {
    "kernel's end is told": "OpenHands waits for the time to be over when a cell kills its kernel, and goes on in a "
    "new one without a word, after `exit()` too; here the observation says at once what is lost, and a new kernel has "
    "the variables of the environment and the shell's folder.",
    "output between cells": "What a thread prints after its cell has ended is lost in OpenHands; here it is in the "
    "next cell's observation.",
}

_PLUGINS = ("jupyter",)


def plain(code: str, timeout: float | None = 60) -> Step:
    """Return a cell without the two lines about its folder and interpreter."""
    return cell(code, timeout, include_extra=False)


def _differs(step: Step, key: str, content: str, **ours: object) -> Step:
    return replace(step, differs=key, ours={"content": content, **ours})


def _lost(reason: str) -> str:
    return f"[{reason}: its variables are lost, files are not. The next cell runs in a new one.]"


_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # one pixel

SCENARIOS = [
    Scenario(
        "state and values",
        "what a cell prints and returns; names live on; the two lines about folder and interpreter",
        (
            cell("print('a'); 6 * 7"),
            cell("x = 1"),
            cell("x + 1"),
            cell("def f(n):\n    return n + x\n\nf(2)"),
            cell("print('no newline', end='')"),
            cell("print('trailing   \\n\\n')"),
            cell("None"),
            cell("'text'"),
            cell("print('é 漢字 😀')\n'é 漢字 😀'"),
            cell("1; 2; 3;"),
            cell("1\n2\n3"),
            cell("sorted(name for name in dir() if not name.startswith('_'))"),
            cell("_, __, ___"),
            cell("In, Out, get_ipython().execution_count"),
            cell(""),
            cell("   \n\n"),
            cell("# a comment"),
            plain("print('without the lines')"),
            plain("print('   spaces before and after   ')"),
            plain("import sys; print('to stderr', file=sys.stderr); print('to stdout')"),
            plain("await __import__('asyncio').sleep(0, 'awaited')"),
            plain("async def g():\n    return 5\nawait g()"),
            plain("print('x' * 100_000)"),
            plain("for n in range(20_000): print(n)"),
            plain("list(range(2_000))"),
            plain("{'a': [1, 2, {'b': None}], 'c': 'd' * 100}"),
        ),
        plugins=_PLUGINS,
    ),
    Scenario(
        "errors",
        "tracebacks, syntax errors, exits that are exceptions, what does not fit",
        (
            cell("1 / 0"),
            cell("def inner(d):\n    return d['missing']\n\ndef outer():\n    return inner({})\n\nouter()"),
            cell("print('before')\nraise ValueError('two\\nlines')\nprint('never')"),
            cell("x ="),
            cell("if True:\nprint(1)"),
            cell("a\0b"),
            cell("print('unclosed"),
            cell("import nothing_of_this_name"),
            cell("try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise RuntimeError('second') from error"),
            cell("raise ExceptionGroup('both', [ValueError('one'), TypeError('two')])"),
            cell("assert 1 == 2, 'message'"),
            cell("import sys; sys.exit(3)"),
            cell("raise SystemExit"),
            cell("raise KeyboardInterrupt"),
            cell("input('? ')"),
            cell("import getpass; getpass.getpass()"),
            cell("import os; os.chdir('/nowhere')"),
            cell("open('missing.txt')"),
            cell("eval('1 +')"),
            cell("class E(Exception):\n    def __str__(self): raise ValueError\nraise E"),
            cell("class R:\n    def __repr__(self): raise ValueError('no repr')\nR()"),
            cell("import sys\nsys.setrecursionlimit(100)\ndef r(n): return r(n + 1)\nr(0)"),
            plain("import sys\nsys.setrecursionlimit(3000); 'goes on'"),
            cell(5),  # type: ignore[arg-type]
            cell(["a"]),  # type: ignore[arg-type]
            plain("print('\\x1b[31mred\\x1b[0m \\x1b[1;2;3mthree\\x1b[0m \\x1b[38;2;1;2;3mfive\\x1b[0m \\x1b[K')"),
        ),
        plugins=_PLUGINS,
    ),
    Scenario(
        "folder",
        "the kernel follows the shell's folder when that changes, and keeps its own until then",
        (
            cell("import os; os.getcwd()"),
            run("mkdir -p 'a b/c' && cd 'a b'"),
            cell("os.getcwd()"),
            cell("os.chdir('c'); os.getcwd()"),
            cell("os.getcwd()"),
            run("pwd"),
            cell("os.getcwd()"),
            run("cd c"),
            cell("os.getcwd()"),
            cell("%cd /tmp"),
            cell("%pwd"),
            cell("open('made.txt', 'w').write('x')"),
            run("ls /tmp/made.txt && rm -r /workspace/a*"),
            cell("os.getcwd()"),
            run("cd /workspace"),
            cell("os.getcwd()"),
            run("mkdir gone && cd gone && rmdir /workspace/gone"),
            cell("os.getcwd()"),
            cell("os.path.exists('.')"),
            run("cd /workspace"),
            cell("os.getcwd()"),
        ),
        plugins=_PLUGINS,
    ),
    Scenario(
        "magics",
        "magics and shell commands in a cell",
        (
            plain("!echo from the shell; exit 3"),
            plain("_exit_code"),
            plain("files = !printf 'a\\nb\\n'\nfiles"),
            plain("name = 'python'\n!echo {name} $name"),
            plain("!no-such-command-x"),
            plain("%%bash\necho out; echo err >&2"),
            plain("%%bash\necho x\nexit 3"),
            plain("%%writefile note.txt\nsome\ntext"),
            plain("!cat note.txt"),
            plain("%env NAME=value"),
            plain("import os; os.environ['NAME']"),
            plain("%%capture caught\nprint('hidden')"),
            plain("caught.stdout"),
            plain("%who_ls"),
            plain("%nosuchmagic"),
            plain("%%nosuchcell\nx"),
            plain("%run missing.py"),
            plain("open('s.py', 'w').write('print(\"ran\"); y = 9')\n%run s.py"),
            plain("y"),
            plain("%%sh\necho sh"),
            plain("print?"),
            plain("%reset -f"),
            plain("y"),
            plain("%colors"),
            plain("%xmode Minimal"),
            plain("1 / 0"),
            plain("%precision 2\n3.14159"),
        ),
        plugins=_PLUGINS,
    ),
    Scenario(
        "rich output",
        "display data of every kind, images, frames, updates, cleared output",
        (
            plain("from IPython.display import *\ndisplay(HTML('<b>x</b>'), Latex('$x$'), Markdown('*x*'))"),
            plain("HTML('<b>x</b>')"),
            plain("display(1, 'two', [3])"),
            plain(f"import base64\nImage(data=base64.b64decode('{_PNG}'), format='png')"),
            plain(f"display({{'text/plain': 't', 'image/png': '{_PNG}\\n'}}, raw=True)\nprint('after')"),
            plain("display({'text/plain': 't', 'image/jpeg': 'aGVsbG8=', 'image/svg+xml': '<svg/>'}, raw=True)"),
            plain("SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')"),
            _differs(
                plain("print('first')\ndisplay({'text/html': '<b>only html</b>'}, raw=True)\nprint('last')"),
                "crash",
                "first\nlast",
                observation="run_ipython",
                success=True,
                code="print('first')\ndisplay({'text/html': '<b>only html</b>'}, raw=True)\nprint('last')",
                image_urls=None,
            ),
            plain("handle = display('one', display_id='d')\nhandle.update('two')\nprint('three')"),
            plain("print('gone?'); clear_output(); print('kept')"),
            plain("class T:\n    def _repr_html_(self): return '<i>t</i>'\n    def __repr__(self): return 'T()'\nT()"),
            plain(
                "class M:\n    def _repr_mimebundle_(self, **_): return {'text/plain': 'bundle', 'text/x': 'y'}\nM()"
            ),
            plain(
                "import matplotlib.pyplot as plt\nfigure = plt.figure(figsize=(1, 1), dpi=20)\n"
                "plt.plot([1, 2]); plt.axis('off');"
            ),
            plain("figure"),
            plain("plt.figure(figsize=(1, 1)); 1 / 0"),
            plain("plt.close('all')"),
            plain("import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', None]})"),
            plain("pd.Series(range(3)).describe()"),
            plain("import numpy as np\nnp.arange(6).reshape(2, 3)"),
        ),
        plugins=_PLUGINS,
    ),
    Scenario(
        "too much output",
        "what Jupyter's server lets through",
        (
            plain("print('x' * 2_900_000)"),
            plain("print('x' * 3_100_000)"),
            plain("print('small')"),
            plain("display('y' * 3_500_000)"),
            plain("import sys\nprint('e' * 3_500_000, file=sys.stderr)\nprint('after it')"),
        ),
        plugins=_PLUGINS,
    ),
    Scenario(
        "time",
        "a cell whose time is over is interrupted, and the session goes on",
        (
            plain("import time, subprocess; kept = 5"),
            cell("print('lost with the cell')\nwhile True: pass", 1),
            cell("kept"),
            cell("time.sleep(60)", 1.5),
            plain("subprocess.run(['sleep', '60'])", 1),
            plain("!sleep 61", 1),
            plain("!ps -C sleep -o args="),
            plain("try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    time.sleep(2); kept = 'later'", 1),
            plain("kept", 10),
            plain("1", 0),
            plain("1", -1),
            plain("kept"),
        ),
        plugins=_PLUGINS,
    ),
    Scenario(
        "the kernel's end",
        "a cell that ends its kernel, and what the next one finds",
        (
            plain("kept = 1"),
            plain("exit(keep_kernel=True)"),
            plain("kept"),
            _differs(
                plain("kept = 2\nprint('bye')\nexit()"),
                "kernel's end is told",
                "bye\n" + _lost("This cell ended the kernel"),
            ),
            run("sleep 5", blocking=True),
            plain("kept", 20),
            _differs(
                plain("import os; os._exit(3)", 8),
                "kernel's end is told",
                _lost("The kernel died while it ran this cell"),
            ),
            plain("kept", 20),
            plain("import os; os.path.basename(os.getcwd())"),
        ),
        plugins=_PLUGINS,
    ),
    Scenario(
        "threads",
        "what is printed on behalf of a cell that has ended",
        (
            plain(
                "import os, threading, time\n"
                "def late():\n    while not os.path.exists('go'): time.sleep(0.05)\n    print('late')\n"
                "thread = threading.Thread(target=late); thread.start()\nprint('main')"
            ),
            run("touch go; sleep 1"),
            _differs(
                plain("thread.is_alive()"),
                "output between cells",
                "[Below is the output of earlier cells.]\nlate\n[Below is the output of this cell.]\nFalse",
            ),
            plain("import threading\nt = threading.Thread(target=print, args=('in time',)); t.start(); t.join()"),
        ),
        plugins=_PLUGINS,
    ),
    Scenario(
        "no plugin",
        "a cell in a session without the Jupyter plugin",
        (
            _differs(
                cell("1"),
                "crash",
                "JupyterRequirement not found. Unable to run IPython action.",
                observation="error",
                error_id="",
            ),
        ),
    ),
    Scenario(
        "skills",
        "OpenHands' AgentSkills in the kernel",
        (
            plain("sorted(name for name in dir() if not name.startswith('_'))"),
            plain("open_file('missing.txt')"),
            plain("open_file('a.txt', 50, 10)"),
            plain("goto_line(3)"),
            plain("scroll_down()"),
            plain("scroll_up()"),
            plain("search_file('line 7')"),
            plain("search_dir('line 123')"),
            plain("find_file('a.txt')"),
            plain("find_file('a', '/workspace/sub')"),
            plain("parse_latex('t.tex')"),
            plain("parse_pdf('missing.pdf')"),
            plain("open_file()"),
            plain("goto_line"),
            plain("help(goto_line)"),
            plain("import inspect; [str(inspect.signature(each)) for each in (open_file, search_dir, file_editor)]"),
            plain("print(file_editor(command='view', path='/workspace/a.txt', view_range=[1, 3]).split('\\n')[1])"),
            run("cd sub"),
            plain("find_file('a')"),
        ),
        files={
            "a.txt": b"".join(b"line %d\n" % n for n in range(300)),
            "t.tex": b"\\section{One}\ntext\n",
            "sub/ab.txt": b"",
        },
        plugins=("jupyter", "agent_skills"),
    ),
]
