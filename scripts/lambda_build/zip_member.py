"""A ZIP's member, read where it lies: without the archive's directory, which is read already.

Opening an archive again for each of its members costs more than reading them: 12 ms for scipy's
1,500 names.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, BadZipFile, ZipInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOCAL = struct.Struct("<4s5H3I2H")
"""A member's local header, up to its name (PKWARE's APPNOTE.TXT 6.3.10, 4.3.7)."""

_CHUNK = 1 << 20


def info_row(info: ZipInfo) -> list[str | int]:
    """Return what JSON can hold of a ZIP's member, for `info_of`."""
    return [
        *(info.filename, info.header_offset, info.flag_bits, info.compress_type),
        *(info.CRC, info.compress_size, info.file_size),
    ]


def info_of(row: Sequence[Any]) -> ZipInfo:
    """Return a member to be read, without its time and attributes, from what `info_row` gave."""
    name, info = row[0], ZipInfo(row[0])
    info.filename = info.orig_filename = name
    info.header_offset, info.flag_bits, info.compress_type = row[1:4]
    info.CRC, info.compress_size, info.file_size = row[4:]
    return info


def data_offset(info: ZipInfo, file: int) -> int:
    """Return where the compressed bytes of a ZIP's member begin, in the file with that number.

    That is said by the member's own local header. Raises BadZipFile.
    """
    header = os.pread(file, LOCAL.size, info.header_offset)
    if len(header) < LOCAL.size or not header.startswith(b"PK\3\4"):
        raise BadZipFile(f"{info.filename} is not where it says")
    name_length, extra_length = LOCAL.unpack(header)[-2:]
    return info.header_offset + LOCAL.size + int(name_length) + int(extra_length)


def compressed_pieces(info: ZipInfo, file: int) -> Iterator[bytes]:
    """Yield the compressed bytes of a ZIP's member in pieces of bounded size; BadZipFile."""
    start = data_offset(info, file)
    end = start + info.compress_size
    while start < end:
        piece = os.pread(file, min(end - start, _CHUNK), start)
        if not piece:
            raise BadZipFile(f"it ends inside {info.filename}")
        yield piece
        start += len(piece)


def inflated_pieces(info: ZipInfo, file: int) -> Iterator[bytes]:
    """Yield the bytes of a stored or deflated member in pieces of bounded size.

    Raises BadZipFile, zlib.error, or ValueError where they are not compressed into what is claimed.
    """
    if info.compress_type == ZIP_STORED:
        yield from compressed_pieces(info, file)
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in compressed_pieces(info, file):
        if inflater.eof:
            break
        yield inflater.decompress(piece, _CHUNK)
        while inflater.unconsumed_tail:
            yield inflater.decompress(inflater.unconsumed_tail, _CHUNK)
    else:
        while not inflater.eof and (more := inflater.decompress(b"", _CHUNK)):
            yield more
        if inflater.eof and not inflater.unused_data:
            return
    raise ValueError(f"{info.filename} is compressed into other bytes than it claims")
