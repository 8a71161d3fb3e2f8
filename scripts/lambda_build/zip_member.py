"""A ZIP's member, read where it lies: without the archive's directory, which is read already.

Opening an archive again for each of its members costs more than reading them: 12 ms for scipy's
1,500 names.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING
from zipfile import ZIP_STORED, BadZipFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zipfile import ZipInfo

LOCAL = struct.Struct("<4s5H3I2H")
"""A member's local header, up to its name (PKWARE's APPNOTE.TXT 6.3.10, 4.3.7)."""

_CHUNK = 1 << 20


def compressed_pieces(info: ZipInfo, file: int) -> Iterator[bytes]:
    """Yield the compressed bytes of a ZIP's member, from the file with that number.

    Where they start is said by the member's own local header. Raises BadZipFile.
    """
    header = os.pread(file, LOCAL.size, info.header_offset)
    if len(header) < LOCAL.size or header[:4] != b"PK\3\4":
        raise BadZipFile(f"{info.filename} is not where it says")
    name_length, extra_length = LOCAL.unpack(header)[-2:]
    start = info.header_offset + LOCAL.size + name_length + extra_length
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
