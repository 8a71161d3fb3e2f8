"""Telling by its content that a file is a secret: a private key, or somebody's credentials.

Only small files whose names make one suspicious are read, so a large source costs nothing.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_BYTES = 64 << 10

_SUFFIXES = {
    *("", ".asc", ".cfg", ".conf", ".config", ".cer", ".crt", ".in", ".ini", ".json"),
    *(".key", ".p8", ".pem", ".pk8", ".ppk", ".priv", ".txt", ".toml", ".yaml", ".yml"),
}

# Each kind of secret by what it cannot be without. Certificates are none.
_KINDS = {
    # RFC 7468 and what came before it: PKCS #1, PKCS #8, SEC1, OpenSSH, PGP.
    "a private key": re.compile(rb"^-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----", re.MULTILINE),
    "a private key of PuTTY's": re.compile(rb"\APuTTY-User-Key-File-\d"),
    "credentials of AWS": re.compile(
        rb"^\s*aws_secret_access_key\s*=\s*[A-Za-z0-9/+]{40}\s*$", re.MULTILINE | re.IGNORECASE
    ),
    "a key of a Google service account": re.compile(
        rb'"private_key"\s*:\s*"-----BEGIN [A-Z ]*PRIVATE KEY-----'
    ),
    # `${NAME}` in their place is no secret.
    "credentials of npm's": re.compile(
        rb"^\s*//\S+:_(auth|authToken|password)\s*=\s*[^\s$]", re.MULTILINE
    ),
    "credentials of a package index": re.compile(
        rb"^\s*(?:--)?(?:extra-)?index-url[\s=]+https?://[^\s/@:$]*:[^\s/@$]+@", re.MULTILINE
    ),
}


def secret_in(file: Path, name: str, size: int) -> str | None:
    """Return what secret a file holds, in words for a person; None when it holds none."""
    return secret_of(file.read_bytes()) if may_hold_secret(name, size) else None


def may_hold_secret(name: str, size: int) -> bool:
    """Return whether a file is worth reading for a secret."""
    return size <= _LARGEST_BYTES and PurePosixPath(name).suffix.lower() in _SUFFIXES


def secret_of(data: bytes) -> str | None:
    """Return what secret these bytes hold, in words for a person; None when they hold none."""
    return next((kind for kind, pattern in _KINDS.items() if pattern.search(data)), None)
