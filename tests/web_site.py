"""A small web site on 127.0.0.1 for the tests of the browser."""

from __future__ import annotations

import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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
    "/ask": "<p id=out></p><script>out.textContent = `${confirm('sure?')} ${prompt('name?', 'x')}`</script>",
    "/leave": "<p>stay</p><script>onbeforeunload = (e) => e.preventDefault()</script><button>a</button>",
    "/popup": "<p>opener</p><button onclick=\"window.open('/second')\">open</button>"
    "<button onclick=\"window.open('about:blank').close()\">open and close</button>",
    "/frames": "<p>top</p><iframe src=/outer></iframe><iframe srcdoc='<p>given</p>'></iframe>"
    "<iframe sandbox src=/frame></iframe><iframe src=/missing></iframe><style>*{caret-color:transparent}</style>",
    "/outer": "<p>outer</p><iframe src=/frame></iframe>",
    "/refresh": "<meta http-equiv=refresh content='0; url=/second'><p>passing</p>",
    "/text": "<title>T\u00fcr</title><h1>Gr\u00fc\u00dfe, \u4e16\u754c \U0001f600</h1><pre>a\n  b</pre>"
    "<ol><li>one<li>two</ol><blockquote>quoted</blockquote>"
    "<p>a&nbsp;b &lt;i&gt; <code>x = 1</code></p><b>never closed<h2>head <i>it</h2>",
    "/huge": "".join(f"<p>Paragraph {number}: <a href='/{number}'>link {number}</a></p>" for number in range(1500)),
    "/downloads": "<a href=/file>one</a> <a href=/table.csv>two</a> <a href=/second download=second.html>three</a>",
    "/form": "<form method=post action=/posted><input name=a value='1'><input type=radio name=r value=x>"
    "<input type=radio name=r value=y><select multiple name=s><option>p<option>q</select><textarea name=t></textarea>"
    "<input type=submit></form><style>*{caret-color:transparent}</style>",
    "/poll": "<p>polling</p><script>(function poll() { setTimeout(poll, 50); })()</script>",
}


FILES = {
    "/file": ("report.bin", b"%PDF-1.4\n%%EOF\n"),
    "/table.csv": ("table.csv", b"a,b\n1,2\n"),
}
"""What is sent as a download: its name, its content."""

STATUS = {"/error": 500, "/nothing": 204, "/private": 401}

REDIRECTS = {"/redirect": "/redirect/again", "/redirect/again": "/second", "/loop": "/loop"}


class Site:
    """Its addresses, and the event that lets go of the requests that hang.

    The certificate of ``secure_url`` is signed by nobody; nothing listens at ``closed_url``.
    """

    def __init__(self, port: int, secure_port: int, closed_port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.secure_url = f"https://127.0.0.1:{secure_port}"
        self.closed_url = f"http://127.0.0.1:{closed_port}"
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
            elif self.path == "/slow-file":
                self.send_slowly(b"x" * 200_000, 2.0)
                return
            if self.path == "/reset":
                self.close_connection = True
                return
            self.answer(self.path)

        def do_POST(self) -> None:
            self.answer(self.path, self.rfile.read(int(self.headers["Content-Length"])))

        def answer(self, path: str, posted: bytes = b"") -> None:
            body = PAGES.get(path, f"<h1>no such page</h1>{posted.decode()}").encode()
            kind, headers = "text/html; charset=utf-8", {}
            status = STATUS.get(path, 200 if path in PAGES or posted else 404)
            if path in FILES:
                name, body = FILES[path]
                kind, status = "application/octet-stream", 200
                headers["Content-Disposition"] = f"attachment; filename={name}"
            if path in REDIRECTS:
                status, headers["Location"] = 302, REDIRECTS[path]
            if path == "/private":
                headers["WWW-Authenticate"] = 'Basic realm="tests"'
                if self.headers["Authorization"] == "Basic dXNlcjpwYXNz":  # user:pass
                    status, body = 200, b"<p>let in</p>"
            self.send(status, headers | {"Content-Type": kind}, b"" if status == 204 else body)

        def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(BrokenPipeError):  # the browser has left
                self.wfile.write(body)

        def send_slowly(self, body: bytes, delay_s: float) -> None:
            self.send_response(200)
            self.send_header("Content-Disposition", "attachment; filename=slow")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:1000])
            site.release.wait(delay_s)
            self.wfile.write(body[1000:])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _serving(Handler) as port, _serving(Handler, _certified()) as secure_port, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        site = Site(port, secure_port, closed.getsockname()[1])
        try:
            yield site
        finally:
            site.release.set()


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = _Server(("127.0.0.1", 0), handler)
    if context is not None:
        # The handshake is the request's thread's, so that who breaks it off does not hold the others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of browsers that leave."""


def _certified() -> ssl.SSLContext:
    """Return a context with a new certificate for 127.0.0.1 that it has signed itself."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "certificate"), Path(folder, "key")
        names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        command = ["openssl", "req", *kind, *names, "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    return context
