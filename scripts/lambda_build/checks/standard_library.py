"""The names of the standard library's modules, of any Python that Lambda runs.

What the Python that runs this knows of itself (`sys.stdlib_module_names`) is the start; what the
minor versions between it and the target's added and removed is from the same list of each
(CPython: Python/stdlib_module_names.h) and from "What's New in Python 3.12", 3.13 and 3.14.
"""

from __future__ import annotations

import sys
from functools import cache

# By minor version: what it brought, and what it took away (PEP 594, PEP 632, PEP 784).
_ADDED = {
    12: "_pydatetime _pylong _sha2",
    13: (
        "_android_support _colorize _interpchannels _interpqueues _interpreters _ios_support "
        "_opcode_metadata _pyrepl _suggestions _sysconfig _wmi"
    ),
    14: (
        "_ast_unparse _hmac _py_warnings _remote_debugging _types _zstd annotationlib compression"
    ),
}
_REMOVED = {
    12: "_bootsubprocess _sha256 _sha512 asynchat asyncore distutils imp smtpd",
    13: (
        "_crypt _msi aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib "
        "ossaudiodev pipes sndhdr spwd sunau telnetlib uu xdrlib"
    ),
    14: "_compression",
}

# Modules below one that every version has.
_SUBMODULES_SINCE = {
    "concurrent.futures.interpreter": 14,
    "concurrent.interpreters": 14,
    "pathlib.types": 14,
    "string.templatelib": 14,
}
_SUBMODULES_UNTIL = {"typing.io": 13, "typing.re": 13}


@cache
def standard_library(python: str) -> frozenset[str]:
    """Return the top-level modules of the standard library of a Python, e.g. `3.11`."""
    names = set(sys.stdlib_module_names)
    running, wanted = sys.version_info.minor, _minor(python)
    for minor in range(running + 1, wanted + 1):
        names |= set(_ADDED.get(minor, "").split())
        names -= set(_REMOVED.get(minor, "").split())
    for minor in range(running, wanted, -1):
        names -= set(_ADDED.get(minor, "").split())
        names |= set(_REMOVED.get(minor, "").split())
    return frozenset(names)


def has_submodule(name: str, python: str) -> bool:
    """Return False when a module of the standard library is known to lack that submodule."""
    minor = _minor(python)
    prefixes = [name.rsplit(".", cut)[0] for cut in range(name.count("."))]
    return all(
        minor >= _SUBMODULES_SINCE.get(prefix, 0) and minor < _SUBMODULES_UNTIL.get(prefix, 99)
        for prefix in prefixes
    )


def elsewhere(name: str) -> str | None:
    """Return where in Python's history a module was, for a person; None when it never was."""
    top = name.partition(".")[0]
    for minor, names in _REMOVED.items():
        if top in names.split():
            return f"{top} left the standard library in Python 3.{minor}"
    for minor, names in _ADDED.items():
        if top in names.split():
            return f"{top} came to the standard library in Python 3.{minor}"
    if name in _SUBMODULES_SINCE:
        return f"{name} came to the standard library in Python 3.{_SUBMODULES_SINCE[name]}"
    if name in _SUBMODULES_UNTIL:
        return f"{name} left the standard library in Python 3.{_SUBMODULES_UNTIL[name]}"
    return None


def _minor(python: str) -> int:
    return int(python.removeprefix("3."))
