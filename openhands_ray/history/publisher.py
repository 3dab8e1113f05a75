"""The plugin of asv that completes its site: no other host is needed, and pages, data and a feed are added.

asv imports this module and calls ``setup``; ``asv publish`` then calls every ``OutputPublisher``, after the site's own
files were copied. Ours comes after those of asv, since it goes on from what they have written. The pages are
``#/criteria``, ``#/peers``, what is said of each regression in ``#/regressions``, and ``commits.html``, where the links
of a commit lead (``show_commit_url`` in ``asv.conf.json``).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asv.console import log
from asv.publishing import OutputPublisher
from asv.util import UserError, load_json, write_json

from openhands_ray.history import assets, pages
from openhands_ray.history.criteria import CRITERIA
from openhands_ray.history.errors import AssetsUnavailable, TriageInvalid
from openhands_ray.history.regressions import Detection
from openhands_ray.history.results import Snapshot, expected_names, read_snapshots
from openhands_ray.history.site import criteria_page, feed, machine_readable, peers_page, regressions_page
from openhands_ray.history.site.overview import Commit, Overview
from openhands_ray.history.timeline import timelines
from openhands_ray.history.triage import FILENAME, Triage

_VENDOR = "vendor"
_FILES = Path(__file__).parent / "site"

# A tag of index.html that loads a file from elsewhere; asv writes the address before the integrity hash.
_REMOTE_TAG = re.compile(r'(?P<attribute>src|href)="https://[^"]+" integrity="(?P<integrity>[^"]+)"(?P<rest>[^>]*)>')
_CROSS_ORIGIN = re.compile(r' (?:crossorigin|referrerpolicy)="[^"]*"')


def setup() -> None:
    """Puts asv's own interpreter first on PATH, where asv looks for the one of its environments.

    What is found there otherwise may be the shim of a version manager, which fails where that version is not selected.
    And tells the benchmarks of ``--quick``: asv has each called once, but what one call does is theirs to say.
    """
    if {"-q", "--quick"} & set(sys.argv):
        os.environ["BENCHMARK_QUICK"] = "1"
    own = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", "").split(os.pathsep)
    if folders[0] != own:
        os.environ["PATH"] = os.pathsep.join([own, *folders])


class Site(OutputPublisher):  # type: ignore[misc]  # asv is not typed
    """Makes the site complete in itself."""

    name = "criteria"
    button_label = "Success criteria"
    description = "Judge the newest commit by the success criteria"
    order = 4

    @classmethod
    def publish(cls, conf: Any, repo: Any, benchmarks: Any, graphs: Any, revisions: dict[str, int]) -> None:
        """Called by ``asv publish``. ``revisions``: the number of each published commit, in order of date.

        Raises:
            UserError: the file of acknowledged regressions is not as it should be; asv prints it.
        """
        site = Path(conf.html_dir)
        listed = load_json(str(site / "regressions.json"))
        overview = _overview(conf, repo, benchmarks, graphs, revisions, listed)
        listed = machine_readable.regressions(listed, overview.regressions)
        write_json(str(site / "regressions.json"), listed, compact=True)
        write_json(str(site / "criteria.json"), machine_readable.criteria(overview), compact=True)
        feed.complete(site / "regressions.xml", overview)
        (site / "commits.html").write_text(pages.commits(conf.project, overview.commits), "utf-8")
        own = (
            ("criteria", "Success criteria", criteria_page.page(overview)),
            ("peers", "Peers", peers_page.page(peers_page.peers(benchmarks, graphs, revisions))),
        )
        index = site / "index.html"
        html = _without_other_hosts(index.read_text("utf-8"), site)
        summary = criteria_page.summary(overview, "h1")
        index.write_text(pages.extended(html, summary, regressions_page.section(overview), own), "utf-8")
        for name in (pages.STYLE, pages.SCRIPT):
            shutil.copyfile(_FILES / name, site / name)


def _overview(
    conf: Any, repo: Any, benchmarks: Any, graphs: Any, revisions: dict[str, int], listed: dict[str, Any]
) -> Overview:
    try:
        # asv has made the directory of its configuration the current one.
        triage = Triage.load(Path(FILENAME))
    except TriageInvalid as error:
        raise UserError(str(error)) from error
    snapshots = [each for each in _snapshots(conf, benchmarks) if each.commit in revisions]
    times_ms = {each.commit: round(each.date.timestamp() * 1000) for each in snapshots}
    measured = sorted(times_ms, key=lambda commit: -revisions[commit])
    regressions = Detection(conf, repo, benchmarks, graphs, revisions, listed, times_ms, triage).regressions()
    for entry in triage.idle((each.benchmark, each.commit) for each in regressions):
        log.warning(f"{FILENAME}: the entry at line {entry.line} is about no regression that there is.")
    return Overview(
        project=conf.project,
        commits=tuple(Commit(*each) for each in _subjects(conf.repo, measured)),
        timelines=tuple(timelines(snapshots, revisions, expected_names(benchmarks))),
        regressions=tuple(regressions),
    )


def _snapshots(conf: Any, benchmarks: Any) -> Iterator[Snapshot]:
    """Returns of every result file what a criterion judges."""
    names = expected_names(benchmarks)
    judged = {name.partition("(")[0] for name in names if any(criterion.selects(name) for criterion in CRITERIA)}
    return read_snapshots(conf, benchmarks, judged.__contains__)


def _without_other_hosts(html: str, site: Path) -> str:
    """Brings the files that the page takes from other hosts into the site; warns where they cannot be had."""
    try:
        paths = assets.fetch()
    except AssetsUnavailable as error:
        log.warning(f"The site will need the internet, since its scripts could not be brought: {error}")
        return html
    return localized(html, paths, site)


def localized(html: str, paths: dict[str, Path], site: Path) -> str:
    """Copies files into the site and rewrites the tags that load them to relative addresses.

    Args:
        html: asv's ``index.html``.
        paths: the file for each integrity hash.
        site: the folder of ``index.html``.
    """

    def local(tag: re.Match[str]) -> str:
        path = paths.get(tag["integrity"])
        if path is None:
            log.warning(f"The site still needs another host: asv's page names a file that is not known: {tag[0]}")
            return tag[0]
        shutil.copyfile(path, site / _VENDOR / path.name)
        return f'{tag["attribute"]}="{_VENDOR}/{path.name}"{_CROSS_ORIGIN.sub("", tag["rest"])}>'

    (site / _VENDOR).mkdir(exist_ok=True)
    return _REMOTE_TAG.sub(local, html)


def _subjects(repository: str, commits: list[str]) -> list[tuple[str, str, str]]:
    """Returns hash, date and first line of the message of each commit; only the hash where git cannot tell."""
    command = ["git", "show", "--no-patch", "--format=%H%x00%cs%x00%s", "--stdin"]
    answer = subprocess.run(
        command, check=False, cwd=repository, input="\n".join(commits), capture_output=True, text=True
    )
    found = {line.split("\0")[0]: line.split("\0", 2) for line in answer.stdout.splitlines() if line.count("\0") >= 2}
    return [(commit, found[commit][1], found[commit][2]) if commit in found else (commit, "", "") for commit in commits]
