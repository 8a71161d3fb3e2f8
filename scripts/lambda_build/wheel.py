"""A wheel: a ZIP whose name says where it runs, and whose RECORD says what it holds.

The rules are from the packaging user guide's "Binary distribution format" (PEP 427) and
"Recording installed projects". Nothing is unpacked: members are named, and read where they are.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import lzma
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from lambda_build.errors import WheelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lambda_build.target import Target

# Where the folders of `NAME.data/` are installed, below the root that Lambda imports from.
# Headers serve a compiler, and there is none.
DATA_SCHEMES = {"purelib": "", "platlib": "", "scripts": "bin/", "data": ""}

# RECORD's hashes are SHA-256 or better.
_ALGORITHMS = {"sha256", "sha384", "sha512"}

# What zipfile and csv raise for a file that is damaged, or made to do damage.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    csv.Error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    RuntimeError,  # also NotImplementedError
)


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelMember:
    """A file of a wheel: where it is installed, and where its compressed bytes lie."""

    path: str
    info: zipfile.ZipInfo
    sha256: str
    executable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A verified wheel on the disk."""

    file: Path
    filename: str
    sha256: str
    members: tuple[WheelMember, ...]

    @property
    def name(self) -> str:
        """The package's normalised name."""
        return str(canonicalize_name(self.filename.partition("-")[0]))

    @property
    def version(self) -> str:
        """The package's version."""
        return self.filename.split("-")[1]


def rank(filename: str, target: Target) -> int | None:
    """Return how specific a wheel is to the target, 0 the most; None when it does not run there."""
    try:
        *_, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return None
    return min((target.tags[tag] for tag in tags if tag in target.tags), default=None)


def read_wheel(file: Path, filename: str, sha256: str) -> Wheel:
    """Return the wheel in a file, with its members sorted by where they are installed.

    Only the ZIP's directory and RECORD are read. Raises WheelError when the wheel is broken.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return Wheel(
                file=file,
                filename=filename,
                sha256=sha256,
                members=tuple(_members(archive, filename)),
            )
    except BROKEN as error:
        raise WheelError(f"{filename} is not a whole wheel: {error}") from error


def verify_wheel(wheel: Wheel) -> None:
    """Read every member once; WheelError when one is not what RECORD and the ZIP say it is.

    Done when a wheel enters the cache, so that its compressed bytes can be copied as they are.
    """
    try:
        with zipfile.ZipFile(wheel.file) as archive:
            for member in wheel.members:
                # RECORD cannot hold its own hash.
                if member.sha256 != hashlib.sha256(archive.read(member.info)).hexdigest():
                    raise WheelError(
                        f"{wheel.filename}: {member.info.filename} is not the file that its RECORD "
                        "names"
                    )
    except BROKEN as error:
        raise WheelError(f"{wheel.filename} is broken: {error}") from error


def _members(archive: zipfile.ZipFile, filename: str) -> Iterator[WheelMember]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    for info in infos:
        _refuse_unsafe(info, filename)
    names = {info.filename for info in infos}
    if len(names) != len(infos):
        raise WheelError(f"{filename} holds one name twice")
    record_name = _record_name(names, filename)
    recorded = _recorded(archive, archive.read(record_name).decode())
    record_sha256 = hashlib.sha256(archive.read(record_name)).hexdigest()
    stem = record_name.removesuffix(".dist-info/RECORD")
    members = []
    for info in infos:
        if info.filename in {f"{record_name}.jws", f"{record_name}.p7s"}:
            continue
        path = _installed_path(info.filename, f"{stem}.data/")
        # RECORD cannot hold its own hash.
        listed = record_sha256 if info.filename == record_name else recorded.get(info.filename)
        if listed is None:
            raise WheelError(f"{filename}: its RECORD does not list {info.filename}")
        if path is not None:
            executable = bool(info.external_attr >> 16 & stat.S_IXUSR)
            members.append(WheelMember(path=path, info=info, sha256=listed, executable=executable))
    yield from sorted(members, key=lambda member: member.path)


def _record_name(names: set[str], filename: str) -> str:
    wanted = canonicalize_name(filename.partition("-")[0])
    for name in sorted(names):
        folder, _, rest = name.partition("/")
        if rest == "RECORD" and folder.endswith(".dist-info"):
            if canonicalize_name(folder.partition("-")[0]) == wanted:
                return name
            raise WheelError(f"{filename} holds the metadata of another package, {folder}")
    raise WheelError(f"{filename} has no RECORD")


def _recorded(archive: zipfile.ZipFile, text: str) -> Mapping[str, str]:
    """Return RECORD's SHA-256 hashes in hex, by the member's name; stronger ones are verified."""
    hashes = {}
    for row in csv.reader(io.StringIO(text)):
        name, (algorithm, _, encoded) = row[0] if row else "", "".join(row[1:2]).partition("=")
        if algorithm not in _ALGORITHMS:
            continue
        listed = base64.urlsafe_b64decode(f"{encoded}==").hex()
        if algorithm != "sha256":
            data = archive.read(name)
            if hashlib.new(algorithm, data).hexdigest() != listed:
                continue  # as if it were not listed
            listed = hashlib.sha256(data).hexdigest()
        hashes[name] = listed
    return hashes


def _refuse_unsafe(info: zipfile.ZipInfo, filename: str) -> None:
    name = info.filename
    if {"", ".", ".."} & set(name.split("/")) or "\\" in name or ":" in name[:3]:
        raise WheelError(f"{filename} holds {name!r}, which would be written outside the package")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise WheelError(f"{filename} holds {name!r}, a symbolic link; wheels have none")
    if info.flag_bits & 1:
        raise WheelError(f"{filename} holds {name!r}, which is encrypted")


def _installed_path(name: str, data: str) -> str | None:
    if "__pycache__/" in name:
        return None  # some Python's bytecode, of unknown age: what is packaged is compiled here
    if not name.startswith(data):
        return name
    scheme, _, rest = name.removeprefix(data).partition("/")
    prefix = DATA_SCHEMES.get(scheme)
    return None if prefix is None else prefix + rest
