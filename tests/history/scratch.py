"""A small project with a planted history, which asv really builds, installs and runs, and without the network.

Its environments are bare: a virtual environment of the standard library, and a copy of asv_runner, which needs nothing.
So an environment takes half of a second, a commit a tenth, and a run of a benchmark three tenths.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from project import git

STEPS = 20_000  # one to two milliseconds of work

_CONFIGURATION = {
    "version": 1,
    "project": "toy",
    "repo": ".",
    "dvcs": "git",
    "branches": ["main"],
    "environment_type": "bare",
    "plugins": [".bare_environment"],
    "benchmark_dir": "benchmarks",
    "env_dir": ".asv/env",
    "results_dir": ".asv/results",
    "html_dir": ".asv/html",
    "build_command": [],
    "install_command": ["python {conf_dir}/install.py {build_dir}"],
    "uninstall_command": [],
}

_ENVIRONMENT = '''
import shutil
import venv
from pathlib import Path

import asv_runner
from asv import environment


class Bare(environment.Environment):
    """A virtual environment with asv_runner and nothing else."""

    tool_name = "bare"

    def __init__(self, conf, python, requirements, tagged_env_vars):
        self._python = python
        self._requirements = requirements
        super().__init__(conf, python, requirements, tagged_env_vars)

    def _setup(self):
        venv.create(self._path, with_pip=False, symlinks=True)
        (packages,) = Path(self._path).glob("lib/python*/site-packages")
        shutil.copytree(Path(asv_runner.__file__).parent, packages / "asv_runner")
        # asv takes an environment without pip for a broken one.
        (Path(self._path) / "bin/pip").symlink_to("python")

    def run(self, args, **options):
        return self.run_executable("python", args, **options)
'''

_INSTALL = """
import shutil
import sys
import sysconfig
from pathlib import Path

source = Path(sys.argv[1]) / "toy.py"
if "BROKEN" in source.read_text():
    sys.exit("error: toy cannot be built")
packages = Path(sysconfig.get_paths()["purelib"])
shutil.copy(source, packages)
# Python takes bytecode for that of a source of the same size and second.
shutil.rmtree(packages / "__pycache__", ignore_errors=True)
"""

# The time of the processor, so that what else the machine does disturbs less.
_BENCHMARKS = """
import time

import toy


class Work:
    warmup_time = 0.02
    sample_time = 0.005
    repeat = (5, 5, 1.0)
    timeout = 20
    timer = time.process_time

    def time_work(self):
        toy.work()

    def time_work_of(self, size):
        toy.work()

    time_work_of.params = [[1, 2]]
    time_work_of.param_names = ["size"]

    def track_failures(self):
        return toy.FAILURES

    track_failures.unit = "%"
"""

_PACKAGE = """
FAILURES = {failures}


def work():
    {refusal}
    total = 0
    for step in range({steps}):
        total += step * step
    return total
# {mark}
"""


class Scratch:
    """A repository whose commits do a known amount of work.

    Args:
        folder: where it is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = 0
        (folder / "benchmarks").mkdir(parents=True)
        (folder / "benchmarks/__init__.py").touch()
        (folder / "benchmarks/toy_benchmarks.py").write_text(_BENCHMARKS)
        (folder / "asv.conf.json").write_text(json.dumps(_CONFIGURATION))
        (folder / "bare_environment.py").write_text(_ENVIRONMENT)
        (folder / "install.py").write_text(_INSTALL)
        (folder / ".gitignore").write_text("*\n!toy.py\n")
        git(folder, "init", "--quiet", "--initial-branch=main")

    def commit(self, factor: float = 1.0, *, broken: bool = False, failing: bool = False, failures: int = 0) -> str:
        """Adds a commit, and returns its hash.

        Args:
            factor: of the amount of work.
            broken: whether it cannot be built.
            failing: whether the benchmark fails.
            failures: what ``track_failures`` returns.
        """
        self._number += 1
        text = _PACKAGE.format(
            failures=failures,
            refusal='raise RuntimeError("planted")' if failing else "",
            steps=round(STEPS * factor),
            mark=f"change {self._number}" + (" BROKEN" if broken else ""),
        )
        (self.folder / "toy.py").write_text(text)
        git(self.folder, "add", "--force", "toy.py")
        git(self.folder, "commit", "--quiet", "-m", f"Change {self._number}")
        return git(self.folder, "rev-parse", "HEAD")

    def branch(self, factors: list[float]) -> tuple[list[str], str]:
        """Adds a branch of such commits and merges it, and returns its commits and the merge."""
        git(self.folder, "checkout", "--quiet", "-b", "topic")
        commits = [self.commit(factor) for factor in factors]
        git(self.folder, "checkout", "--quiet", "main")
        git(self.folder, "merge", "--quiet", "--no-ff", "-m", "Merge the topic", "topic")
        git(self.folder, "branch", "--quiet", "-D", "topic")
        return commits, git(self.folder, "rev-parse", "HEAD")

    def command(self, *arguments: str) -> list[str]:
        """Returns the command line of ``openhands-ray``."""
        return [sys.executable, "-m", "openhands_ray.cli", *arguments]

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the command: asv's file of machines is the project's own."""
        return {**os.environ, "HOME": str(self.folder), "COLUMNS": "120"}

    def find(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs ``openhands-ray find`` in the project."""
        return subprocess.run(
            self.command("find", *arguments),
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def hunt(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Runs ``openhands-ray find --json``, and returns its status and its answer."""
        answer = self.find("--json", *arguments)
        assert answer.returncode in (0, 3, 4), f"{answer.returncode}\n{answer.stdout}\n{answer.stderr}"
        found: dict[str, Any] = json.loads(answer.stdout)
        return answer.returncode, found
