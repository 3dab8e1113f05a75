"""The edit by a language model, beside the same one on top of OpenHands' own executor.

OpenHands makes it on the client, by reading and writing through the runtime. The language model alone is replaced, by
one that always says the same.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import MakeRuntime

pytestmark = pytest.mark.oracle

TEXT = "def f():\n    return 1\n\n\ndef g():\n    return 2\n"


class Model:
    """Answers every question with the same text, and counts them."""

    def __init__(self, says: str) -> None:
        self.says, self.asked = says, 0
        self.metrics = None
        self.config = SimpleNamespace(correct_num=0)

    def completion(self, messages: list[dict[str, str]], **_: Any) -> dict[str, Any]:
        self.asked += 1
        return {"choices": [{"message": {"content": self.says}}]}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _config() -> Any:
    from openhands.core.config import OpenHandsConfig

    config = OpenHandsConfig()
    config.sandbox.enable_auto_lint = True
    return config


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Any:
    """Return OpenHands' part of a runtime that makes these edits, on top of its own executor's files."""
    from openhands.runtime.action_execution_server import ActionExecutor
    from openhands.runtime.utils.edit import FileEditRuntimeMixin

    executor = SimpleNamespace(bash_session=SimpleNamespace(cwd=str(folder)), user_id=os.getuid())
    executor._resolve_path = lambda *args: ActionExecutor._resolve_path(executor, *args)

    class Theirs(FileEditRuntimeMixin):  # type: ignore[misc]
        config = _config()

        def read(self, action: Any) -> Any:
            return asyncio.run(ActionExecutor.read(executor, self._here(action)))

        def write(self, action: Any) -> Any:
            return asyncio.run(ActionExecutor.write(executor, self._here(action)))

        def run_ipython(self, action: Any) -> Any:
            raise NotImplementedError

        def _here(self, action: Any) -> Any:
            return replace(action, path=action.path.replace("/workspace", str(folder)))

    return Theirs(enable_llm_editor=False, llm_registry=None)


@pytest.fixture(scope="module")
def ours(make_runtime: MakeRuntime) -> Any:
    return make_runtime(config=_config())


EDITS: dict[str, tuple[str, dict[str, Any]]] = {
    "a new file": ("", {"path": "new/x.py", "content": "  a = 1\n\n"}),
    "the whole file": ("<updated_code>def f():\n    return 3</updated_code>", {"content": "return 3"}),
    "a range": ("<updated_code>    return 3</updated_code>", {"content": "return 3", "start": 2, "end": 2}),
    "to the end": ("<updated_code>#EDIT: g\nh = 4\n</updated_code>", {"content": "h = 4", "start": 5, "end": -1}),
    "at the end": ("", {"content": "h = 5\n", "start": -1}),
    "nothing said": ("no code at all", {"content": "x", "start": 1, "end": 2}),
    "an error in the code": ("<updated_code>def f(:\n</updated_code>", {"content": "x", "start": 1, "end": 2}),
    "an error at the end": ("", {"content": "def h(:\n", "start": -1}),
    "from nowhere": ("", {"content": "x", "start": 90, "end": 99}),
    "backwards": ("", {"content": "x", "start": 3, "end": 2}),
    "to nowhere": ("", {"content": "x", "start": 1, "end": 99}),
    "too long": ("", {"path": "long.py", "content": "line_7 = 8", "start": 1, "end": -1}),
}


@pytest.mark.parametrize("name", EDITS)
def test_the_edit_is_the_one_that_openhands_makes(theirs: Any, ours: Any, folder: Path, name: str) -> None:
    from openhands.events.action import FileEditAction, FileReadAction, FileWriteAction
    from openhands.events.event import FileEditSource
    from openhands.events.serialization import event_to_dict

    says, args = EDITS[name]
    path = f"/workspace/{args.get('path', 'x.py')}"
    for runtime in (theirs, ours):
        runtime.write(FileWriteAction("/workspace/x.py", TEXT))
        runtime.write(FileWriteAction("/workspace/long.py", "".join(f"line_{n} = {n}\n" for n in range(400))))
        runtime.draft_editor_llm = Model(says)
    action = FileEditAction(**{**args, "path": path}, impl_source=FileEditSource.LLM_BASED_EDIT)

    expected, found = theirs.llm_based_edit(action), ours.run_action(action)

    assert event_to_dict(found) == event_to_dict(expected)
    assert ours.draft_editor_llm.asked == theirs.draft_editor_llm.asked
    written = ours.read(FileReadAction(path))
    assert written.content == Path(folder, path.removeprefix("/workspace/")).read_text()


def test_what_cannot_be_read_is_no_edit(theirs: Any, ours: Any, folder: Path) -> None:
    from openhands.events.action import CmdRunAction, FileEditAction
    from openhands.events.event import FileEditSource

    (folder / "sub").mkdir(exist_ok=True)
    ours.run_action(CmdRunAction("mkdir -p sub"))
    action = FileEditAction("/workspace/sub", content="x", impl_source=FileEditSource.LLM_BASED_EDIT)
    for edit in (theirs.llm_based_edit, ours.edit):
        with pytest.raises(ValueError, match="Expected FileReadObservation, got"):
            edit(action)
