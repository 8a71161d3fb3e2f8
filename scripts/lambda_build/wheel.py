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
import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from lambda_build.errors import SizeError, WheelError
from lambda_build.zip_member import inflated_pieces, info_of, info_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lambda_build.target import Target

# Where the folders of `NAME.data/` are installed, below the root that Lambda imports from.
# Headers serve a compiler, and there is none.
DATA_SCHEMES = {"purelib": "", "platlib": "", "scripts": "bin/", "data": ""}

_FORMAT = 1  # of what is kept of a wheel: raised when wheels are read in another way
_STORED, _DEFLATED = 0, 8
_OTHER_METHODS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz"}
_LONGEST_NAME_BYTES = 255  # of every file system that Linux has
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CHUNK = 1 << 20

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

    Only the ZIP's directory and RECORD are read. Raises WheelError when the wheel is broken,
    SizeError when it claims to be larger than a package may be.
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


def wheel_facts(wheel: Wheel) -> dict[str, Any]:
    """Return what JSON can hold of a wheel, for `wheel_of_facts`."""
    return {
        "format": _FORMAT,
        "filename": wheel.filename,
        "members": [
            [member.path, member.sha256, member.executable, *info_row(member.info)]
            for member in wheel.members
        ],
    }


def wheel_of_facts(
    facts: Mapping[str, Any], file: Path, filename: str, sha256: str
) -> Wheel | None:
    """Return the wheel that facts are of, unread; None when they are of another name or version.

    Reading 23 wheels' directories and RECORDs takes 30 ms; this takes 8.
    """
    if (facts["format"], facts["filename"]) != (_FORMAT, filename):
        return None
    members = tuple(
        WheelMember(path=row[0], sha256=row[1], executable=row[2], info=info_of(row[3:]))
        for row in facts["members"]
    )
    return Wheel(file=file, filename=filename, sha256=sha256, members=members)


def verify_wheel(wheel: Wheel) -> None:
    """Read every member once; WheelError when one is not what RECORD and the ZIP say it is.

    Done when a wheel enters the cache, so that its compressed bytes can be copied as they are:
    nothing may follow a member's data in them that one reader of ZIPs would see and another not.
    Memory stays bounded, whatever a member claims to be.
    """
    try:
        with zipfile.ZipFile(wheel.file) as archive, wheel.file.open("rb") as file:
            for member in wheel.members:
                archive.open(member.info).close()  # its own header names it as the directory does
                digest = _digest(member.info, file.fileno())
                # RECORD cannot hold its own hash.
                if digest != member.sha256:
                    raise WheelError(
                        f"{wheel.filename}: {member.info.filename} is not the file that its RECORD "
                        "names"
                    )
    except BROKEN as error:
        raise WheelError(f"{wheel.filename} is broken: {error}") from error


def _digest(info: zipfile.ZipInfo, file: int) -> str:
    """Return the SHA-256 of a member; ValueError unless all of its bytes are as declared."""
    digest, crc, size = hashlib.sha256(), 0, 0
    for piece in inflated_pieces(info, file):
        digest.update(piece)
        crc = zlib.crc32(piece, crc)
        size += len(piece)
        if size > info.file_size:
            break
    if size != info.file_size:
        more = "more" if size > info.file_size else "less"
        raise ValueError(f"{info.filename} holds {more} than the {info.file_size} bytes it claims")
    if crc != info.CRC:
        raise ValueError(f"{info.filename} does not have the CRC-32 that it claims")
    return digest.hexdigest()


def _members(archive: zipfile.ZipFile, filename: str) -> Iterator[WheelMember]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    for info in infos:
        _refuse_unsafe(info, filename)
    _refuse_large(infos, filename)
    names = {info.filename for info in infos}
    if len(names) != len(infos):
        raise WheelError(f"{filename} holds one name twice")
    record_name = _record_name(names, filename)
    record = b"".join(_pieces(archive, record_name))
    record_sha256 = hashlib.sha256(record).hexdigest()
    recorded = _recorded(archive, record.decode())
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
    folders = sorted({name.partition("/")[0] for name in names if ".dist-info/" in name})
    for folder in folders:
        is_own = canonicalize_name(folder.partition("-")[0]) == wanted
        if folder.endswith(".dist-info") and not is_own:
            raise WheelError(f"{filename} holds the metadata of another package, {folder}")
    found = [name for folder in folders if (name := f"{folder}/RECORD") in names]
    if len(found) != 1:
        raise WheelError(f"{filename} has {'several RECORDs' if found else 'no RECORD'}")
    return found[0]


def _recorded(archive: zipfile.ZipFile, text: str) -> Mapping[str, str]:
    """Return RECORD's SHA-256 hashes in hex, by the member's name; stronger ones are verified."""
    hashes = {}
    for row in csv.reader(io.StringIO(text)):
        name, (algorithm, _, encoded) = row[0] if row else "", "".join(row[1:2]).partition("=")
        if algorithm not in _ALGORITHMS:
            continue
        listed = base64.urlsafe_b64decode(f"{encoded}==").hex()
        if algorithm != "sha256":
            own, sha256 = hashlib.new(algorithm), hashlib.sha256()
            for piece in _pieces(archive, name):
                own.update(piece)
                sha256.update(piece)
            if own.hexdigest() != listed:
                continue  # as if it were not listed
            listed = sha256.hexdigest()
        hashes[name] = listed
    return hashes


def _pieces(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with archive.open(name) as opened:  # asked for everything, it would inflate 2 GB at once
        yield from iter(lambda: opened.read(_CHUNK), b"")


def _refuse_unsafe(info: zipfile.ZipInfo, filename: str) -> None:
    name, parts = info.filename, info.filename.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in name or ":" in name[:3]:
        raise WheelError(f"{filename} holds {name!r}, which would be written outside the package")
    if name != info.orig_filename or _CONTROL.search(name):
        raise WheelError(f"{filename} holds {info.orig_filename!r}, which no file is named")
    if max(len(part.encode()) for part in parts) > _LONGEST_NAME_BYTES:
        raise WheelError(
            f"{filename} holds {name[:40]!r}…, which has a part of more than {_LONGEST_NAME_BYTES} "
            "bytes: no file system takes it"
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise WheelError(f"{filename} holds {name!r}, a symbolic link; wheels have none")
    if info.flag_bits & 1:
        raise WheelError(f"{filename} holds {name!r}, which is encrypted")
    if info.compress_type not in {_STORED, _DEFLATED}:
        # PyPI takes no others, and bzip2 makes 4 GB of 4 KB at one call, which nothing bounds.
        method = _OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise WheelError(
            f"{filename} holds {name!r}, which is compressed by {method}; wheels are stored or "
            "deflated"
        )
    if info.compress_type == _STORED and info.compress_size != info.file_size:
        raise WheelError(f"{filename} holds {name!r}, whose two sizes contradict each other")


def _refuse_large(infos: list[zipfile.ZipInfo], filename: str) -> None:
    """Raise SizeError for a wheel that no package can hold, before any of it is inflated."""
    # Imported here: the checks read wheels.
    from lambda_build.checks.check import LARGEST_UNZIPPED_BYTES  # noqa: PLC0415

    size = sum(info.file_size for info in infos)
    if size > LARGEST_UNZIPPED_BYTES:
        raise SizeError(
            f"{filename} is {size / 1e6:.1f} MB unzipped, and Lambda takes "
            f"{LARGEST_UNZIPPED_BYTES / 1e6:.1f} MB (250 MiB) with layers.\n"
            "Drop what needs it, or deploy the function as a container image (10 GB)."
        )


def _installed_path(name: str, data: str) -> str | None:
    if "__pycache__/" in name:
        return None  # some Python's bytecode, of unknown age: what is packaged is compiled here
    if not name.startswith(data):
        return name
    scheme, _, rest = name.removeprefix(data).partition("/")
    prefix = DATA_SCHEMES.get(scheme)
    return prefix + rest if rest and prefix is not None else None
