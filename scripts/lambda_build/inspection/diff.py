"""What differs between two ZIPs: by package, version and file; and why bytes differ otherwise."""

from __future__ import annotations

import zipfile
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_build.cache import sha256_of
from lambda_build.checks.findings import Severity
from lambda_build.errors import VerificationError
from lambda_build.inspection.distributions import owners, read_distributions
from lambda_build.inspection.reader import Archive, read_archive
from lambda_build.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Codes of findings that mean that some of a ZIP could not be read.
_UNREADABLE = {"not-a-zip", "damaged", "encrypted", "unsafe-name", "duplicate-name"}


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageChange:
    """A distribution of which the two ZIPs hold different versions; None where it is not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FileChange:
    """A file that differs."""

    path: str
    kind: str  # added, removed, changed
    owner: str  # the distribution's name, or `own files`
    what: str  # of a changed one: content, mode


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What differs between two ZIPs."""

    same_bytes: bool
    packages: tuple[PackageChange, ...]
    files: tuple[FileChange, ...]  # without bytecode, by owner and path
    bytecode: Mapping[str, int]  # how many .pyc files were added, removed, changed
    unzipped_bytes: tuple[int, int]
    reasons: tuple[str, ...]  # why bytes differ where the content does not

    @property
    def is_same(self) -> bool:
        """Whether unpacking the one leaves what unpacking the other does."""
        return not (self.packages or self.files or self.bytecode)


def compare(before: Path, after: Path) -> Difference:
    """Return what differs between two ZIPs.

    Raises UsageError when one is not there, VerificationError when it cannot be read whole.
    """
    archives = _read(before), _read(after)
    files = sorted(_changes(*archives), key=lambda change: (change.owner, change.path))
    same_bytes = sha256_of(before) == sha256_of(after)
    return Difference(
        same_bytes=same_bytes,
        packages=tuple(_packages(*archives)),
        files=tuple(change for change in files if not change.path.endswith(".pyc")),
        bytecode=dict(
            sorted(Counter(change.kind for change in files if change.path.endswith(".pyc")).items())
        ),
        unzipped_bytes=(archives[0].unzipped_bytes, archives[1].unzipped_bytes),
        reasons=() if same_bytes else tuple(_reasons(before, after)),
    )


def _read(file: Path) -> Archive:
    # Bytecode is compared as bytes, so no Python's magic number matters.
    archive = read_archive(file, Target().pyc_magic)
    for finding in archive.findings:
        if finding.code in _UNREADABLE and finding.severity is Severity.ERROR:
            raise VerificationError(f"{file}: {finding.text}")
    if not archive.is_read:
        raise VerificationError(
            f"{file} unzips to {archive.unzipped_bytes / 1e6:.1f} MB, more than Lambda takes, and "
            "is not read."
        )
    return archive


def _packages(before: Archive, after: Archive) -> Iterator[PackageChange]:
    old, new = (
        {found.name: found.version for found in read_distributions(archive.entries)[0]}
        for archive in (before, after)
    )
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield PackageChange(name=name, before=old.get(name), after=new.get(name))


def _changes(before: Archive, after: Archive) -> Iterator[FileChange]:
    owned = _owners(before) | _owners(after)
    for path in before.entries.keys() | after.entries.keys():
        old, new = before.entries.get(path), after.entries.get(path)
        kind, what = "changed", ""
        if old is None:
            kind = "added"
        elif new is None:
            kind = "removed"
        else:
            what = ", ".join(_differing(old.sha256, new.sha256, old.mode, new.mode))
            if not what:
                continue
        yield FileChange(path=path, kind=kind, owner=owned.get(path, "own files"), what=what)


def _differing(
    old_sha256: str, new_sha256: str, old_mode: int | None, new_mode: int | None
) -> Iterator[str]:
    if old_sha256 != new_sha256:
        yield "content"
    if old_mode != new_mode and None not in {old_mode, new_mode}:
        yield f"mode {old_mode:04o} → {new_mode:04o}"


def _owners(archive: Archive) -> dict[str, str]:
    found, _ = read_distributions(archive.entries)
    named = owners(found)
    # An installer adds its own files: the metadata's folder says whose they are.
    folders = {distribution.folder: str(distribution) for distribution in found}
    for path in archive.entries:
        folder = path.partition("/")[0]
        if folder in folders:
            named.setdefault(path, folders[folder])
    return {path: owner.partition(" ")[0] for path, owner in named.items()}


def _reasons(before: Path, after: Path) -> Iterator[str]:
    with zipfile.ZipFile(before) as old, zipfile.ZipFile(after) as new:
        infos = [archive.infolist() for archive in (old, new)]
        comments = {old.comment, new.comment}
    files = [{info.filename: info for info in found} for found in infos]
    orders = [[info.filename for info in found if not info.is_dir()] for found in infos]
    folders = [{info.filename for info in found if info.is_dir()} for found in infos]
    both = [
        (info, files[1][name])
        for name, info in files[0].items()
        if name in files[1] and not info.is_dir()
    ]
    said = []
    if any(one.date_time != other.date_time for one, other in both):
        said.append("times")
    if orders[0] != orders[1]:
        said.append("order")
    if any(
        (one.compress_type, one.compress_size) != (other.compress_type, other.compress_size)
        for one, other in both
    ):
        said.append("compression")
    if folders[0] != folders[1]:
        said.append("entries for folders")
    if len(comments) > 1 or any(one.extra != other.extra for one, other in both):
        said.append("comments or extra fields")
    yield from said or ["how the ZIP was written"]
