"""What is typed for the input of a running command: text, or a key by the name that tmux gives it.

OpenHands hands the input to ``tmux send-keys``, for which ``C-c``, ``Up`` or ``Escape`` is a key and all else is text.
"""

from __future__ import annotations

import re

_CHARACTERS = {"enter": b"\r", "escape": b"\x1b", "tab": b"\t", "bspace": b"\x7f"}

# The last character of the sequence; the digits before it, where there are any.
_SEQUENCES = {
    **{f"f{n}": (b"", bytes([ord("O") + n])) for n in range(1, 5)},
    **{f"f{n}": (str(code).encode(), b"~") for n, code in enumerate((15, 17, 18, 19, 20, 21, 23, 24), 5)},
    **dict.fromkeys(("ic", "insert"), (b"2", b"~")),
    **dict.fromkeys(("dc", "delete"), (b"3", b"~")),
    **dict.fromkeys(("npage", "pagedown", "pgdn"), (b"6", b"~")),
    **dict.fromkeys(("ppage", "pageup", "pgup"), (b"5", b"~")),
    **{"home": (b"", b"H"), "end": (b"", b"F")},
    **{"up": (b"", b"A"), "down": (b"", b"B"), "right": (b"", b"C"), "left": (b"", b"D")},
}

_KEYPAD = {f"kp{key}": key.encode() for key in "0123456789/*-+."} | {"kpenter": b"\n"}

_MODIFIED = re.compile(r"((?:\^|[CMS]-)*)(.+)", re.IGNORECASE | re.DOTALL)

# Keys that control turns into another character than its lowest five bits.
_CONTROL = dict(zip("1!9(0)=+;:'\",<.>/-8? 2", "119900=+;;'',,..\x1f\x1f\x7f\x7f\0\0", strict=True))


def is_special(command: str) -> bool:
    """Return whether OpenHands takes ``command`` for a key, after which no Enter is typed."""
    return len(command) == 3 and command.startswith("C-")


def encode(name: str, *, application_cursor: bool = False) -> bytes | None:
    """Return what the key ``name`` sends, or None where there is no such key.

    Args:
        name: as tmux writes it; upper and lower case are the same.
        application_cursor: whether the program has asked for the other sequences of the cursor keys.
    """
    if len(name) < 2:
        return None
    if re.fullmatch(r"0x[0-9a-f]{1,6}", name, re.IGNORECASE) and (code := int(name, 16)) < 0xD800:
        return chr(code).encode()
    modifiers, key = _split(name)
    if key.lower() in _SEQUENCES:
        return _sequence(key.lower(), modifiers, application_cursor)
    if key.lower() == "btab":
        return b"\x1b[Z"
    if key.lower() == "space":
        key = " "
    data = _CHARACTERS.get(key.lower()) or _KEYPAD.get(key.lower())
    if data is None:
        if len(key) > 1 or not (modifiers or key == " "):
            return None
        data = _control(key) if "c" in modifiers and key.isascii() else key.encode("utf-8", "replace")
    return b"\x1b" + data if "m" in modifiers else data


def _split(name: str) -> tuple[set[str], str]:
    found = _MODIFIED.fullmatch(name)
    if found is None:
        return set(), name
    return set(found.group(1).lower().replace("^", "c").replace("-", "")), found.group(2)


def _control(key: str) -> bytes:
    if key in _CONTROL:
        return _CONTROL[key].encode()
    code = ord(key)
    if "3" <= key <= "7":
        return bytes([code - 0o30])
    return bytes([code & 0x1F]) if "@" <= key <= "~" else b""


def _sequence(key: str, modifiers: set[str], application_cursor: bool) -> bytes:
    digits, last = _SEQUENCES[key]
    number = 1 + ("s" in modifiers) + 2 * ("m" in modifiers) + 4 * ("c" in modifiers)
    if number > 1:
        return b"\x1b[%b;%d%b" % (digits or b"1", number, last)
    if key in ("home", "end"):
        return b"\x1b[1~" if key == "home" else b"\x1b[4~"
    if not digits and last in b"PQRS":
        return b"\x1bO" + last
    if not digits and application_cursor:
        return b"\x1bO" + last
    return b"\x1b[%b%b" % (digits, last)
