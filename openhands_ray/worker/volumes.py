"""Folders of the node inside a session: looked for, copied where that is asked for, linked where nothing is mounted."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Volume:
    """A folder, or a file, of the node inside the session.

    Attributes:
        source: its path on the node.
        target: its path in the session.
        writable: whether the session may change it.
        copied: whether the session gets a copy of its own, whose changes go with it (OpenHands' overlay).
    """

    source: str
    target: str
    writable: bool = True
    copied: bool = False


def prepared(volumes: Sequence[Volume], folder: Path) -> list[Volume]:
    """Return the volumes, the outer before the inner, with copies below ``folder`` where they are asked for.

    Raises:
        FileNotFoundError: the node does not have one of them.
        OSError: it cannot be copied.
    """
    found = []
    for number, volume in enumerate(sorted(volumes, key=lambda each: len(Path(each.target).parts))):
        if not os.path.exists(volume.source):
            raise FileNotFoundError(
                f"{volume.source} is to be {volume.target} in the session, but the node {socket.gethostname()} has no "
                "such path. Put it there, or run the session where it is."
            )
        found.append(replace(volume, source=_copy(volume.source, folder / str(number))) if volume.copied else volume)
    return found


def _copy(source: str, copy: Path) -> str:
    copy.parent.mkdir(mode=0o700, exist_ok=True)
    argv = ["cp", "--archive", "--reflink=auto", "--no-target-directory", "--", source, str(copy)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{source} could not be copied into the session: {done.stderr.strip()}")
    return str(copy)


def link(volumes: Sequence[Volume], workspace: str, folder: Path) -> None:
    """Put the volumes where nothing can be mounted: links in the session's own ``folder``, which is its workspace.

    Raises:
        OSError: one of them needs a mount.
    """
    for volume in volumes:
        if os.path.normpath(volume.source) == os.path.normpath(volume.target) and volume.writable:
            continue
        place = folder / os.path.relpath(volume.target, workspace)
        problem = _problem(volume, place, folder)
        if problem is not None:
            raise OSError(
                f"The volume {volume.source}:{volume.target} {problem}, which a session that is a plain process cannot "
                "do. Install bubblewrap on the node."
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            place.rmdir()
        place.symlink_to(volume.source)


def _problem(volume: Volume, place: Path, folder: Path) -> str | None:
    if not volume.writable:
        return "is to be read-only"
    if not Path(os.path.normpath(place)).is_relative_to(folder):
        return "is to be outside of the workspace"
    if any(each.is_symlink() for each in place.parents if each.is_relative_to(folder)):
        return "is to be inside another volume"
    return None
