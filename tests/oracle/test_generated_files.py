"""Generated sequences of file actions, beside OpenHands' own editor and executor in the same process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openhands_ray.worker.editor import Editor
from openhands_ray.worker.files import Files
from openhands_ray.worker.paths import Paths

pytestmark = [pytest.mark.oracle, pytest.mark.long, pytest.mark.timeout(3000)]

EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "1500"))

_GENERATED = settings(
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)

# Lines that are alike, so that there are several places to replace; with what splits lines for some and not for others.
_LINES = [
    "",
    "a",
    "aa",
    "a b",
    "\ta",
    " a ",
    "é",
    "日本語のテキスト",
    "a\rb",
    "\x0c",
    "a\u2028b",
    "x.*(",
    "\\d~",
    "\ufeff",
    "-é-" * 40,
]
_TEXT = st.builds(
    lambda lines, end: end.join(lines), st.lists(st.sampled_from(_LINES), max_size=8), st.sampled_from(["\n", "\r\n"])
)
_ENCODINGS = ["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252", "cp1251", "gb2312", "shift_jis", "utf-32"]
_DATA = st.one_of(
    st.builds(lambda text, encoding: text.encode(encoding, "replace"), _TEXT, st.sampled_from(_ENCODINGS)),
    st.binary(max_size=40),
    st.builds(lambda text: f"# -*- coding: latin-1 -*-\n{text}".encode(), _TEXT),
)
_ODD = st.one_of(st.none(), st.integers(-2, 9), st.floats(-1, 9), st.just([1]), st.just({}), st.booleans())
_LINE = st.one_of(st.integers(-2, 9), st.integers(0, 4), st.sampled_from(["1", " 2 ", "x", "", "1.5"]), _ODD)
_STRING = st.one_of(st.sampled_from(_LINES), _TEXT, _ODD)
_RANGE = st.one_of(st.none(), st.lists(st.integers(-2, 9), max_size=3), st.lists(_ODD, max_size=2), st.just("12"), _ODD)
_NAMES = ["x", "x", "x", "new", "sub", "missing/y", "link", "a.pyc", "a.pdf"]
_STEP = st.one_of(
    st.fixed_dictionaries({"command": st.just("str_replace"), "old_str": _STRING, "new_str": _STRING}),
    st.fixed_dictionaries({"command": st.just("insert"), "insert_line": _LINE, "new_str": _STRING}),
    st.fixed_dictionaries({"command": st.just("view"), "view_range": _RANGE}),
    st.fixed_dictionaries({"command": st.just("create"), "file_text": _STRING}),
    st.fixed_dictionaries({"command": st.sampled_from(["undo_edit", "undo_edit", "fly", None, "view"])}),
)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[None]:
    """Let temporary files be on another file system than the folders that are compared."""
    former = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="oracle-", dir="/dev/shm") as folder:
        tempfile.tempdir = folder
        yield
    tempfile.tempdir = former


@pytest.fixture(scope="module")
def upstream(elsewhere: None) -> Any:
    """OpenHands' modules, with an editor that looks at a file's encoding each time it is asked.

    It remembers it for as long as the time of change stays, which for two quick edits is a matter of luck.
    """
    from openhands.runtime.action_execution_server import ActionExecutor, _execute_file_editor
    from openhands_aci.editor.editor import OHEditor

    def editor(root: str) -> Any:
        made = OHEditor(workspace_root=root)
        made._encoding_manager.get_encoding = made._encoding_manager.detect_encoding
        return made

    return SimpleNamespace(executor=ActionExecutor, execute=_execute_file_editor, editor=editor)


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory(prefix="oracle-", dir="/tmp") as folder:
        yield Path(folder, "1", "top"), Path(folder, "2", "top")


def _fill(folder: Path, data: bytes) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "sub").mkdir(parents=True)
    (folder / "x").write_bytes(data)
    (folder / "link").symlink_to("x")
    (folder / "a.pyc").write_text("a")
    (folder / "a.pdf").write_text("a")


def _state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@given(data=_DATA, steps=st.lists(st.tuples(st.sampled_from(_NAMES), _STEP), min_size=1, max_size=14))
@_GENERATED
def test_edits(upstream: Any, folders: tuple[Path, Path], data: bytes, steps: list[tuple[str, dict[str, Any]]]) -> None:
    mine, other = folders
    for folder in folders:
        _fill(folder, data)
    theirs, ours = upstream.editor(str(other)), Editor(Paths(str(mine), str(mine)))
    try:
        for name, step in steps:
            if name == "a.pdf" and step["command"] == "view":
                continue  # what the converter says of it has an address in it
            if name == "missing/y" and not isinstance(step.get("file_text", ""), str):
                continue  # which of the two errors comes first is all that differs
            before = _state(mine)
            try:
                expected, contents = upstream.execute(theirs, path=str(other / name), **step)
            except Exception:  # its server fails; we answer, and leave everything as it was
                _answered(ours, str(mine / name), step)
                assert _state(mine) == before, step
                return
            found, (old, new) = ours.run(path=str(mine / name), **step)
            assert found.replace(str(mine), "~") == expected.replace(str(other), "~"), step
            assert (old, new) == contents, step
            if expected.startswith("ERROR:\nRan into") and "while trying to write" in expected:
                assert _state(mine) == before, step  # and OpenHands has emptied it
                return
            assert _state(mine) == _state(other), step
    finally:
        shutil.rmtree(theirs._history_manager.cache.directory, ignore_errors=True)


def _answered(ours: Editor, path: str, step: dict[str, Any]) -> None:
    try:
        found, _ = ours.run(path=path, **step)
    except (OSError, ValueError, AttributeError, OverflowError):
        return  # the session's answer is an error observation
    assert found.startswith("ERROR:\n"), (step, found)


_NUMBER = st.one_of(st.integers(-3, 9), st.integers(0, 4), _ODD)
_ACTION = st.one_of(
    st.fixed_dictionaries({"start": _NUMBER, "end": _NUMBER}),
    st.fixed_dictionaries({"start": _NUMBER, "end": _NUMBER, "content": _STRING}),
    st.fixed_dictionaries({"impl_source": st.just("oh_aci"), "view_range": _RANGE}),
    st.just({}),
    st.fixed_dictionaries({"content": _TEXT}),
)
_PATHS = [
    "x",
    "x",
    "x",
    "new",
    "sub",
    "sub/deep/y",
    "x/y",
    "link",
    "a.pyc",
    "no.pyc",
    "x/",
    "a.pdf",
    "",
    ".",
    "./x",
    "sub/",
    "sub//../x",
]


@given(data=_DATA, steps=st.lists(st.tuples(st.sampled_from(_PATHS), st.booleans(), _ACTION), min_size=1, max_size=8))
@_GENERATED
def test_reads_and_writes(
    upstream: Any, folders: tuple[Path, Path], data: bytes, steps: list[tuple[str, bool, dict[str, Any]]]
) -> None:
    from openhands.events.action import FileReadAction, FileWriteAction
    from openhands.events.serialization import event_to_dict

    mine, other = folders
    for folder in folders:
        _fill(folder, data)
    executor = SimpleNamespace(
        bash_session=SimpleNamespace(cwd=str(other)), user_id=os.getuid(), file_editor=upstream.editor(str(other))
    )
    executor._resolve_path = lambda *args: upstream.executor._resolve_path(executor, *args)
    paths = Paths(str(mine), str(mine))
    files = Files(paths, Editor(paths))
    try:
        for name, absolute, args in steps:
            before = _state(mine)
            kind, action = ("write", FileWriteAction) if "content" in args else ("read", FileReadAction)
            path, their_path = (f"{mine}/{name}", f"{other}/{name}") if absolute else (name, name)
            try:
                answer = asyncio.run(getattr(upstream.executor, kind)(executor, action(path=their_path, **args)))
            except Exception:
                _refused(getattr(files, kind), {"path": path, **args}, str(mine))
                assert _state(mine) == before, (path, args)
                return
            expected = event_to_dict(answer)
            found = getattr(files, kind)({"path": path, **args}, str(mine))
            assert found["observation"] == expected["observation"], (path, args)
            assert found["content"].replace(str(mine), "~") == expected["content"].replace(str(other), "~"), (
                path,
                args,
            )
            shown = {key: str(value).replace(str(other), str(mine)) for key, value in expected["extras"].items()}
            assert {key: str(value) for key, value in found["extras"].items()} == shown
            assert _state(mine) == _state(other), (path, args)
    finally:
        shutil.rmtree(executor.file_editor._history_manager.cache.directory, ignore_errors=True)


def _refused(method: Any, args: dict[str, Any], cwd: str) -> None:
    """Our answer is an error of any kind; a read may have one where OpenHands' fails on bytes it cannot place."""
    try:
        found = method(args, cwd)
    except (OSError, ValueError, TypeError, AttributeError):
        return
    assert found["observation"] == "error" or found["content"].startswith("ERROR:\n"), (args, found)


# Below the folder that is viewed; its own name goes through a shell, where OpenHands' editor looks at it.
_NAME = st.sampled_from(
    ["a", "B", "b.c", ".h", "-x", "ü", "sp ace", "new\nline", "new\n.line", "car\rriage", "*", "[a]", "..."]
)
_KIND = st.sampled_from(["file", "folder", "folder", "to ..", "to .", "to itself", "to nowhere", "to a", "to ../a"])
_TREE = st.lists(st.tuples(st.lists(_NAME, min_size=1, max_size=3), _KIND), max_size=9)


@given(tree=_TREE, view=st.sampled_from(["top", "top/", "top/a", "top/.h", "top/B", "./top"]))
@_GENERATED
def test_views_of_folders(
    upstream: Any, folders: tuple[Path, Path], tree: list[tuple[list[str], str]], view: str
) -> None:
    mine, other = folders
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "top").mkdir(parents=True)
        for names, kind in tree:
            _grow(Path(folder, "top", *names), kind)
    expected, _ = upstream.execute(upstream.editor(str(other)), command="view", path=f"{other}/{view}")
    found, _ = Editor(Paths(str(mine), str(mine))).run("view", f"{mine}/{view}")
    assert found.replace(str(mine), "~") == expected.replace(str(other), "~")


def _grow(path: Path, kind: str) -> None:
    with contextlib.suppress(OSError):  # one of that name is there, or its folder is none
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "file":
            path.touch()
        elif kind == "folder":
            path.mkdir()
        else:
            target = kind.removeprefix("to ")
            path.symlink_to(path.name if target == "itself" else target)
