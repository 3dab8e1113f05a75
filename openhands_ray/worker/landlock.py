"""Landlock's scopes: what belongs to no file system, and so to no mount, is out of reach all the same.

The network of a session is the node's by default, and with it all sockets that have an abstract name. And a plain
process may signal whatever its user runs, and look into it. In a scope of Landlock (Linux 6.12, without privileges)
neither leads out of the session.
"""

from __future__ import annotations

import ctypes
import os
import struct

from openhands_ray.worker.prctl import SET_NO_NEW_PRIVS, prctl

# linux/landlock.h; the numbers of the calls are the same on all architectures.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_CREATE_RULESET_VERSION = 1
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1, 2

#: The first version of Landlock that has scopes.
SCOPES_VERSION = 6


def has_scopes() -> bool:
    """Return whether the kernel has them."""
    return int(_library().syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)) >= SCOPES_VERSION


def enter_scope() -> bool:
    """Put this process, and all that it starts, into a scope of its own; return whether the kernel can.

    Raises:
        OSError: this process may not give up privileges, without which there is no scope.
    """
    if not has_scopes():
        return False
    library = _library()
    attributes = struct.pack("QQQ", 0, 0, _SCOPE_ABSTRACT_UNIX_SOCKET | _SCOPE_SIGNAL)
    ruleset = library.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        prctl(SET_NO_NEW_PRIVS, 1)
        return bool(library.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
