from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import asv
import pytest

from openhands_ray.history import assets, pages, publisher

INDEX = Path(asv.__file__).parent / "www" / "index.html"


def test_every_file_that_asv_takes_from_elsewhere_is_known() -> None:
    stated = set(re.findall(r'integrity="([^"]+)"', INDEX.read_text("utf-8")))

    assert stated == {asset.stated for asset in assets.ASSETS}


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    paths = {}
    for asset in assets.ASSETS:
        paths[asset.stated] = tmp_path / "cache" / asset.filename
        paths[asset.stated].write_text(asset.filename)

    html = publisher.localized(INDEX.read_text("utf-8"), paths, tmp_path)

    loaded = re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', html)
    assert [address for address in loaded if ":" in address or address.startswith("/")] == []
    assert "integrity" not in html
    assert "crossorigin" not in html
    assert html.count('onerror="js_load_failure()"') == 9
    for asset in assets.ASSETS:
        assert f"vendor/{asset.filename}" in loaded
        assert (tmp_path / "vendor" / asset.filename).read_text() == asset.filename


def test_a_file_that_is_not_known_keeps_its_address(tmp_path: Path) -> None:
    html = '<script src="https://host.invalid/new.js" integrity="sha256-x" crossorigin="anonymous"></script>'

    assert publisher.localized(html, {}, tmp_path) == html


def test_a_page_of_another_asv_is_left_as_it_is() -> None:
    html = "<html><head></head><body>new</body></html>"

    assert pages.extended(html, "", "", [("criteria", "Success criteria", "")]) == html


@pytest.mark.parametrize("path", ["/usr/bin", ""])
def test_the_interpreter_of_asv_comes_first(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("PATH", path)

    publisher.setup()
    publisher.setup()

    assert os.environ["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), path]


@pytest.mark.parametrize(
    ("options", "told"), [([], None), (["--bench", "quick"], None), (["--quick"], "1"), (["-q"], "1")]
)
def test_the_benchmarks_are_told_of_a_quick_run(
    monkeypatch: pytest.MonkeyPatch, options: list[str], told: str | None
) -> None:
    for name in ("PATH", "BENCHMARK_QUICK"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # so that they are put back
    monkeypatch.delenv("BENCHMARK_QUICK")
    monkeypatch.setattr(sys, "argv", ["asv", "run", "HEAD^!", *options])

    publisher.setup()

    assert os.environ.get("BENCHMARK_QUICK") == told
