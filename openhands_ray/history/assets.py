"""The files that asv's site takes from other hosts, brought from pinned npm packages so that it needs none.

``index.html`` of asv names each file by its address and by the hash of its content (subresource integrity). Where a
package holds the very same bytes, they are checked against that hash. For five minified files none was found that does:
for these stands the unminified file of the same version (flot), or the one version that npm has (stupidtable), each
pinned by a hash of its own.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from openhands_ray.history.errors import AssetsUnavailable

_NPM_TIMEOUT_S = 120


@dataclass(frozen=True)
class Asset:
    """One file of the site.

    Attributes:
        stated: the integrity hash by which asv's ``index.html`` names the file.
        package: of npm, pinned.
        member: path of the file in the package.
        own: the integrity hash of that member, where it is not the stated one.
    """

    stated: str
    package: str
    member: str
    own: str = ""

    @property
    def integrity(self) -> str:
        """What the content must have."""
        return self.own or self.stated

    @property
    def filename(self) -> str:
        return self.member.rpartition("/")[2]


_FLOT = "flot@0.8.3"
_BOOTSTRAP = "bootstrap@3.1.1"

ASSETS = (
    Asset("sha256-FgpCb/KJQlLNfOu91ta32o/NMZxltwRo8QtmkMRdAu8=", "jquery@3.3.1", "dist/jquery.min.js"),
    Asset(
        "sha512-eO1AKNIv7KSFl5n81oHCKnYLMi8UV4wWD1TcLYKNTssoECDuiGhoRsQkdiZkl8VUjoms2SeJY7zTSw5noGSqbQ==",
        _FLOT,
        "jquery.flot.js",
        "sha512-1bVFcysZL1+sq86GjuK3hopY6NUKgO8hbXkMn8Bh7OEKYuUKAsu+77qYVCCEkm5XkeKh4yodJtVNRQzbDjoA1Q==",
    ),
    Asset(
        "sha512-lcRowrkiQvFli9HkuJ2Yr58iEwAtzhFNJ1Galsko4SJDhcZfUub8UxGlMQIsMvARiTqx2pm7g6COxJozihOixA==",
        _FLOT,
        "jquery.flot.time.js",
        "sha512-fEs27qcvuepYOlPbogPMCRS2q1JLH+sSuTf59pTAHu224ltQYiSF5wKkZ5AQgkmn39D8BzKkJfVNQrsTEHvWgQ==",
    ),
    Asset(
        "sha512-3EUG0t3qfbLaGN3FXO86i+57nvxHOXvIb/xMSKRrCuX/HXdn1bkbqwAeLd6U1PDmuEB2cnKhfM+SGLAVQbyjWQ==",
        _FLOT,
        "jquery.flot.selection.js",
        "sha512-c6h/44fD74kBkH1kAEx6q6aq6KXcbSn4ReY45CTD4Tu6R1O2T7Ql0Aa/Pqkzh3MQHZam58pHnjyvfJA6JfM4AA==",
    ),
    Asset(
        "sha512-x4QGSZkQ57pNuICMFFevIhDer5NVB5eJCRmENlCdJukMs8xWFH8OHfzWQVSkl9VQ4+4upPPTkHSAewR6KNMjGA==",
        _FLOT,
        "jquery.flot.categories.js",
        "sha512-N8W4gxKd16zsSZZ2OWsQDMaQu0jnxJPSiAsOwFkXgvnB1W0mmOqbxFiNhgGFJUFLjII7Q8VHdGNMDP+RH87uuA==",
    ),
    Asset(
        "sha256-OXNbT0b5b/TgglckAfR8VaJ2ezZv0dHoIeRKjYMKEr8=",
        "flot-orderbars@1.0.0",
        "js/jquery.flot.orderBars.js",
    ),
    Asset(
        "sha512-GM3Ds3dUrgkpKVXc+4RxKbQDoeTemdlzXxn5d/QCOJT6EFdEufu1UTVBpIFDLd6YjIhSThNe+zpo1mwqzNq4GQ==",
        "stupid-table-plugin@1.1.3",
        "stupidtable.min.js",
        "sha512-T2dqwCYHuN8dbqIgYhwdGm+VtfUBecC06wUrciItlLJsteoe07db34cbmp/GZGIrC5/q1xy1V96BuvPiMXnedA==",
    ),
    Asset(
        "sha512-8pbzenDolL1l5OPSsoURCx9TEdMFTaeFipASVrMYKhuYtly+k3tcsQYliOEKTmuB1t7yuzAiVo+yd7SJz+ijFQ==",
        "blueimp-md5@2.19.0",
        "js/md5.min.js",
    ),
    Asset("sha256-iY0FoX8s/FEg3c26R6iFw3jAtGbzDwcA5QJ1fiS0A6E=", _BOOTSTRAP, "dist/js/bootstrap.min.js"),
    Asset("sha256-6VA0SGkrc43SYPvX98q/LhHwm2APqX5us6Vuulsafps=", _BOOTSTRAP, "dist/css/bootstrap.min.css"),
)


def integrity(content: bytes, algorithm: str) -> str:
    """Returns the hash of a content as the attribute ``integrity`` of HTML writes it."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def default_cache() -> Path:
    """Returns the user's folder for these files, so that every clone shares them."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openhands-ray" / "site"


def fetch(assets: tuple[Asset, ...] = ASSETS, cache: Path | None = None) -> dict[str, Path]:
    """Brings the files into the cache; npm is asked only for what is not there.

    Returns:
        The path of each file, by the hash that asv's ``index.html`` states for it.

    Raises:
        AssetsUnavailable: npm is missing or fails, or a content is not the expected one.
    """
    folder = cache or default_cache()
    folder.mkdir(parents=True, exist_ok=True)
    paths = {asset: folder / asset.filename for asset in assets}
    absent = [asset for asset, path in paths.items() if not _is_valid(asset, path)]
    for package in sorted({asset.package for asset in absent}):
        _bring(package, [asset for asset in absent if asset.package == package], folder)
    return {asset.stated: path for asset, path in paths.items()}


def _is_valid(asset: Asset, path: Path) -> bool:
    return path.is_file() and _matches(asset, path.read_bytes())


def _matches(asset: Asset, content: bytes) -> bool:
    return integrity(content, asset.integrity.partition("-")[0]) == asset.integrity


def _bring(package: str, assets: list[Asset], folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        archive = _pack(package, Path(scratch))
        for asset in assets:
            content = _extract(archive, asset)
            if not _matches(asset, content):
                raise AssetsUnavailable(f"{asset.member} of {package} does not have the hash {asset.integrity}.")
            # Renamed into place, so that a second publish at the same time never reads half a file.
            partial = Path(scratch) / asset.filename
            partial.write_bytes(content)
            shutil.move(partial, folder / asset.filename)


def _pack(package: str, folder: Path) -> Path:
    """Downloads the archive of a package by the npm client, which runs none of its scripts."""
    npm = shutil.which("npm")
    if npm is None:
        raise AssetsUnavailable("npm is not installed: install it (apt-get install npm).")
    command = [npm, "pack", package, "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_NPM_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        raise AssetsUnavailable(f"`npm pack {package}` failed ({error.returncode}): {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise AssetsUnavailable(f"`npm pack {package}` took more than {_NPM_TIMEOUT_S} s.") from error
    return next(folder.glob("*.tgz"))


def _extract(archive: Path, asset: Asset) -> bytes:
    with tarfile.open(archive) as packed:
        try:
            member = packed.extractfile(f"package/{asset.member}")
        except KeyError:
            member = None
        if member is None:
            raise AssetsUnavailable(f"{asset.package} holds no {asset.member}.")
        return member.read()
