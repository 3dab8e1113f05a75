"""What of a browser's observation can be compared with one that another Chromium gave, with other fonts."""

from __future__ import annotations

import base64
import re
import struct
from typing import Any

#: Of an element, what does not depend on where fonts and versions put it.
KEPT = ("clickable", "set_of_marks")


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """Return it with the sizes of the pictures in place of these, and without the positions of elements."""
    extras = dict(answer["extras"])
    for field in ("screenshot", "set_of_marks"):
        extras[field] = _size(extras.get(field))
    extras["marks_differ_from_screenshot"] = answer["extras"].get("screenshot") != answer["extras"].get("set_of_marks")
    extras["axtree_object"] = sorted(extras.get("axtree_object") or {})
    elements = extras.get("extra_element_properties") or {}
    extras["extra_element_properties"] = {
        bid: {name: each[name] for name in KEPT} | {"shown": each["bbox"] is not None} for bid, each in elements.items()
    }
    plain: dict[str, Any] = without_clocks({**answer, "extras": extras})
    return plain


def _size(data_url: str | None) -> Any:
    """Return width and height of a PNG, in pixels."""
    if not data_url:
        return data_url
    kind, _, data = data_url.partition(",")
    return [kind, *struct.unpack(">II", base64.b64decode(data)[16:24])]


def without_clocks(value: Any) -> Any:
    """Return it without times, ports, and certificates that are made for a test."""
    if isinstance(value, dict):
        return {key: without_clocks(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_clocks(each) for each in value]
    if not isinstance(value, str):
        return value
    value = re.sub(r"(?s)-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", "<certificate>", value)
    value = re.sub(r"\d+/\d+/\d+, \d+:\d+:\d+(\u202f|\\u202f)[AP]M", "<clock>", value)
    value = re.sub(r"\b[A-Z][a-z]{2} \d{1,2}, \d{4}\b", "<date>", value)
    value = re.sub(r"screenshot_\d{8}_\d{6}_\d{6}\.png", "screenshot_<clock>.png", value)
    return re.sub(r"http://localhost:\d+", "http://localhost:<port>", value)
