"""The benchmarks of openhands-ray. See ``README.md`` beside this file.

What OpenHands and Ray read when they are imported is set here, before any module of the benchmarks imports them.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings

os.environ.setdefault("LOG_LEVEL", "ERROR")  # what OpenHands logs would be measured, too
warnings.filterwarnings("ignore", category=FutureWarning)  # of OpenHands' dependencies, about versions to come

# A grammar that jsonschema would compile when Ray is imported, for seconds, and that nobody here uses.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# What is measured is the commit's own cluster, not one that happens to be there.
for _variable in ("RAY_ADDRESS", "OPENHANDS_RAY_ADDRESS"):
    os.environ.pop(_variable, None)

# Hundred thousands of objects are made at import, and none of them is garbage: ``common`` enables it again.
gc.disable()
