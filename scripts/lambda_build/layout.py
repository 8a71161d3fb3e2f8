"""The layout of a package: every file that it will hold, and where its bytes come from.

A layout is a value. `stage` writes it to a folder and `archive` to a ZIP, so both hold the same.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_build.errors import ConflictError, SourceError
from lambda_build.zip_member import inflated_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lambda_build.source import SourceFile
    from lambda_build.wheel import Wheel


@dataclass(frozen=True, kw_only=True, slots=True)
class InFile:
    """Bytes that are a file's."""

    file: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class InZip:
    """Bytes that are a ZIP's member's, to be had compressed as they are."""

    file: Path
    info: zipfile.ZipInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class InMemory:
    """Bytes at hand."""

    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A file of a package."""

    path: str
    executable: bool
    size: int
    sha256: str
    origin: str  # in words for a person: `source`, `boto3 1.44.5`
    content: InFile | InZip | InMemory

    @property
    def mode(self) -> int:
        """The permission bits: Lambda runs as another user, so everybody may read."""
        return 0o755 if self.executable else 0o644


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The members of a package, sorted by path, no path twice."""

    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        """The unzipped size in bytes."""
        return sum(member.size for member in self.members)

    def find(self, path: str) -> Member | None:
        """Return the member with that path, if there is one."""
        return next((member for member in self.members if member.path == path), None)


def lay_out(*groups: Iterable[Member]) -> Layout:
    """Return the layout of all these members.

    One path from two origins is fine where the content is the same (namespace packages do that),
    and ConflictError where it is not.
    """
    by_path: dict[str, Member] = {}
    for group in groups:
        for member in group:
            other = by_path.setdefault(member.path, member)
            if other.sha256 != member.sha256:
                raise ConflictError(
                    f"{member.path} is in {other.origin} and in {member.origin}, with different "
                    "content; one would hide the other.\nRename the file, or remove one of the two."
                )
    members = tuple(by_path[path] for path in sorted(by_path))
    _refuse_files_that_are_folders(members)
    return Layout(members=members)


def source_members(files: Sequence[SourceFile]) -> list[Member]:
    """Return the members that a function's own files make."""
    return [
        Member(
            path=file.path,
            executable=file.executable,
            size=file.size,
            sha256=file.sha256,
            origin="source",
            content=InFile(file=file.file),
        )
        for file in files
    ]


def wheel_members(wheel: Wheel) -> list[Member]:
    """Return the members that a wheel makes, installed at the root that Lambda imports from."""
    origin = f"{wheel.name} {wheel.version}"
    return [
        Member(
            path=member.path,
            executable=member.executable,
            size=member.info.file_size,
            sha256=member.sha256,
            origin=origin,
            content=InZip(file=wheel.file, info=member.info),
        )
        for member in wheel.members
    ]


def read_content(content: InFile | InZip | InMemory) -> bytes:
    """Return a member's bytes, whole."""
    match content:
        case InFile():
            return content.file.read_bytes()
        case InZip(file=path, info=info):
            if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                with zipfile.ZipFile(path) as archive:
                    return archive.read(info)
            with path.open("rb") as file:
                data = b"".join(inflated_pieces(info, file.fileno()))
            if zlib.crc32(data) != info.CRC:
                raise zipfile.BadZipFile(f"{info.filename} does not have the CRC-32 that it claims")
            return data
        case InMemory():
            return content.data


def read_verified(member: Member) -> bytes:
    """Return a member's bytes; SourceError when they are not those that were hashed before."""
    try:
        data = read_content(member.content)
    except FileNotFoundError as error:
        raise changed_meanwhile(member) from error
    if isinstance(member.content, InFile) and hashlib.sha256(data).hexdigest() != member.sha256:
        raise changed_meanwhile(member)
    return data


def changed_meanwhile(member: Member) -> SourceError:
    """Return the error that says that somebody wrote to a file while it was being packaged."""
    return SourceError(
        f"{member.path} (from {member.origin}) was changed while it was being packaged.\n"
        "Run the command again."
    )


def _refuse_files_that_are_folders(members: Sequence[Member]) -> None:
    files = {member.path: member for member in members}
    folders: set[str] = set()
    for member in members:
        folder = member.path.rpartition("/")[0]
        while folder and folder not in folders:
            other = files.get(folder)
            if other is not None:
                raise ConflictError(
                    f"{other.path} is a file in {other.origin} and a folder in {member.origin}.\n"
                    "Rename the file, or remove one of the two."
                )
            folders.add(folder)
            folder = folder.rpartition("/")[0]
