"""Pictures of a site, for the documentation.

python tests/history/screenshots.py                          # of an example that it makes up, into docs/images
python tests/history/screenshots.py --site .asv/html         # of what was measured and published here
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright import sync_api
from served import chromium, served
from site_example import RATIO, example

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"

WIDE, PHONE = (1200, 780), (390, 844)


@dataclass(frozen=True)
class Picture:
    """A page as it is taken.

    Attributes:
        name: of the file.
        page: what comes after ``index.html#``.
        ready: a selector of what must be there.
        size: of the screen, in CSS pixels.
    """

    name: str
    page: str
    ready: str
    size: tuple[int, int] = WIDE
    dark: bool = False


PICTURES = (
    Picture("site-grid", "/", "#summarygrid-display canvas", (1200, 625)),
    Picture("site-criteria", "/criteria", "#criteria-display .site-table"),
    Picture("site-criteria-dark", "/criteria", "#criteria-display .site-table", dark=True),
    Picture("site-criteria-phone", "/criteria", "#criteria-display .site-table", PHONE),
    Picture("site-regressions", "/regressions", "#regressions-body table"),
    Picture("site-peers", "/peers", "#peers-display h1"),
    Picture("site-graph-ratio", RATIO, "#main-graph canvas"),
)


def take(browser: sync_api.Browser, address: str, picture: Picture, folder: Path) -> None:
    """Takes a picture of a page, from its top."""
    width, height = picture.size
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if picture.dark else "light",
        device_scale_factor=2 if picture.size == PHONE else 1,
    )
    page.goto(f"{address}#{picture.page}", wait_until="networkidle")
    page.locator(picture.ready).first.wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=folder / f"{picture.name}.png")
    page.close()


@contextmanager
def _site(chosen: Path | None) -> Iterator[Path]:
    if chosen:
        yield chosen
        return
    with tempfile.TemporaryDirectory(prefix="site-example-") as scratch:
        yield example(Path(scratch) / "project").folder / ".asv/html"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, help="a published site; by default an example is made up")
    parser.add_argument("--to", type=Path, default=IMAGES, help="default: %(default)s")
    parser.add_argument("--only", default="", help="the pictures whose name contains this")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    with _site(options.site) as site, served(site) as address, chromium() as browser:
        for picture in PICTURES:
            if options.only in picture.name:
                take(browser, address, picture, options.to)
                print(options.to / f"{picture.name}.png")


if __name__ == "__main__":
    main()
