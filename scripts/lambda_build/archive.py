"""Writing a layout into a ZIP: the same layout gives the same bytes.

Members that are compressed already, in a wheel or in the bytecode cache, are copied as they are:
for FastAPI, boto3 and Pillow that takes 0.04 s where unpacking and compressing takes 4 s
(docs/surprises.md). Python's zipfile cannot copy compressed members, so the format is written
here (PKWARE's APPNOTE.TXT 6.3.10).
"""

from __future__ import annotations

import hashlib
import stat
import struct
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from lambda_build.errors import WheelError
from lambda_build.layout import InFile, InZip, changed_meanwhile, read_content

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lambda_build.layout import Layout, Member

_STORED, _DEFLATED = 0, 8
_LEVEL = 6
_CHUNK = 1 << 20
_DATE = 1 << 5 | 1  # 1980-01-01 in MS-DOS format, the oldest that a ZIP can hold
_UTF8 = 1 << 11
_UNIX = 3 << 8
_VERSION = 20
_MOST_MEMBERS = 0xFFFF

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Written:
    """What the central directory says of a member."""

    name: bytes
    flags: int
    method: int
    crc: int
    compressed: int
    size: int
    mode: int
    offset: int


def write_archive(layout: Layout, output: BinaryIO) -> None:
    """Write the members of a layout, in their order, as a ZIP into a seekable file.

    Memory stays bounded: contents pass through in pieces.
    """
    written = []
    with ExitStack() as stack:
        opened: dict[Path, BinaryIO] = {}
        for member in layout.members:
            if isinstance(member.content, InZip) and member.content.file not in opened:
                file = member.content.file
                opened[file] = stack.enter_context(file.open("rb"))
            written.append(_write_member(member, output, opened))
    _write_directory(written, output)


def _write_member(member: Member, output: BinaryIO, opened: dict[Path, BinaryIO]) -> _Written:
    name = member.path.encode()
    offset = output.tell()
    output.write(bytes(_LOCAL.size) + name)
    content = member.content
    if isinstance(content, InZip) and content.info.compress_type in {_STORED, _DEFLATED}:
        _copy(content, opened[content.file], output)
        method, crc = content.info.compress_type, content.info.CRC
    else:
        method, crc = _DEFLATED, _deflate(member, output)
    end = output.tell()
    written = _Written(
        name=name,
        flags=0 if member.path.isascii() else _UTF8,
        method=method,
        crc=crc,
        compressed=end - offset - _LOCAL.size - len(name),
        size=member.size,
        mode=stat.S_IFREG | member.mode,
        offset=offset,
    )
    output.seek(offset)
    output.write(_LOCAL.pack(b"PK\3\4", *_common(written), 0))
    output.seek(end)
    return written


def _copy(content: InZip, file: BinaryIO, output: BinaryIO) -> None:
    """Copy a member's compressed bytes; where they start is said by its own local header."""
    file.seek(content.info.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\3\4":
        raise WheelError(f"{content.file} is broken: {content.info.filename} is not where it says")
    name_length, extra_length = _LOCAL.unpack(header)[-2:]
    file.seek(name_length + extra_length, 1)
    left = content.info.compress_size
    while left:
        piece = file.read(min(left, _CHUNK))
        if not piece:
            raise WheelError(f"{content.file} is broken: it ends inside {content.info.filename}")
        output.write(piece)
        left -= len(piece)


def _deflate(member: Member, output: BinaryIO) -> int:
    """Write a member's bytes compressed, and return their CRC-32."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    crc, digest = 0, hashlib.sha256()
    for piece in _pieces(member):
        crc = zlib.crc32(piece, crc)
        digest.update(piece)
        output.write(compressor.compress(piece))
    output.write(compressor.flush())
    if digest.hexdigest() != member.sha256:
        raise changed_meanwhile(member)
    return crc


def _pieces(member: Member) -> Iterator[bytes]:
    if isinstance(member.content, InFile):
        try:
            file = member.content.file.open("rb")
        except FileNotFoundError as error:
            raise changed_meanwhile(member) from error
        with file:
            while piece := file.read(_CHUNK):
                yield piece
    else:
        yield read_content(member.content)


def _common(written: _Written) -> tuple[int, ...]:
    """Return the fields that a local and a central header share, from version to name length."""
    return (
        *(_VERSION, written.flags, written.method, 0, _DATE),
        *(written.crc, written.compressed, written.size, len(written.name)),
    )


def _write_directory(written: list[_Written], output: BinaryIO) -> None:
    start = output.tell()
    for member in written:
        attributes = member.mode << 16
        output.write(
            _CENTRAL.pack(
                *(b"PK\1\2", _UNIX | _VERSION, *_common(member)),
                *(0, 0, 0, 0, attributes, member.offset),
            )
            + member.name
        )
    end = output.tell()
    count = len(written)
    if count >= _MOST_MEMBERS:  # sizes never need ZIP64: Lambda takes 250 MB
        output.write(
            _END_64.pack(
                *(b"PK\6\6", _END_64.size - 12, _UNIX | 45, 45),
                *(0, 0, count, count, end - start, start),
            )
        )
        output.write(_LOCATOR_64.pack(b"PK\6\7", 0, end, 1))
    shown = min(count, _MOST_MEMBERS)
    output.write(_END.pack(b"PK\5\6", 0, 0, shown, shown, end - start, start, 0))
