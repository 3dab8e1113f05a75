"""``openhands-ray alerts``: one GitHub issue for each commit with a regression that lasts.

What is a regression is asv's decision: ``asv publish`` fits steps to the history and writes those that last into the
site. This module reads them there, and needs nothing but Python and gh.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from openhands_ray.history.errors import AlertsFailed
from openhands_ray.history.triage import NOTHING_ACKNOWLEDGED, Triage

LABEL = "regression"
_MARKER = "<!-- openhands-ray regression {commit} -->"
_MARKED = re.compile(r"<!-- openhands-ray regression ([0-9a-f]{40}) -->")
_FIELDS = "number,state,stateReason,body"
_MOST_ISSUES = 1000


@dataclass(frozen=True)
class Regression:
    """One step of a benchmark that lasts.

    Attributes:
        benchmark: its name, with the parameters.
        commit: the full hash of the commit that made it, or of the last of those that may have.
        since: the full hash of the commit before them; None where ``commit`` alone can be meant.
        before: in ``unit``.
        after: likewise.
        unit: asv's.
        where: what tells its graph from others, such as the machine; empty where there is only one.
        link: of its graph, relative to the site.
    """

    benchmark: str
    commit: str
    since: str | None
    before: float
    after: float
    unit: str
    where: str
    link: str

    @property
    def ratio(self) -> float:
        return self.after / self.before if self.before else math.inf

    @property
    def size(self) -> str:
        return f"{self.ratio - 1:+.0%}".replace("%", " %") if self.before else "from zero"


@dataclass(frozen=True)
class Issue:
    """An issue that there is.

    Attributes:
        commit: whose regressions it is about.
        open: whether it is.
        left_alone: whether people closed it as not planned.
    """

    number: int
    commit: str
    open: bool
    left_alone: bool
    body: str


def run(options: argparse.Namespace) -> int:
    """Makes, or only prints, the calls of gh.

    Returns:
        The exit status.

    Raises:
        AlertsFailed: the site or the issues cannot be read, or gh failed.
        TriageInvalid: the file of acknowledged regressions is not as it should be.
    """
    found, triage = regressions(options.site), Triage.load(options.triage)
    if options.issues:
        listed = _load(options.issues)
    else:
        limit = str(_MOST_ISSUES)
        listed = _parsed(_gh("issue", "list", "--label", LABEL, "--state", "all", "--limit", limit, "--json", _FIELDS))
    calls = plan(found, issues(listed), options.site_url, triage)
    if not calls:
        print("Nothing to do: every regression has its issue, and no issue is without a regression.", file=sys.stderr)
    for call in calls:
        if options.dry_run:
            print(shlex.join(["gh", *call]))
        else:
            print(_gh(*call).strip())
    return 0


def regressions(site: Path) -> list[Regression]:
    """Returns what asv found.

    Args:
        site: the folder that ``asv publish`` wrote.

    Raises:
        AlertsFailed: there is no site, or it is none of asv's.
    """
    index, found = _load(site / "index.json"), _load(site / "regressions.json")
    try:
        return [each for entry in found["regressions"] for each in _steps(index, entry)]
    except (KeyError, TypeError, ValueError) as error:
        raise AlertsFailed(f"The site in {site} is not as asv writes it: {error!r}") from error


def _steps(index: dict[str, Any], entry: list[Any]) -> list[Regression]:
    name, _, parameters, _, _, _, jumps = entry
    benchmark = name.partition("(")[0]
    hashes = index["revision_to_hash"]
    query = "".join(f"{quote(str(key))}={quote(str(value))}&" for key, value in parameters.items())
    return [
        Regression(
            benchmark=name,
            commit=hashes[str(to)],
            since=None if since is None else hashes[str(since)],
            before=before,
            after=after,
            unit=index["benchmarks"][benchmark].get("unit", ""),
            where=", ".join(str(value) for value in parameters.values()),
            link=f"#{benchmark}?{query}commits={hashes[str(to)]}",
        )
        for since, to, before, after in jumps
    ]


def issues(listed: Sequence[dict[str, Any]]) -> list[Issue]:
    """Returns the issues that are about a commit, of what ``gh issue list --json`` gave.

    Raises:
        AlertsFailed: a field is missing.
    """
    try:
        return [
            Issue(
                number=int(each["number"]),
                commit=match[1],
                open=each["state"] == "OPEN",
                left_alone=each["state"] != "OPEN" and each["stateReason"] == "NOT_PLANNED",
                body=each["body"],
            )
            for each in listed
            if (match := _MARKED.search(each["body"]))
        ]
    except (KeyError, TypeError) as error:
        raise AlertsFailed(f"The issues lack a field; they need {_FIELDS}: {error!r}") from error


def plan(
    found: Sequence[Regression],
    existing: Sequence[Issue],
    site_url: str = "",
    triage: Triage = NOTHING_ACKNOWLEDGED,
) -> list[list[str]]:
    """Returns the arguments of each call of gh that brings the issues up to date.

    Args:
        found: the regressions that last.
        existing: the issues that there are.
        site_url: where the site is; without it there are no links.
        triage: the known and accepted regressions.
    """
    by_commit: dict[str, list[Regression]] = {}
    for regression in found:
        if triage.acknowledged(regression.benchmark, regression.commit) is None:
            by_commit.setdefault(regression.commit, []).append(regression)
    calls = [
        call
        for commit, its in sorted(by_commit.items())
        for call in _update(its, next((i for i in existing if i.commit == commit), None), site_url)
    ]
    if any(call[:2] == ["issue", "create"] for call in calls):
        calls.insert(0, ["label", "create", LABEL, "--force", "--description", "A benchmark got worse and stays so"])
    for issue in existing:
        if issue.open and issue.commit not in by_commit:
            comment = "No benchmark is worse since this commit any more."
            calls.append(["issue", "close", str(issue.number), "--reason", "completed", "--comment", comment])
    return calls


def _update(its: list[Regression], issue: Issue | None, site_url: str) -> list[list[str]]:
    body = _body(its, site_url)
    if issue is None:
        return [["issue", "create", "--title", _title(its), "--label", LABEL, "--body", body]]
    if issue.left_alone:
        return []
    number, calls = str(issue.number), []
    if not issue.open:
        calls.append(["issue", "reopen", number, "--comment", "A benchmark is worse again since this commit."])
    # GitHub ends lines as mail does.
    if issue.body.replace("\r\n", "\n").strip() != body.strip():
        calls.append(["issue", "edit", number, "--title", _title(its), "--body", body])
    return calls


def _worst(its: list[Regression]) -> Regression:
    return max(its, key=lambda each: each.ratio)


def _title(its: list[Regression]) -> str:
    worst, more = _worst(its), f" and {len(its) - 1} more" if len(its) > 1 else ""
    return f"Slower since {worst.commit[:8]}: {worst.benchmark} {worst.size}{more}"


def _body(its: list[Regression], site_url: str) -> str:
    worst = _worst(its)
    rows = [_row(each, site_url) for each in sorted(its, key=lambda each: (each.benchmark, each.where))]
    earlier = sorted({each.since[:8] for each in its if each.since})
    unmeasured = f"It may have been any commit after {' or '.join(earlier)}: those between were not measured."
    lines = [
        _MARKER.format(commit=worst.commit),
        f"Since {worst.commit}, these benchmarks are worse than before:",
        "",
        "| benchmark | before | after | change | where |",
        "|---|--:|--:|--:|---|",
        *rows,
        *(["", unmeasured] if earlier else []),
        "",
        "To find out:",
        "",
        "```console",
        f"$ openhands-ray find {worst.since or f'{worst.commit}~1'}..{worst.commit} {shlex.quote(worst.benchmark)}",
        "```",
        "",
        "This issue is closed when they recover. Close it as not planned to accept them.",
    ]
    return "\n".join(lines)


def _row(each: Regression, site_url: str) -> str:
    name = each.benchmark.replace("|", "\\|")
    shown = f"[{name}]({site_url.rstrip('/')}/{each.link})" if site_url else name
    # In three digits, so that a further result seldom changes the text.
    return f"| {shown} | {each.before:.3g} | {each.after:.3g} {each.unit} | {each.size} | {each.where} |"


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AlertsFailed(f"{path} cannot be read: {error}. The site is made by `asv publish`.") from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise AlertsFailed(f"gh did not answer with JSON: {error}") from error


def _gh(*arguments: str) -> str:
    try:
        answer = subprocess.run(["gh", *arguments], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise AlertsFailed("gh is missing: install it, or see what it would do by --dry-run --issues FILE.") from error
    except subprocess.CalledProcessError as error:
        raise AlertsFailed(f"`gh {' '.join(arguments[:2])}` failed: {error.stderr.strip()}") from error
    return answer.stdout
