"""The scripts that the workflows run: the comment of a pull request, and the branch of the results."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from project import git
from support import ROOT

HEAD = "a" * 40

# A gh that keeps the comments of one pull request in a file, as the service does.
_GH = """\
#!{python}
import json, re, sys
from pathlib import Path

store = Path({store!r})
comments = json.loads(store.read_text())
arguments = sys.argv[2:]
path = next(each for each in arguments if each.startswith("repos/"))
if path.endswith("/pulls/5"):
    print({head!r})
elif "--method" not in arguments:
    marker = re.search(r'startswith\\("(.*)"\\)', arguments[arguments.index("--jq") + 1])[1]
    print(*(number for number, text in comments if text.startswith(marker)), sep="\\n")
elif "POST" in arguments:
    comments.append([len(comments) + 1, sys.stdin.read()])
else:
    comments[int(path.rpartition("/")[2]) - 1][1] = sys.stdin.read()
store.write_text(json.dumps(comments))
"""


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A folder with gh, and with the comments that it keeps."""
    folder = tmp_path / "hub"
    folder.mkdir()
    store = folder / "comments.json"
    store.write_text(json.dumps([[1, "What a change!"]]))
    gh = folder / "gh"
    gh.write_text(_GH.format(python=sys.executable, store=str(store), head=HEAD))
    gh.chmod(0o755)
    (folder / "verdict.md").write_text("### Fine\n")
    return folder


def comment(hub: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts/comment"), *arguments]
    environment = {**os.environ, "PATH": f"{hub}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=hub, env=environment, capture_output=True, text=True, check=False)


def comments(hub: Path) -> list[Any]:
    found: list[Any] = json.loads((hub / "comments.json").read_text())
    return [text for _, text in found]


def test_a_pull_request_gets_one_comment_which_is_kept_up_to_date(hub: Path) -> None:
    assert comment(hub, "5", "verdict.md", HEAD).returncode == 0
    assert comments(hub) == ["What a change!", "<!-- openhands-ray check -->\n### Fine\n"]

    (hub / "verdict.md").write_text("### Worse\n")
    assert comment(hub, "5", "verdict.md", HEAD).returncode == 0
    assert comments(hub) == ["What a change!", "<!-- openhands-ray check -->\n### Worse\n"]


def test_a_verdict_on_another_commit_is_not_written(hub: Path) -> None:
    answer = comment(hub, "5", "verdict.md", "b" * 40)

    assert answer.returncode == 0
    assert "left as it is" in answer.stdout
    assert comments(hub) == ["What a change!"]


def test_a_dry_run_shows_the_call_and_makes_none(hub: Path) -> None:
    answer = comment(hub, "--dry-run", "5", "verdict.md")

    assert answer.returncode == 0
    assert "--method POST repos/{owner}/{repo}/issues/5/comments" in answer.stdout
    assert "### Fine" in answer.stdout
    assert comments(hub) == ["What a change!"]
    (hub / "gh").unlink()
    assert "as if there were no comment yet" in comment(hub, "--dry-run", "5", "verdict.md").stderr


@pytest.mark.parametrize("arguments", [[], ["5"], ["5; ls", "verdict.md"], ["../5", "verdict.md"], ["5", "missing"]])
def test_wrong_usage_of_the_comment_is_refused(hub: Path, arguments: list[str]) -> None:
    answer = comment(hub, *arguments)

    assert answer.returncode == 2
    assert "comment [--dry-run] NUMBER FILE" in answer.stderr
    assert comments(hub) == ["What a change!"]


# -- the branch of the results -----------------------------------------------------------------------------------------


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A repository with one commit, and no results."""
    source = tmp_path / "source"
    source.mkdir()
    git(source, "init", "--quiet", "--initial-branch=main")
    (source / "code.py").touch()
    git(source, "add", ".")
    git(source, "commit", "--quiet", "-m", "Begin")
    git(tmp_path, "clone", "--quiet", "--bare", str(source), "remote")
    return tmp_path / "remote"


def results_branch(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "scripts/results-branch"), *arguments], cwd=clone, capture_output=True, text=True, check=False
    )


def night(remote: Path, name: str, result: str | None) -> subprocess.CompletedProcess[str]:
    """Clones, fetches the results, adds one, and pushes."""
    git(remote.parent, "clone", "--quiet", str(remote), name)
    clone = remote.parent / name
    fetched = results_branch(clone, "fetch")
    assert fetched.returncode == 0, fetched.stderr
    if result:
        (clone / ".asv/results" / result).write_text("{}")
    return results_branch(clone, "push")


def test_results_gather_on_a_branch_that_holds_nothing_else(remote: Path) -> None:
    for name, result in (("first", "a.json"), ("second", "b.json")):
        pushed = night(remote, name, result)
        assert pushed.returncode == 0, pushed.stderr

    assert git(remote, "ls-tree", "--name-only", "asv-results").split() == ["a.json", "b.json"]
    assert git(remote, "rev-list", "--count", "asv-results") == "2"
    assert git(remote, "ls-tree", "--name-only", "main") == "code.py"


def test_where_nothing_is_new_nothing_is_committed(remote: Path) -> None:
    night(remote, "first", "a.json")
    pushed = night(remote, "second", None)

    assert pushed.returncode == 0
    assert "Nothing new" in pushed.stdout
    assert git(remote, "rev-list", "--count", "asv-results") == "1"


def test_results_that_are_there_are_not_hidden(remote: Path) -> None:
    git(remote.parent, "clone", "--quiet", str(remote), "clone")
    (remote.parent / "clone/.asv/results").mkdir(parents=True)
    answer = results_branch(remote.parent / "clone", "fetch")

    assert answer.returncode == 1
    assert "Move it away" in answer.stderr


def test_a_remote_that_cannot_be_reached_is_not_taken_for_one_without_results(remote: Path) -> None:
    git(remote.parent, "clone", "--quiet", str(remote), "clone")
    answer = results_branch(remote.parent / "clone", "fetch", str(remote.parent / "gone"))

    assert answer.returncode == 1
    assert not (remote.parent / "clone/.asv/results").exists()


def test_wrong_usage_of_the_branch_is_refused(remote: Path) -> None:
    answer = results_branch(remote, "publish")

    assert answer.returncode == 2
    assert "results-branch fetch|push" in answer.stderr


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda path: str(path.stem))
def test_every_action_is_pinned_by_its_hash_with_its_version_beside(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text("utf-8"))
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []
