"""Writing a layout to a folder, which Terraform's archive_file zips."""

from __future__ import annotations

import os
import stat
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from lambda_build.cache import sha256_of
from lambda_build.layout import InFile, InZip, changed_meanwhile, read_verified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from lambda_build.layout import Layout, Member

# The time of every staged file (1980-01-01, the oldest that a ZIP can hold). A file with another
# time was changed by somebody else.
_TIME = 315532800
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedFile:
    """What a file was when it was staged."""

    sha256: str
    size: int
    mode: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedTree:
    """A folder that was staged, and what each file in it was, by its path."""

    folder: Path
    files: Mapping[str, StagedFile]


def stage(layout: Layout, folder: Path, previous: StagedTree | None = None) -> None:
    """Write the members of a layout into an empty folder, with fixed modes and times.

    A file that `previous` holds with the same content is linked to, not written again, so a
    changed line of source costs one written file.
    """
    for name in sorted({member.path.rpartition("/")[0] for member in layout.members}):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        archives: dict[Path, zipfile.ZipFile] = {}
        for member in layout.members:
            if previous is not None and _linked(member, folder, previous):
                continue
            content = member.content
            if isinstance(content, InZip):
                if content.file not in archives:
                    archives[content.file] = stack.enter_context(zipfile.ZipFile(content.file))
                with archives[content.file].open(content.info) as opened:
                    _write(folder / member.path, _pieces(opened), member.mode)
            elif isinstance(content, InFile) and member.size > _CHUNK:
                _copy(member, content.file, folder / member.path)
            else:
                _write(folder / member.path, [read_verified(member)], member.mode)
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o755)  # noqa: PTH101, S103 - pathlib is slow here; Lambda's user reads it
        os.utime(path, (_TIME, _TIME))  # the layers of an image hold folders' times as well


def is_intact(tree: StagedTree) -> bool:
    """Return whether a staged folder holds exactly the files that were staged, unchanged."""
    found = 0
    for path, status in _walk(os.fspath(tree.folder), ""):
        file = tree.files.get(path)
        if file is None or not _is_as_staged(file, status):
            return False
        found += 1
    return found == len(tree.files)


def _is_as_staged(file: StagedFile, status: os.stat_result) -> bool:
    # The time is what gives an edit away; the size, a file that a power cut left empty.
    seen = (status.st_mtime, status.st_mode, status.st_size)
    return seen == (_TIME, stat.S_IFREG | file.mode, file.size)


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.stat(follow_symlinks=False)


def _linked(member: Member, folder: Path, previous: StagedTree) -> bool:
    file = previous.files.get(member.path)
    if file is None or (file.sha256, file.mode) != (member.sha256, member.mode):
        return False
    old = previous.folder / member.path
    try:
        if not _is_as_staged(file, old.lstat()):
            return False
        os.link(old, folder / member.path)
    except OSError:
        return False
    return True


def _copy(member: Member, file: Path, path: Path) -> None:
    """Copy a file that is too large to be in memory, and find that it is what was hashed."""
    try:
        with file.open("rb") as opened:
            _write(path, _pieces(opened), member.mode)
    except FileNotFoundError as error:
        raise changed_meanwhile(member) from error
    if sha256_of(path) != member.sha256:
        raise changed_meanwhile(member)


def _pieces(opened: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: opened.read(_CHUNK), b"")


def _write(path: Path, pieces: Iterable[bytes], mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(handle, view) :]
        os.fchmod(handle, mode)
        os.utime(handle, (_TIME, _TIME))
    finally:
        os.close(handle)
