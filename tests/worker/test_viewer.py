"""The file viewer of a session, as the session sees it, and as others do."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support import LocalSession

from openhands_ray.worker.paths import Paths
from openhands_ray.worker.sandbox import sandbox_problem
from openhands_ray.worker.viewer import FileViewer

ADDRESS = "$(cat ${TMPDIR:-/tmp}/oh-server-url)"


def view(session: LocalSession, query: str) -> str:
    """Return the page, and the status in the last line."""
    return session.output(f"curl -s -w '\\n%{{http_code}}' \"{ADDRESS}/{query}\"")


def test_it_says_that_it_runs(session: LocalSession) -> None:
    assert view(session, "") == '{"status":"File viewer server is running"}\n200'


def test_a_picture_is_shown(session: LocalSession) -> None:
    session.run("printf picture > dot.png")
    page = view(session, "view?path=/workspace/dot.png")
    assert page.endswith("\n200")
    assert 'picture.alt = "dot.png";' in page
    assert "data:image/png;base64,cGljdHVyZQ==" in page
    assert "pdf" not in page


def test_a_pdf_is_rendered_by_pdf_js(session: LocalSession) -> None:
    session.run("printf '%%PDF-1.4' > a.pdf")
    page = view(session, "view?path=/workspace/a.pdf")
    assert 'atob("JVBERi0xLjQ=")' in page
    assert "/pdf.min.js" in page


@pytest.mark.parametrize(
    ("query", "said", "status"),
    [
        ("view?path=a.png", "<h1>Error: Path must be absolute</h1><p>a.png</p>", 400),
        ("view?path=", "<h1>Error: Path must be absolute</h1><p></p>", 400),
        ("view?path=/no/such.png", "<h1>Error: File not found</h1><p>/no/such.png</p>", 404),
        ("view?path=/workspace", "<h1>Error: Path is a directory</h1><p>/workspace</p>", 400),
        ("view?path=/etc/passwd", "Unsupported file extension: . Supported extensions are: .pdf, .png, .jpg", 500),
        ("view?path=/%3Cb%3E", "<p>/&lt;b&gt;</p>", 404),
        ("view", '{"detail":[{"type":"missing","loc":["query","path"],"msg":"Field required","input":null}]}', 422),
        ("other", '{"detail":"Not Found"}', 404),
    ],
)
def test_what_cannot_be_shown(session: LocalSession, query: str, said: str, status: int) -> None:
    page = view(session, query)
    assert said in page
    assert page.endswith(f"\n{status}")


def test_a_name_cannot_leave_the_script(tmp_path: Path) -> None:
    viewer = FileViewer(Paths("/workspace", str(tmp_path)), str(tmp_path / "address"))
    (tmp_path / "<b>&.png").touch()

    status, page = viewer.page("/workspace/<b>&.png")

    assert status == 200
    assert "<b>" not in page


def test_those_who_leave_or_talk_nonsense_do_not_end_it(session: LocalSession) -> None:
    session.run(f"exec 5<>/dev/tcp/127.0.0.1/$(sed 's/.*://' <<< {ADDRESS}); echo nonsense >&5; exec 5>&-")
    assert view(session, "").endswith("200")


@pytest.mark.skipif(sandbox_problem() is not None, reason="needs a sandbox")
def test_other_sessions_and_the_node_see_nothing() -> None:
    session = LocalSession("sandbox")
    try:
        session.run("printf picture > dot.png")
        address = session.output("cat /tmp/oh-server-url")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address.replace('localhost', '127.0.0.1')}/view?path=/workspace/dot.png")
        assert refused.value.code == 403
        assert b"cGljdHVyZQ" not in refused.value.read()
    finally:
        session.close()
