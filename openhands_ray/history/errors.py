"""What can go wrong when the history is read.

::

    OpenHandsRayError
    └── HistoryError
        ├── ConfigurationMissing   no ``asv.conf.json`` where the command was started
        ├── UnknownCommit          git does not know the name
        ├── NoResults              nothing was measured there
        └── AssetsUnavailable      a file of the site could not be brought, or is not the one expected
"""

from openhands_ray.errors import OpenHandsRayError


class HistoryError(OpenHandsRayError):
    """The base of this tree; its text says what happened and what to do."""


class ConfigurationMissing(HistoryError):
    """There is no configuration of asv, or asv refuses it."""


class UnknownCommit(HistoryError):
    """The repository holds no commit of this name."""


class NoResults(HistoryError):
    """asv has stored no result for what was asked."""


class AssetsUnavailable(HistoryError):
    """A file that the site needs could not be brought, or its content is not the expected one."""
