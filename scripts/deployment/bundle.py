"""A bundle: what travels from the job that plans to the job that applies, with a manifest.

    project ─► pack ─► bundle/ at the same relative paths, manifest.sha256 ─► unpack ─► project

The manifest is written as sha256sum writes it, and lies in the bundle. Its own SHA-256 goes another
way, so whoever can change the bundle cannot make it pass.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from deployment.errors import AliasMovesError, BundleError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deployment.plan import Plan

MANIFEST = "manifest.sha256"

_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>[^\n]+)\n")
_NEXT = "Nothing was changed. Run the whole deployment again, so that it plans anew."


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The files of a bundle, as paths relative to the project, with their SHA-256."""

    files: Mapping[PurePosixPath, str]

    def __str__(self) -> str:
        """Return the manifest as sha256sum writes it."""
        return "".join(f"{self.files[path]}  {path}\n" for path in sorted(self.files))

    @property
    def sha256(self) -> str:
        """The manifest's own."""
        return hashlib.sha256(str(self).encode()).hexdigest()


def pack(project: Path, plan: Plan, bundle: Path) -> Manifest:
    """Copy a plan and what it reads into a new folder, and return the manifest written there.

    Raises InputError when a file is not there, and AliasMovesError when the plan would undo what
    somebody did to an alias since it was pinned.
    """
    if plan.moves:
        raise AliasMovesError(
            f"the plan would move an alias back: {', '.join(plan.moves)}. Somebody moved it after "
            "it was pinned, e.g. by a roll-back. Nothing was changed. Run the whole deployment "
            "again, which pins what is live now."
        )
    if bundle.exists():
        raise InputError(f"{bundle} exists. Name a folder that does not.")
    files = {}
    for path in plan.files:
        if not (project / path).is_file():
            raise InputError(
                f"the plan reads {path}, which is not there. Plan again, and pack on the machine "
                "and in the folder where it was planned."
            )
        _copy(project / path, bundle / path)
        files[path] = _sha256(bundle / path)
    manifest = Manifest(files=files)
    (bundle / MANIFEST).write_text(str(manifest), encoding="utf-8")
    return manifest


def unpack(bundle: Path, manifest_sha256: str, project: Path) -> Manifest:
    """Copy a bundle's files into a project, to where they were, if all are what was packed.

    Raises BundleError when one was changed, is missing or was added; then nothing is copied.
    """
    manifest = _verified(bundle, manifest_sha256)
    for path in manifest.files:
        _copy(bundle / path, project / path)
    return manifest


def _verified(bundle: Path, manifest_sha256: str) -> Manifest:
    try:
        text = (bundle / MANIFEST).read_bytes()
    except OSError as error:
        raise BundleError(f"{bundle} has no {MANIFEST}, so it is no bundle. {_NEXT}") from error
    if hashlib.sha256(text).hexdigest() != manifest_sha256:
        raise BundleError(
            f"{MANIFEST} is not the one that was planned, whose SHA-256 is "
            f"{manifest_sha256 or 'unknown'}. {_NEXT}"
        )
    manifest = _parsed(text.decode())
    there = set(_files(bundle)) - {PurePosixPath(MANIFEST)}
    wrong = [
        *(f"{path} is missing" for path in sorted(manifest.files.keys() - there)),
        *(f"{path} was added" for path in sorted(there - manifest.files.keys())),
        *(
            f"{path} was changed"
            for path in sorted(there & manifest.files.keys())
            if _sha256(bundle / path) != manifest.files[path]
        ),
    ]
    if wrong:
        raise BundleError(
            f"the bundle is not the one that was planned: {', '.join(wrong)}. {_NEXT}"
        )
    return manifest


def _parsed(text: str) -> Manifest:
    files = {PurePosixPath(line["path"]): line["sha256"] for line in _LINE.finditer(text)}
    if any(path.is_absolute() or ".." in path.parts for path in files):
        raise BundleError(f"{MANIFEST} names a file outside of the project. {_NEXT}")
    return Manifest(files=files)


def _files(folder: Path) -> Iterator[PurePosixPath]:
    """Yield all that is in a folder but folders, links as well, relative to it."""
    for root, folders, files in os.walk(folder):
        here = Path(root)
        links = [name for name in folders if (here / name).is_symlink()]
        for name in (*files, *links):
            yield PurePosixPath((here / name).relative_to(folder).as_posix())


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _sha256(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return "not a file"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
