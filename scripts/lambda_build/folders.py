"""Staged folders, each named by the digest of what it was made from, with its manifest beside it.

One that is there is never changed: other inputs make another folder. Whoever writes holds the lock
of all of them.
"""

from __future__ import annotations

import base64
import os
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lambda_build.cache import directory_written_aside, sweep
from lambda_build.manifest import read_manifest, write_manifest
from lambda_build.stage import StagedFile, StagedTree, is_intact, stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from lambda_build.layout import Layout

# How long a staged folder that nothing names any more is kept: a plan may still be reading it.
_KEPT_S = 24 * 3600


def folder_path(parent: Path, digest: str) -> Path:
    """Return where the folder with a digest (base64) belongs."""
    return parent / base64.b64decode(digest).hex()[:16]


def kept_folder(parent: Path, digest: str) -> dict[str, Any] | None:
    """Return the manifest of the folder with that digest; None unless it is there, unchanged."""
    folder = folder_path(parent, digest)
    manifest_path = _manifest_path(folder)
    kept = read_manifest(manifest_path)
    if kept is None or kept["digest"] != digest or not is_intact(staged_tree(kept, folder)):
        return None
    with suppress(OSError):  # another user's; then it is kept a day from its making
        os.utime(manifest_path)
    return kept


def write_folder(
    parent: Path, digest: str, layout: Layout, facts: dict[str, Any], *, folders: Iterable[str] = ()
) -> Path:
    """Write a layout into the folder of a digest, its manifest beside it, and return the folder.

    `folders` are in it even when they are empty.
    """
    folder = folder_path(parent, digest)
    previous = _newest(parent)
    _manifest_path(folder).unlink(missing_ok=True)
    with directory_written_aside(folder) as aside:
        for name in folders:
            (aside / name).mkdir()
        stage(layout, aside, previous)
        _make_room(folder)
    write_manifest(_manifest_path(folder), **facts)
    drop_old(parent)
    return folder


def drop_old(parent: Path) -> None:
    """Remove folders that no build has named for a day, and what killed builds left behind."""
    now = time.time()
    manifests = {path: path.stat().st_mtime for path in parent.glob("*.manifest.json")}
    for path, used in manifests.items():
        if now - used > _KEPT_S:
            path.unlink(missing_ok=True)
    named = {path.name.removesuffix(".manifest.json") for path in parent.glob("*.manifest.json")}
    for path in _leftovers(parent, named):
        shutil.rmtree(path, ignore_errors=True)
    sweep(parent)


def staged_tree(manifest: dict[str, Any], folder: Path) -> StagedTree:
    """Return what a manifest says of a staged folder."""
    files = {
        file["path"]: StagedFile(
            sha256=file["sha256"], size=file["size"], mode=int(file["mode"], 8)
        )
        for file in manifest["files"]
    }
    return StagedTree(folder=folder, files=files)


def _manifest_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.manifest.json")


def _newest(parent: Path) -> StagedTree | None:
    """Return the folder that was staged last, whose unchanged files can be linked to."""
    for path in sorted(parent.glob("*.manifest.json"), key=lambda p: -p.stat().st_mtime):
        manifest = read_manifest(path)
        if manifest is not None:
            return staged_tree(manifest, parent / path.name.removesuffix(".manifest.json"))
    return None


def _make_room(folder: Path) -> None:
    """Move a folder away that is there without being what its name says: somebody changed it."""
    if folder.exists():
        aside = folder.with_name(f".{folder.name}.changed-{os.getpid()}")
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _leftovers(parent: Path, named: set[str]) -> Iterator[Path]:
    # The lock is held: nobody else is writing here.
    for path in parent.iterdir():
        if path.is_dir() and path.name not in named:
            yield path
