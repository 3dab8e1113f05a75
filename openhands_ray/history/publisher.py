"""The plugin of asv that completes its site: no other host is needed, and two pages are added.

asv imports this module and calls ``setup``; ``asv publish`` then calls every ``OutputPublisher``, after the site's own
files were copied. The pages are ``#/criteria``, the success criteria at the newest measured commit, and
``commits.html``, where the links of a commit lead (``show_commit_url`` in ``asv.conf.json``).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from asv.console import log
from asv.publishing import OutputPublisher

from openhands_ray.history import assets, pages
from openhands_ray.history.errors import AssetsUnavailable
from openhands_ray.history.results import History

_VENDOR = "vendor"

# A tag of index.html that loads a file from elsewhere; asv writes the address before the integrity hash.
_REMOTE_TAG = re.compile(r'(?P<attribute>src|href)="https://[^"]+" integrity="(?P<integrity>[^"]+)"(?P<rest>[^>]*)>')
_CROSS_ORIGIN = re.compile(r' (?:crossorigin|referrerpolicy)="[^"]*"')


def setup() -> None:
    """Puts asv's own interpreter first on PATH, where asv looks for the one of its environments.

    What is found there otherwise may be the shim of a version manager, which fails where that version is not selected.
    """
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
        """Called by ``asv publish``. ``revisions``: the number of each published commit, in order of date."""
        site = Path(conf.html_dir)
        index = site / "index.html"
        html = _without_other_hosts(index.read_text("utf-8"), site)
        history = History.of_publisher(conf, benchmarks, repo)
        html = pages.with_criteria(html, history, _newest(history, revisions))
        index.write_text(html, "utf-8")
        measured = sorted(history.commits & revisions.keys(), key=lambda commit: -revisions[commit])
        (site / "commits.html").write_text(pages.commits(conf.project, _subjects(conf.repo, measured)), "utf-8")


def _newest(history: History, revisions: dict[str, int]) -> str | None:
    """Returns the last of the published commits that have results, tags having a revision without any."""
    return max(history.commits & revisions.keys(), key=lambda commit: revisions[commit], default=None)


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
