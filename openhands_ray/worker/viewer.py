"""The file viewer of a session: shows its pictures and PDF files to its browser, as OpenHands' does.

OpenHands tells its agents to read the viewer's address from ``/tmp/oh-server-url`` and to open
``{address}/view?path={absolute path}``. The pages have the elements that OpenHands' pages have, since an agent refers
to these by their number.

A viewer costs a socket and a thread until it is first asked; then it loads an HTTP server.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

from openhands_ray.worker.paths import Paths

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

#: Where agents look for the address.
ADDRESS_FILE = "/tmp/oh-server-url"

#: Connections that wait while the HTTP server is loaded.
BACKLOG = 16

PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif"}
SUFFIXES = (".pdf", ".png", ".jpg", ".jpeg", ".gif")

# Renders PDF files in the browser; OpenHands' viewer loads this one, too.
_PDF_JS = "https://cdnjs.cloudflare.com/ajax/libs/pdf.js/3.11.174/pdf"

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="UTF-8"><meta name="viewport" content="width=device-width, initial-scale=1.0">
<title>File Viewer - {name}</title><script{library}></script><style>
html, body {{ height: 100%; margin: 0; padding: 0; overflow: hidden; font-family: Arial, sans-serif; }}
#viewer-container {{ width: 100%; height: 100vh; overflow: auto; }}
canvas {{ margin: 10px auto; box-shadow: 0 0 10px rgba(0, 0, 0, 0.3); }}
img {{ display: block; max-width: 100%; margin: 20px auto; }}
.error {{ color: red; margin: 20px; }}
</style></head><body><div id="viewer-container"></div><script>
const shown = document.getElementById("viewer-container");
{show}
</script></body></html>"""

_SHOW_PICTURE = """
window.onload = () => {{
  const picture = document.createElement("img");
  picture.alt = {name};
  picture.src = "data:{kind};base64,{content}";
  shown.append(picture);
}};"""

_SHOW_PDF = """
window.onload = async () => {{
  try {{
    pdfjsLib.GlobalWorkerOptions.workerSrc = "{library}.worker.min.js";
    const data = Uint8Array.from(atob("{content}"), (byte) => byte.charCodeAt(0));
    const pdf = await pdfjsLib.getDocument({{data}}).promise;
    for (let number = 1; number <= pdf.numPages; number++) {{
      const page = await pdf.getPage(number);
      const viewport = page.getViewport({{scale: 1.5}});
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [viewport.width, viewport.height];
      shown.append(canvas);
      await page.render({{canvasContext: canvas.getContext("2d"), viewport}}).promise;
    }}
  }} catch (error) {{
    const [box, title, text] = ["div", "h2", "p"].map((tag) => document.createElement(tag));
    [box.className, title.textContent, text.textContent] = ["error", "Error loading file", error.message];
    box.append(title, text);
    shown.replaceChildren(box);
  }}
}};"""


class FileViewer:
    """Listens on a free port of the loopback interface from the start; answers this session's processes alone."""

    def __init__(self, paths: Paths, address_file: str = ADDRESS_FILE) -> None:
        """Listen, and write the address to ``address_file``.

        Raises:
            OSError: there is no port, or the file cannot be written.
        """
        self._paths = paths
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.address = f"http://localhost:{self._socket.getsockname()[1]}"
        with open(address_file, "w", encoding="utf-8") as file:
            file.write(self.address)
        threading.Thread(target=self._serve, name="file viewer", daemon=True).start()

    def _serve(self) -> None:
        connection, address = self._socket.accept()
        handler = _handler(self)
        while True:
            arguments = (connection, address, handler)
            threading.Thread(target=_answer, args=arguments, name="file view", daemon=True).start()
            connection, address = self._socket.accept()

    def page(self, path: str) -> tuple[int, str]:
        """Return the status and the page that shows the file at ``path``."""
        from html import escape

        named = f"<p>{escape(path)}</p>"
        if not os.path.isabs(path):
            return 400, f"<h1>Error: Path must be absolute</h1>{named}"
        real = self._paths.real(path)
        if not os.path.exists(real):
            return 404, f"<h1>Error: File not found</h1>{named}"
        if os.path.isdir(real):
            return 400, f"<h1>Error: Path is a directory</h1>{named}"
        try:
            return 200, _view(real)
        except (OSError, ValueError) as error:
            return 500, f"<h1>Error viewing file</h1>{named}<p>{escape(str(error))}</p>"


def _view(path: str) -> str:
    import base64
    import json
    from html import escape

    suffix, name = os.path.splitext(path)[1].lower(), os.path.basename(path)
    if suffix not in SUFFIXES:
        raise ValueError(f"Unsupported file extension: {suffix}. Supported extensions are: {', '.join(SUFFIXES)}")
    with open(path, "rb") as file:
        content = base64.b64encode(file.read()).decode()
    if suffix == ".pdf":
        show = _SHOW_PDF.format(library=_PDF_JS, content=content)
        return _PAGE.format(name=escape(name), library=f' src="{_PDF_JS}.min.js"', show=show)
    alt = json.dumps(name).replace("<", "\\u003c")  # it stands in a script
    show = _SHOW_PICTURE.format(name=alt, kind=PICTURES[suffix], content=content)
    return _PAGE.format(name=escape(name), library="", show=show)


def _answer(connection: socket.socket, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
    """Answer one connection; whoever is on its other end may leave at any time."""
    with connection:
        try:
            handler(connection, address, None)  # type: ignore[arg-type]  # of its server it needs nothing
        except OSError:
            return


def _handler(viewer: FileViewer) -> type[BaseHTTPRequestHandler]:
    from http.server import BaseHTTPRequestHandler
    from urllib.parse import parse_qs, urlsplit

    class Handler(BaseHTTPRequestHandler):
        """Answers the requests of one connection."""

        timeout = 60

        def do_GET(self) -> None:
            """Answer as OpenHands' viewer does."""
            url = urlsplit(self.path)
            path = parse_qs(url.query, keep_blank_values=True).get("path", [None])[-1]
            if not _is_of_this_session(self.client_address[1]):
                page = "<h1>Access Denied</h1><p>This endpoint is only accessible from localhost</p>"
                self._send(403, page)
            elif url.path == "/":
                self._send(200, '{"status":"File viewer server is running"}', "application/json")
            elif url.path != "/view":
                self._send(404, '{"detail":"Not Found"}', "application/json")
            elif path is None:
                missing = '{"detail":[{"type":"missing","loc":["query","path"],"msg":"Field required","input":null}]}'
                self._send(422, missing, "application/json")
            else:
                self._send(*viewer.page(path))

        def _send(self, status: int, text: str, kind: str = "text/html; charset=utf-8") -> None:
            body = text.encode("utf-8", "surrogateescape")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: stderr is the executor's."""

    return Handler


def _is_of_this_session(port: int) -> bool:
    """Return whether a process that this one can see holds the port: sessions share their node's loopback interface.

    A sandbox shows its own processes alone. For other users' processes, the holder cannot be told.
    """
    import psutil

    return any(
        connection.laddr.port == port and connection.pid is not None
        for connection in psutil.net_connections("tcp4")
        if connection.laddr
    )
