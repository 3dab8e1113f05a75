"""Why benchmarks failed, from what ``asv run --show-stderr`` printed: asv's result files do not keep it."""

from __future__ import annotations

import re
from collections.abc import Collection

#: Stands for the build where the name of a benchmark stands otherwise.
BUILD = ""

_LENGTH = 8  # of the hashes that asv prints

_PROGRESS = r"(?:\[ *[\d.]+%\] )?"
_COMMIT = re.compile(_PROGRESS + rf"· For .+? commit ([0-9a-f]{{{_LENGTH}}})\b.*:$")
_BENCHMARK = re.compile(_PROGRESS + r"··· ([^=\s]\S*) +(?:\d+/\d+ )?(\S.*)$")
_BUILD = re.compile(_PROGRESS + r"·+ Error running ")
_STEP = re.compile(_PROGRESS + r"·{1,3} (?!=)")
_DETAILS = re.compile(_PROGRESS + r"·+ ")
# What asv says itself: its own remark, the rules and the rows of a table of results.
_REMARK = re.compile(r"asv: benchmark failed|[= -]+$|.* {2,}failed$|STD(OUT|ERR) -+>$|For parameters: ")


def failures(log: str, commit: str, names: Collection[str]) -> dict[str, str]:
    """Returns the last line that each failed benchmark of a commit wrote, by its name.

    Args:
        log: what asv printed, of one run or of several; of several that hold the commit, the last one counts.
        commit: the full hash.
        names: of benchmarks, without parameters; asv prints only the end of a long one.

    Returns:
        By the whole name. Where the commit could not be built, the reason is that of ``BUILD``.
    """
    printed = _printed(log, commit)
    found = {name: line for name in names for shown, line in printed.items() if _is(shown, name)}
    return found | {name: line for name, line in printed.items() if name == BUILD}


def _is(shown: str, name: str) -> bool:
    return shown == name or (shown.startswith("...") and name.endswith(shown[3:]))


def _printed(log: str, commit: str) -> dict[str, str]:
    found: dict[str, str] = {}
    here, name = False, None
    for line in log.splitlines():
        if match := _COMMIT.match(line):
            here, name = match[1] == commit[:_LENGTH], None
        elif here and _BUILD.match(line):
            name = BUILD
        elif here and (match := _BENCHMARK.match(line)):
            name = match[1] if match[2] == "failed" else None
            found.pop(match[1], None)
            if name:
                found[name] = ""
        elif _STEP.match(line):
            name = None
        elif here and name is not None:
            text = _DETAILS.sub("", line).strip()
            if text and not _REMARK.match(text):
                found[name] = text
    return found
