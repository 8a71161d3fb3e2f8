"""Wheels that were built here, kept by the digest of what they were built from."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from lambda_build.cache import keep_text, kept_text, sha256_of, written_aside
from lambda_build.errors import WheelError
from lambda_build.wheel import Wheel, read_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from lambda_build.cache import Cache


def kept_wheel(digest: str, cache: Cache) -> Wheel | None:
    """Return the wheel that was built before; None when there is none, or it was damaged since."""
    text = kept_text(cache.built(digest))
    if text is None:
        return None
    said = json.loads(text)
    file = cache.built_wheel(said["sha256"])
    try:
        if sha256_of(file) == said["sha256"]:
            return read_wheel(file, said["filename"], digest)
    except (OSError, WheelError):  # removed, perhaps while it was read
        pass
    return None


def keep_wheel(built: Path, digest: str, cache: Cache) -> Wheel:
    """Keep a wheel that was built and verified, and return it where it is kept.

    Backends give the same files other times, so the file is named by its own hash: a build at
    once that replaced it under its digest would pull it from under this one.
    """
    sha256 = sha256_of(built)
    file = cache.built_wheel(sha256)
    with written_aside(file) as aside:
        shutil.copyfile(built, aside)
    keep_text(cache.built(digest), json.dumps({"filename": built.name, "sha256": sha256}))
    return read_wheel(file, built.name, digest)
