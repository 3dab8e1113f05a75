"""What can go wrong when the history is read.

::

    OpenHandsRayError
    └── HistoryError
        ├── ConfigurationMissing   no ``asv.conf.json`` where the command was started
        ├── UnknownCommit          git does not know the name
        ├── NoResults              nothing was measured there
        ├── AlertsFailed           the issues about regressions could not be brought up to date
        ├── AssetsUnavailable      a file of the site could not be brought, or is not the one expected
        ├── TriageInvalid          ``regressions.toml`` cannot be read
        └── HuntError              a hunt cannot be started, or not go on
            ├── UnknownBenchmark   no benchmark has this name
            ├── AmbiguousBenchmark several have
            ├── EmptyRange         the range holds no commit
            ├── NotMeasurable      no commit of the range can be measured
            └── HuntRunning        another hunt uses the environment
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


class AlertsFailed(HistoryError):
    """The site or the issues could not be read, or gh failed."""


class AssetsUnavailable(HistoryError):
    """A file that the site needs could not be brought, or its content is not the expected one."""


class TriageInvalid(HistoryError):
    """The file of acknowledged regressions is not as it should be; the text names the line."""


class HuntError(HistoryError):
    """A hunt cannot be started, or not go on."""


class UnknownBenchmark(HuntError):
    """No benchmark has the name."""


class AmbiguousBenchmark(HuntError):
    """Several benchmarks are meant."""


class EmptyRange(HuntError):
    """The range holds no commit."""


class NotMeasurable(HuntError):
    """The benchmark gives no value at any commit that was tried."""


class HuntRunning(HuntError):
    """Another hunt uses the same environment."""
