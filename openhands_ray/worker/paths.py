"""Where the paths that an agent names lie."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Paths:
    """The session's folder, under the name that the agent knows and where it is.

    In a sandbox both are the same: the folder is mounted at ``/workspace``. A plain process has no mounts of its own,
    so there the name stands for the session's folder, never for a ``/workspace`` of the host.
    """

    workspace: str
    folder: str

    def real(self, path: str) -> str:
        """Return the file that ``path`` (absolute) names."""
        if self.workspace == self.folder:
            return path
        normal = os.path.normpath(path)
        if normal == self.workspace:
            return self.folder
        if normal.startswith(self.workspace + os.sep):
            return os.path.join(self.folder, os.path.relpath(normal, self.workspace))
        return path
