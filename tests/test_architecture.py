"""Dependencies point one way: client → wire ← worker, history beside them, nothing to benchmarks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

PACKAGE = ROOT / "openhands_ray"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "lean" not in path.parts)
WORKER = [path for path in FILES if path.parent.name == "worker"]
CLIENT = [path for path in FILES if path.parent.name == "client"]
HISTORY = [path for path in FILES if "history" in path.parts]
REST = [path for path in FILES if path not in {*WORKER, *CLIENT, *HISTORY}]


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports anywhere, but for type checking."""
    found: set[str] = set()
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _nodes(child)


def imports(path: Path, *names: str) -> set[str]:
    return {each for each in imported(path) for name in names if each == name or each.startswith(name + ".")}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", WORKER, ids=relative)
def test_the_worker_needs_neither_openhands_nor_ray_nor_the_client(path: Path) -> None:
    ours = ("client", "history", "cluster", "session", "config", "cli", "pool")
    assert not imports(path, "openhands", "ray", "benchmarks", *(f"openhands_ray.{name}" for name in ours))


@pytest.mark.parametrize("path", [*WORKER, *HISTORY, *REST], ids=relative)
def test_only_the_client_imports_openhands(path: Path) -> None:
    assert not imports(path, "openhands")


@pytest.mark.parametrize("path", CLIENT, ids=relative)
def test_the_client_knows_no_worker(path: Path) -> None:
    assert not imports(path, "openhands_ray.worker", "ray")


@pytest.mark.parametrize("path", [*WORKER, *CLIENT, *REST], ids=relative)
def test_the_runtime_does_not_know_its_history(path: Path) -> None:
    assert not imports(path, "asv", "benchmarks")
    assert path.name == "cli.py" or not imports(path, "openhands_ray.history")


@pytest.mark.parametrize("path", HISTORY, ids=relative)
def test_the_history_does_not_know_the_runtime(path: Path) -> None:
    known = ("client", "worker", "session", "cluster")
    assert not imports(path, "ray", "benchmarks", *(f"openhands_ray.{name}" for name in known))


def test_the_rules_see_what_they_forbid(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("def f():\n    from openhands.core import config\n    import ray.util\n")
    assert imports(tmp_path / "x.py", "openhands", "ray") == {
        "openhands.core",
        "openhands.core.config",
        "ray.util",
    }
    assert all((WORKER, CLIENT, HISTORY, REST))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_modules_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500
