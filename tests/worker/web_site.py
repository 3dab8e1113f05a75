"""A small web site on 127.0.0.1 for the tests of the browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGES = {
    "/": """<!doctype html><html><head><title>Start</title>
<style>p{color:teal} *{caret-color:transparent}</style></head>
<body><h1>Start</h1>
<p>Some <a href="/second">link</a>, <b>bold</b>, and &lt;text&gt;.</p>
<form><input id="name" type="text" value="x" aria-description="your name">
<select><option value="r">red</option><option value="b">blue</option></select>
<input type="checkbox" checked><button type="button" id="go" onclick="start()">Go</button>
<button type="button" disabled>Never</button></form>
<div id="out"></div><div id="later"></div><div id="fetched"></div>
<ul><li>one</li><li>two</li></ul><table><tr><th>a</th><td>1</td></tr></table>
<iframe src="/frame" width="200" height="80"></iframe><div id="host"></div>
<a href="/second" target="_blank">new window</a> <a href="/file" id="file">file</a>
<img alt="a picture" src="data:,"><div style="height:2000px"></div><p>far below</p>
<script>
document.getElementById("host").attachShadow({mode: "open"}).innerHTML = "<button>in shadow</button>";
function start() {
  out.textContent = "went " + document.getElementById("name").value;
  setTimeout(() => later.textContent = "later", 300);
  fetch("/slow").then(a => a.text()).then(t => fetched.textContent = t);
}
</script></body></html>""",
    "/second": "<title>Second</title><style>*{caret-color:transparent}</style><h1>Second</h1><input autofocus>",
    "/frame": "<style>*{caret-color:transparent}</style><p>in frame</p><input value='framed'>",
    "/slow": "fetched",
    "/empty": "",
    "/dialog": "<script>alert('hi')</script><p>after the dialog</p>",
    "/spin": "<p>spinning</p><script>setTimeout(() => { for (;;); }, 0)</script>",
    "/trap": "<style>*{caret-color:transparent}</style><a href='/never'>in</a> <a href='/never' target=_blank>out</a>",
    "/poll": "<p>polling</p><script>(function poll() { setTimeout(poll, 50); })()</script>",
}


class Site:
    """Its address, and the event that lets go of the requests that hang."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.release = threading.Event()
        self.visits: list[str] = []


@contextmanager
def serve() -> Iterator[Site]:
    """Serve until the block ends; `/never` answers nothing until then."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.visits.append(self.path)
            if self.path == "/never":
                site.release.wait()
            elif self.path == "/slow":
                site.release.wait(0.2)
            self.answer()

        def answer(self) -> None:
            kind, body = "text/html", PAGES.get(self.path, "<h1>no such page</h1>").encode()
            if self.path == "/file":
                kind, body = "application/octet-stream", b"%PDF-1.4\n%%EOF\n"
            self.send_response(200 if self.path in PAGES or self.path == "/file" else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if self.path == "/file":
                self.send_header("Content-Disposition", "attachment; filename=report.bin")
            self.end_headers()
            with suppress(BrokenPipeError):  # the browser has left
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Site(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield site
    finally:
        site.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
