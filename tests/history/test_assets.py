from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from openhands_ray.history import assets
from openhands_ray.history.assets import ASSETS, Asset, fetch, integrity
from openhands_ray.history.errors import AssetsUnavailable

CONTENT = b"draw()"
STATED = integrity(CONTENT, "sha256")
ASSET = Asset(STATED, "pkg@1.0.0", "dist/a.js")


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A registry of one package; the list holds what was asked of it."""
    asked: list[str] = []

    def pack(package: str, folder: Path) -> Path:
        asked.append(package)
        path = folder / "pkg-1.0.0.tgz"
        with tarfile.open(path, "w:gz") as archive:
            member = tarfile.TarInfo("package/dist/a.js")
            member.size = len(CONTENT)
            archive.addfile(member, BytesIO(CONTENT))
        return path

    monkeypatch.setattr(assets, "_pack", pack)
    return asked


def test_a_file_is_brought_once(npm: list[str], tmp_path: Path) -> None:
    first = fetch((ASSET,), tmp_path)
    second = fetch((ASSET,), tmp_path)

    assert first == second == {STATED: tmp_path / "a.js"}
    assert first[STATED].read_bytes() == CONTENT
    assert npm == ["pkg@1.0.0"]


def test_a_damaged_file_is_brought_again(npm: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.js").write_bytes(b"other")

    assert fetch((ASSET,), tmp_path)[STATED].read_bytes() == CONTENT


def test_content_with_another_hash_is_refused(npm: list[str], tmp_path: Path) -> None:
    with pytest.raises(AssetsUnavailable, match="does not have the hash"):
        fetch((Asset(integrity(b"expected", "sha512"), "pkg@1.0.0", "dist/a.js"),), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_package_lacks_is_named(npm: list[str], tmp_path: Path) -> None:
    with pytest.raises(AssetsUnavailable, match=r"pkg@1\.0\.0 holds no dist/b\.js"):
        fetch((Asset(STATED, "pkg@1.0.0", "dist/b.js"),), tmp_path)


def test_without_npm_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(AssetsUnavailable, match="npm is not installed: install it"):
        fetch((ASSET,), tmp_path)


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert assets.default_cache() == tmp_path / "openhands-ray" / "site"


def test_every_file_has_its_own_name_and_every_package_is_pinned() -> None:
    assert len({asset.filename for asset in ASSETS}) == len(ASSETS) == 10
    assert all(asset.package.rpartition("@")[2].count(".") == 2 for asset in ASSETS)
