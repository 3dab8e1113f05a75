"""A clone of this repository, to which tests add commits that asv then measures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project import git

from openhands_ray.history.results import History

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Clone:
    """A clone with uv in it, and with asv's own machine and home.

    Attributes:
        environment: of asv's processes.
    """

    folder: Path
    environment: dict[str, str]

    def commit(self, message: str) -> str:
        """Commits what was changed in the package, and returns the full hash."""
        git(self.folder, "add", "--all", "openhands_ray", "pyproject.toml")
        git(self.folder, "commit", "--quiet", "-m", message)
        return git(self.folder, "rev-parse", "HEAD")

    def asv(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "asv", *arguments]
        answer = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        print(f"asv {' '.join(arguments)}: {answer.returncode}\n{answer.stdout}{answer.stderr}")
        return answer

    def results(self, commit: str) -> dict[str, float | None]:
        (snapshot,) = History(self.folder / "asv.conf.json").snapshots(commit)
        return {name: measurement.value for name, measurement in snapshot.measurements.items()}

    def published(self, file: str) -> Any:
        """Returns a JSON file of the site."""
        return json.loads((self.folder / ".asv/html" / file).read_text("utf-8"))


def clone_repository(folder: Path) -> Clone:
    git(ROOT, "clone", "--quiet", str(ROOT), str(folder))
    git(folder, "checkout", "--quiet", "-B", "main")
    clone = Clone(folder, _environment(folder.parent, _bring_uv(folder)))
    assert clone.asv("machine", "--yes").returncode == 0
    return clone


def _bring_uv(folder: Path) -> Path:
    """Puts uv where the configuration names it."""
    own = ROOT / ".tools" / "bin" / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    assert found is not None, "uv is missing: run make setup"
    uv = folder / ".tools" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.symlink_to(found)
    return uv


def _environment(home: Path, uv: Path) -> dict[str, str]:
    """Returns an environment where asv knows a machine of its own, and where the user's caches still serve."""
    cache = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    user_cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    # Without bytecode each process would compile OpenHands anew.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "HOME": str(home), "UV_CACHE_DIR": cache, "XDG_CACHE_HOME": user_cache}
