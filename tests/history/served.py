"""A published site, as a web server and a browser have it."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright import sync_api

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Yields the address of a folder, which is below a path, as on a host of pages."""
    with tempfile.TemporaryDirectory(prefix="served-") as root:
        (Path(root) / "some").mkdir()
        (Path(root) / "some" / "path").symlink_to(site.resolve())
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=root)) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/some/path/"
            finally:
                server.shutdown()
                thread.join()


@contextmanager
def chromium() -> Iterator[sync_api.Browser]:
    """Yields a browser without a window."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
