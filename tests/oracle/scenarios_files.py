"""Files: reading, writing, and the agent's editor."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import Any

from scenario import Scenario, Step, edit, read, run, write

DIFFERENCES = {
    "crash": "Where OpenHands' server answers with an internal error, and the agent's run ends, the session answers "
    "with an error, and goes on. Nothing has been changed then.",
    "kept": "An edit that fails leaves the file as it was, and one that inserts leaves its permissions: OpenHands' "
    "editor empties a file when its encoding has no bytes for the new text, and `insert` makes a script one that "
    "cannot be run, and that only its owner can read. Copies keep permissions, empty folders and single files, too.",
    "no file": "A pipe, a socket or a device is refused: OpenHands' server opens it and waits, or reads without end.",
    "quoted": "A folder is listed whatever its name: OpenHands' editor passes the name to a shell unquoted, which "
    "splits it at spaces and runs what is in it.",
}


def _answers_otherwise(step: Step, differs: str, **ours: Any) -> Step:
    return replace(step, differs=differs, ours=ours)


def _error(step: Step, content: str, differs: str = "crash") -> Step:
    """Our answer is an error observation."""
    return _answers_otherwise(step, differs, observation="error", content=content, error_id="")


def _edit_error(step: Step, content: str, differs: str = "crash") -> Step:
    """Our answer is the editor's observation of an error."""
    args = step.action["args"]
    return _answers_otherwise(
        step,
        differs,
        observation="edit",
        content=f"ERROR:\n{content}",
        path=args["path"],
        prev_exist=False,
        old_content=args.get("old_str"),
        new_content=args.get("new_str"),
        impl_source="oh_aci",
        diff="",
        _diff_cache=None,
    )


def _view(path: str, *view_range: int) -> Step:
    """Return the step of a view as an agent's editor tool asks for it."""
    return read(path, impl_source="oh_aci", view_range=list(view_range) or None)


def _docx(*paragraphs: str) -> bytes:
    """Return the smallest document of Word's that is one."""
    body = "".join(f"<w:p><w:r><w:t>{each}</w:t></w:r></w:p>" for each in paragraphs)
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    document = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{types}"><Default Extension="rels" ContentType="application/'
        f'vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="{main}"/>'
        "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{relations}"><Relationship Id="r1" Type="{document}" '
        'Target="word/document.xml"/></Relationships>',
        "word/document.xml": '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        f"<w:body>{body}</w:body></w:document>",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()


_TEN = b"one\ntwo\nthree\n\tfour  \nfive\nsix\nseven\neight\nnine\nten"
_BINARY = bytes(range(256)) * 4
_LATIN = b"caf\xe9 is a word in a longer text, which is thus a text\n" * 4
_LONGEST = "n" * 255

_READ = Scenario(
    "read",
    "whole files and ranges of lines, newlines, what is missing, a folder, no UTF-8, binary; names of every kind",
    (
        run(
            "cd sub && ln -s ../ten link && ln -s nowhere dangling && ln -s loop loop && touch secret && chmod 0 secret"
            " && mkdir -m 600 locked && mkfifo pipe && (while [ -e pipe ]; do echo x > pipe; sleep 0.2; done &)"
        ),
        read("/workspace/ten"),
        read("only"),
        read("./deep//../only"),
        read("/workspace/ten", start=1, end=3),
        read("/workspace/ten", start=8),
        read("/workspace/ten", start=9, end=10),
        read("/workspace/ten", start=-3, end=2),
        read("/workspace/ten", start=50, end=60),
        read("/workspace/ten", start=4, end=2),
        read("/workspace/ten", start=4, end=-7),
        read("/workspace/empty"),
        read("/workspace/empty", start=1, end=2),
        read("/workspace/crlf"),
        read("/workspace/bom"),
        read("/workspace/separators", start=1, end=2),
        read("/workspace/long line"),
        read("missing"),
        read("/workspace/missing/deeper"),
        _error(
            read("/workspace/ten/deeper"), "NotADirectoryError: [Errno 20] Not a directory: '/workspace/ten/deeper'"
        ),
        read("/workspace/sub"),
        read("deep"),
        read(""),
        read("/workspace/latin"),
        _error(read("/workspace/program"), "ERROR_BINARY_FILE"),
        _error(read("/workspace/binary"), "ERROR_BINARY_FILE"),
        read("bytes"),
        read("image.png"),
        read("/workspace/module.pyc"),
        read("/proc/sys/kernel/ostype"),
        read("/workspace/näme\nwith 'all' \"of\" $it"),
        read(f"/workspace/{_LONGEST}"),
        read("link"),
        read("dangling"),
        _error(read("loop"), "OSError: [Errno 40] Too many levels of symbolic links: '/workspace/sub/loop'"),
        _error(read("\0"), "ValueError: embedded null byte"),
        _error(read("n" * 256), f"OSError: [Errno 36] File name too long: '/workspace/sub/{'n' * 256}'"),
        _error(read("secret"), "PermissionError: [Errno 13] Permission denied: '/workspace/sub/secret'"),
        _error(read("locked/x"), "PermissionError: [Errno 13] Permission denied: '/workspace/sub/locked/x'"),
        _error(
            read("/workspace/sub/pipe"),
            "/workspace/sub/pipe is a pipe, a socket or a device, which cannot be read or edited as a file.",
            "no file",
        ),
        _error(
            read("/dev/zero"),
            "/dev/zero is a pipe, a socket or a device, which cannot be read or edited as a file.",
            "no file",
        ),
        read("/dev/null"),
    ),
    files={
        "ten": _TEN,
        "empty": b"",
        "crlf": b"a\r\nb\rc\n",
        "bom": b"\xef\xbb\xbfa\n",
        "separators": "a\u2028b\x0cc\n\u0085d\n".encode(),
        "long line": b"x" * 100_000,
        "latin": _LATIN,
        "binary": _BINARY,
        "program": b"\x7fELF\2\1\1" + b"\0" * 100,
        "module.pyc": b"text",
        "näme\nwith 'all' \"of\" $it": b"named\n",
        _LONGEST: b"longest\n",
        "sub/bytes": _BINARY,
        "sub/only": b"sub\n",
        "sub/deep/x": b"",
        "sub/image.png": b"\x89PNG\r\n\x1a\n\0\0\0",
    },
)

_MEDIA_NAMES = ("x.png", "x.JPG", "x.gif", "x.bmp", "x.pdf", "x.mp4", "x.webm", "x.ogg")

_MEDIA = Scenario(
    "media",
    "images, PDF and video as data URLs, where the file does not look binary",
    (
        *(read(f"/workspace/{name}") for name in _MEDIA_NAMES),
        read("/workspace/binary.png"),
        read("/workspace/missing.png"),
        read("folder.png"),
        _view("/workspace/x.png"),
        _view("/workspace/notebook.ipynb"),
        edit("view", "/workspace/text.docx"),
        edit("view", "/workspace/broken.xlsx"),
        _error(_view("/workspace/text.docx"), "ERROR_BINARY_FILE"),
        edit("str_replace", "/workspace/text.docx", old_str="a", new_str="b"),
    ),
    files={
        **dict.fromkeys(_MEDIA_NAMES, b"plain enough"),
        "binary.png": b"\x89PNG\r\n\x1a\n\0\0\0",
        "folder.png/x": b"",
        "notebook.ipynb": b'{"cells": [],\n "nbformat": 4}\n',
        "text.docx": _docx("First of all.", "Then."),
        "broken.xlsx": b"no sheet",
    },
)

_WRITE = Scenario(
    "write",
    "new files and folders, ranges of lines, permissions, links; what cannot be written",
    (
        run(
            "cd at && chmod 750 script && ln script hard && ln -s script soft && ln -s new/target dangling && "
            "echo x > fixed && chmod 444 fixed && mkdir -m 500 locked && mkfifo pipe && umask 077"
        ),
        write("/workspace/new/folder/a.txt", "text"),
        read("/workspace/new/folder/a.txt"),
        write("/workspace/new/folder/a.txt", "two\nlines\n"),
        read("/workspace/new/folder/a.txt"),
        write("soft", "echo changed"),
        read("hard"),
        write("dangling", "x"),
        write("new/other", "x"),
        write("dangling", "x"),
        read("new/target"),
        write("../ten", "new", start=1, end=2),
        write("../ten", "first", start=0, end=0),
        write("../ten", "last", start=11),
        write("../ten", "beyond", start=99, end=99),
        write("../ten", "odd", start=-2, end=-1),
        write("../ten", "odd", start=3, end=1),
        read("../ten"),
        write("crlf", "x", start=1, end=1),
        read("crlf"),
        write("näme\n x", "named"),
        read("näme\n x"),
        write("new", "x"),
        write("latin", "x"),
        write("latin", "x", start=1),
        read("latin"),
        _error(
            write("/workspace/ten", "\ud800"),
            "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
        ),
        _error(write("script/x", "x"), "NotADirectoryError: [Errno 20] Not a directory: '/workspace/at/script/x'"),
        _error(write("x\0", "x"), "ValueError: embedded null byte"),
        _error(write("fixed", "x"), "PermissionError: [Errno 13] Permission denied: '/workspace/at/fixed'"),
        _error(write("locked/x", "x"), "PermissionError: [Errno 13] Permission denied: '/workspace/at/locked/x'"),
        _error(write("/usr/x", "x"), "OSError: [Errno 30] Read-only file system: '/usr/x'"),
        _error(
            write("pipe", "x"),
            "/workspace/at/pipe is a pipe, a socket or a device, which cannot be read or edited as a file.",
            "no file",
        ),
        write("/tmp/outside/x", "x"),
        read("/tmp/outside/x"),
        run("stat -c '%a %h %F %n' script hard soft new new/target ../new/folder/a.txt; chmod 755 locked"),
    ),
    files={
        "ten": _TEN,
        "at/script": b"echo old\n" * 3,
        "at/crlf": b"a\r\nb\r\n",
        "at/latin": _LATIN,
    },
)

_TYPES = Scenario(
    "wrong arguments",
    "arguments of the wrong type or none at all, in every place; an unknown command",
    (
        _error(read(None), "TypeError: `path` must be a string, not NoneType."),  # type: ignore[arg-type]
        _error(read(5), "TypeError: `path` must be a string, not int."),  # type: ignore[arg-type]
        _error(read("/workspace/ten", start="a"), "TypeError: '>' not supported between instances of 'int' and 'str'"),
        _error(
            read("/workspace/ten", end=None), "TypeError: '>' not supported between instances of 'int' and 'NoneType'"
        ),
        _error(write(None, "x"), "TypeError: `path` must be a string, not NoneType."),  # type: ignore[arg-type]
        _error(write("x", 5), "TypeError: `content` must be a string, not int."),  # type: ignore[arg-type]
        _error(
            write("ten", "x", start="a"),
            "TypeError: slice indices must be integers or None or have an __index__ method",
        ),
        write("x", "unused where the file is new", start="a"),
        _error(edit("view", None), "TypeError: `path` must be a string, not NoneType."),  # type: ignore[arg-type]
        _error(edit("view", "/workspace/ten", impl_source="none"), "ValueError: There is no editor 'none'."),
        edit("", "/workspace/ten"),
        edit("fly", "/workspace/ten"),
        edit(None, "/workspace/ten"),  # type: ignore[arg-type]
        edit("create", "/workspace/n1"),
        _error(
            edit("insert", "/workspace/ten", insert_line=1, new_str=5),
            "AttributeError: 'int' object has no attribute 'split'",
        ),
        edit("insert", "/workspace/ten", insert_line="2", new_str="text"),
        edit("insert", "/workspace/ten", insert_line="two", new_str="text"),
        edit("insert", "/workspace/ten", insert_line=[1], new_str="text"),
        edit("insert", "/workspace/ten", insert_line=1.5, new_str="text"),
        edit("insert", "/workspace/ten", insert_line=True, new_str="text"),
        edit("insert", "/workspace/ten", insert_line=-1, new_str="text"),
        edit("insert", "/workspace/ten", new_str="text"),
        edit("insert", "/workspace/ten", insert_line=3),
        edit("str_replace", "/workspace/ten", old_str=5, new_str="x"),
        edit("str_replace", "/workspace/ten", old_str="two", new_str=5),
        edit("str_replace", "/workspace/ten", new_str="x"),
        *(
            read("/workspace/ten", impl_source="oh_aci", view_range=each)
            for each in (
                [0, 3],
                [-1, 3],
                [4, 2],
                [4],
                [1, 2, 3],
                ["1", "2"],
                [1.0, 2.0],
                "12",
                5,
                [],
                [9, -1],
                [9, 99],
                [9, -2],
            )
        ),
        read("/workspace", impl_source="oh_aci", view_range=[1, 2]),
        read("ten"),
    ),
    files={"ten": _TEN},
)

_EDITS = Scenario(
    "edits",
    "view, create, str_replace, insert and undo_edit, with their diffs; more edits than can be undone",
    (
        _view("/workspace/x"),
        _view("/workspace/x", 2, 4),
        edit("view", "/workspace/x"),
        _view("x"),
        edit("view", "nothing"),
        _view("/workspace/missing"),
        edit("create", "/workspace/new", file_text="a\nb"),
        edit("create", "/workspace/new", file_text="c"),
        edit("create", "/workspace/no/folder", file_text="c"),
        edit("create", "/workspace/empty", file_text=""),
        edit("undo_edit", "/workspace/new"),
        edit("str_replace", "/workspace/x", old_str="five\nsix", new_str="5\n6\n6b"),
        edit("str_replace", "/workspace/x", old_str="absent", new_str="y"),
        edit("str_replace", "/workspace/x", old_str="e", new_str="y"),
        edit("str_replace", "/workspace/x", old_str="one", new_str="one"),
        edit("str_replace", "/workspace/x", old_str="one"),
        edit("str_replace", "/workspace/x", old_str=" \n two \n", new_str=" 2 "),
        edit("str_replace", "/workspace/x", old_str="", new_str="y"),
        edit("str_replace", "/workspace/empty", old_str="", new_str="now\nfilled"),
        edit("str_replace", "/workspace/regex", old_str="a.*(b)[c]\\d^$", new_str="\\1\\g<0>"),
        edit("str_replace", "/workspace/sub", old_str="e", new_str="y"),
        edit("insert", "/workspace/x", insert_line=0, new_str="first"),
        edit("insert", "/workspace/x", insert_line=3, new_str="a\nb\n"),
        edit("insert", "/workspace/x", insert_line=15, new_str="last"),
        edit("insert", "/workspace/x", insert_line=99, new_str="a"),
        *(read(name) for name in ("x", "regex", "empty")),
        edit("undo_edit", "/workspace/x"),
        edit("undo_edit", "/workspace/x"),
        edit("undo_edit", "/workspace/sub/quiet"),
        edit("str_replace", "/workspace/a.pdf", old_str="a", new_str="b"),
        *(edit("str_replace", "/workspace/count", old_str=f"<{n}>", new_str=f"<{n + 1}>") for n in range(12)),
        *(edit("undo_edit", "/workspace/count") for _ in range(11)),
        read("count"),
        run("rm count"),
        edit("undo_edit", "/workspace/count"),
        edit("create", "/workspace/count", file_text="again"),
        edit("undo_edit", "/workspace/count"),
        edit("undo_edit", "/workspace/count"),
    ),
    files={
        "x": _TEN,
        "regex": b"before a.*(b)[c]\\d^$ after\n",
        "sub/quiet": b"q",
        "a.pdf": b"%PDF",
        "count": b"<0>\n",
    },
)

_RUSSIAN = "Этот текст написан по-русски, и он довольно длинный.\n" * 5 + "конец\n"
_CHINESE = "我们的目标是让每一个人都能够读书写字。\n" * 6 + "结束\n"
_GERMAN = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.\n" * 5 + "Schluß\n"

_ENCODINGS = Scenario(
    "encodings",
    "files in other encodings, with byte order marks and other ends of lines, and binary ones, in the editor",
    (
        *(
            step
            for name, old, new in (
                ("utf16", "конец", "начало"),
                ("cp1251", "конец", "начало"),
                ("gb2312", "结束", "开始"),
                ("latin1", "Schluß", "Größe"),
                ("cp1252", "Schluß", "“Größe”"),
                ("bom", "é", "è"),
                ("crlf", "two", "2"),
                ("cr", "two", "2"),
                ("declared", "two", "zwölf"),
                ("symbols", "~{{", "{~}"),
                ("separators", "b", "c"),
            )
            for step in (
                _view(f"/workspace/{name}"),
                _view(f"/workspace/{name}", 1, 2),
                edit("str_replace", f"/workspace/{name}", old_str=old, new_str=new),
                edit("insert", f"/workspace/{name}", insert_line=1, new_str="plain"),
            )
        ),
        edit("undo_edit", "/workspace/crlf"),
        edit("str_replace", "/workspace/declared", old_str="plain", new_str="日本"),
        _answers_otherwise(
            _view("/workspace/declared"),
            "kept",
            content="Here's the result of running `cat -n` on /workspace/declared:\n     1\t# -*- coding: latin-1 -*-\n"
            "     2\tplain\n     3\t# a comment that is long enough to be sure of it\n     4\tzwölf\n     5\t\n",
        ),
        _edit_error(
            edit("view", "/workspace/binary"),
            "File validation failed for /workspace/binary: File appears to be binary and this file type cannot be read "
            "or edited by this tool.",
        ),
        edit("str_replace", "/workspace/binary", old_str="a", new_str="b"),
        edit("str_replace", "/workspace/noise", old_str="a", new_str="b"),
        edit("view", "/workspace/module.pyc"),
    ),
    files={
        "utf16": _RUSSIAN.encode("utf-16"),
        "cp1251": _RUSSIAN.encode("cp1251"),
        "gb2312": _CHINESE.encode("gb2312"),
        "latin1": _GERMAN.encode("latin-1"),
        "cp1252": f"“{_GERMAN}”".encode("cp1252"),
        "bom": b"\xef\xbb\xbf" + "café\ntwo\n".encode(),
        "crlf": b"one\r\ntwo\r\n",
        "cr": b"one\rtwo\rthree",
        "declared": b"# -*- coding: latin-1 -*-\n# a comment that is long enough to be sure of it\ntwo\n",
        "symbols": b"\n}\n{-A~{~{{\n}-Z-A{AA\nZZ-Z}}~-+++{+A}-{~\n{\n-}+{}Z--ZA{-\n+A-A-}",
        "separators": "a\u2028b\x0cx\n\u0085d\n".encode(),
        "binary": _BINARY,
        "noise": bytes(255 - n * 7 % 128 for n in range(300)) + b"\0",
        "module.pyc": b"text",
    },
)

_FOLDERS = Scenario(
    "files and folders in the editor",
    "folders two levels deep, hidden names, links, no permission, large files and long lines; what an edit keeps",
    (
        run(
            "mkdir -p top/a/b/c/d top/.git/x top/e many empty loop self lined 'sp ace' && mkdir -m 500 shut && "
            "touch top/.hidden top/a/.h top/a/b/.h top/a/b/f top/B2 'top/sp ace' $'lined/new\\nline' 'sp ace/x' && "
            "touch many/long_name_of_a_file_that_fills_the_listing_{1..400} many/.x{1..30} && "
            "ln -s a top/to_a && ln -s . loop/here && ln -s nowhere lined/dangling && ln -s self self/self && "
            "head -c 10485761 /dev/zero | tr '\\0' a > big && head -c 9000000 /dev/zero | tr '\\0' a > wide && "
            "chmod 755 script && ln -s script linked && ln script hard && "
            "echo x > fixed && chmod 444 fixed && echo x > secret && chmod 0 secret && mkdir -p part/e && "
            "chmod 300 part/e"
        ),
        _view("/workspace/top"),
        edit("view", "/workspace/top/a/"),
        _view("/workspace/top/.git"),
        _view("/workspace/top/to_a"),
        _view("/workspace/many"),
        _view("/workspace/empty"),
        _view("/workspace/loop"),
        _view("/workspace/self"),
        _view("/workspace/lined"),
        _view("/workspace/part"),
        _answers_otherwise(
            _view("/workspace/sp ace"),
            "quoted",
            content="Here's the files and directories up to 2 levels deep in /workspace/sp ace, excluding hidden "
            "items:\n/workspace/sp ace/\n/workspace/sp ace/x",
        ),
        _view("/workspace/big"),
        edit("str_replace", "/workspace/big", old_str="b", new_str="c"),
        edit("view", "/workspace/wide"),
        _view("/workspace/lines"),
        _view("/workspace/lines", 2000, 2003),
        edit("str_replace", "/workspace/linked", old_str="ran", new_str="ran it"),
        edit("insert", "/workspace/linked", insert_line=0, new_str="#!/bin/sh"),
        edit("str_replace", "/workspace/fixed", old_str="x", new_str="y"),
        _edit_error(
            edit("view", "/workspace/secret"),
            "Ran into [Errno 13] Permission denied: '/workspace/secret' while trying to read /workspace/secret",
        ),
        edit("create", "/workspace/shut/x", file_text="x"),
        _error(
            edit("create", "/workspace/" + "n" * 256, file_text="x"),
            f"OSError: [Errno 36] File name too long: '/workspace/{'n' * 256}'",
        ),
        edit("create", "/workspace/\0", file_text="x"),
        edit("create", "/workspace/new\nline ünï", file_text="x"),
        edit("create", "/usr/no", file_text="x"),
        edit("view", "/dev/null"),
        _answers_otherwise(
            run("chmod 755 shut part/e; stat -c '%a %h %F' script linked hard"),
            "kept",
            content="755 2 regular file\n777 1 symbolic link\n755 2 regular file",
        ),
    ),
    files={"lines": b"a line of text\n" * 3000, "script": b"echo ran\n"},
)

SCENARIOS = [_READ, _MEDIA, _WRITE, _TYPES, _EDITS, _ENCODINGS, _FOLDERS]
