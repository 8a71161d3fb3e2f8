"""Writing a layout into a ZIP: the same layout gives the same bytes.

Members that are compressed already, in a wheel or in the bytecode cache, are copied as they are:
for FastAPI, boto3 and Pillow that takes 0.04 s where unpacking and compressing takes 4 s
(docs/surprises.md). Python's zipfile cannot copy compressed members, so the format is written
here (PKWARE's APPNOTE.TXT 6.3.10).
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, BinaryIO, Self
from zipfile import BadZipFile

from lambda_build.errors import WheelError
from lambda_build.layout import InFile, InZip, changed_meanwhile, read_content
from lambda_build.zip_member import LOCAL, data_offset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from lambda_build.layout import Layout, Member

COMPRESSOR = f"zlib {zlib.ZLIB_RUNTIME_VERSION}"
_STORED, _DEFLATED = 0, 8
_LEVEL = 6
_CHUNK = 1 << 20
_SPOOLED = 8 << 20  # what is compressed here waits in memory up to this, then in a file
_DATE = 1 << 5 | 1  # 1980-01-01 in MS-DOS format, the oldest that a ZIP can hold
_UTF8 = 1 << 11
_UNIX = 3 << 8
_VERSION = 20
_MOST_MEMBERS = 0xFFFF

_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """What was written."""

    sha256: str  # in hex
    compressor: str  # of what was compressed here


def write_archive(layout: Layout, output: BinaryIO, *, smallest: bool = False) -> Archive:
    """Write the members of a layout, in their order, as a ZIP; `smallest` compresses all anew.

    Memory stays bounded: contents pass through in pieces. Nothing is written twice, so `output`
    need not be seekable.
    """
    if smallest:
        return _write_smallest(layout, output)
    with ExitStack() as stack:
        sink = stack.enter_context(_Sink(output))
        opened: dict[Path, int] = {}
        for member in layout.members:
            content = member.content
            if isinstance(content, InZip) and content.info.compress_type in {_STORED, _DEFLATED}:
                if content.file not in opened:
                    file = stack.enter_context(content.file.open("rb"))
                    opened[content.file] = file.fileno()
                _copy(member, content, opened[content.file], sink)
            else:
                _compress(member, sink)
        sink.finish()
    return Archive(sha256=sink.sha256, compressor=COMPRESSOR)


def _write_smallest(layout: Layout, output: BinaryIO) -> Archive:
    from lambda_build import smallest  # noqa: PLC0415 - its library is needed by nothing else

    with _Sink(output) as sink:
        members = zip(layout.members, smallest.compressed(layout.members), strict=True)
        for member, small in members:
            sink.begin(member, small.method, small.crc, len(small.data))
            sink.write(small.data)
        sink.finish()
    return Archive(sha256=sink.sha256, compressor=smallest.COMPRESSOR)


class _Sink:
    """A ZIP that is written from its first byte to its last.

    Two buffers take turns: one is hashed in a thread while the other is filled.
    """

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._directory: list[bytes] = []
        self._buffer, self._other = (memoryview(bytearray(_CHUNK)) for _ in range(2))
        self._used = 0  # of the buffer
        self._flushed = 0  # before it
        self._digest = hashlib.sha256()
        self._hasher = ThreadPoolExecutor(1)
        self._hashing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._hasher.shutdown()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def _position(self) -> int:
        return self._flushed + self._used

    def begin(self, member: Member, method: int, crc: int, compressed: int) -> None:
        """Write what stands before a member's compressed bytes, which `write` is given next."""
        name = member.path.encode()
        common = (
            *(_VERSION, 0 if member.path.isascii() else _UTF8, method, 0, _DATE),
            *(crc, compressed, member.size, len(name)),
        )
        attributes = (stat.S_IFREG | member.mode) << 16
        self._directory.append(
            _CENTRAL.pack(
                *(b"PK\1\2", _UNIX | _VERSION, *common),
                *(0, 0, 0, 0, attributes, self._position),
            )
            + name
        )
        self.write(LOCAL.pack(b"PK\3\4", *common, 0) + name)

    def finish(self) -> None:
        """Write the directory of all members."""
        count, start = len(self._directory), self._position
        self.write(b"".join(self._directory))
        end = self._position
        if count >= _MOST_MEMBERS:  # sizes never need ZIP64: Lambda takes 250 MB
            self.write(
                _END_64.pack(
                    *(b"PK\6\6", _END_64.size - 12, _UNIX | 45, 45),
                    *(0, 0, count, count, end - start, start),
                )
            )
            self.write(_LOCATOR_64.pack(b"PK\6\7", 0, end, 1))
        shown = min(count, _MOST_MEMBERS)
        self.write(_END.pack(b"PK\5\6", 0, 0, shown, shown, end - start, start, 0))

    def write(self, data: bytes) -> None:
        written = 0
        while written < len(data):
            room = self._room()
            piece = data[written : written + len(room)]
            room[: len(piece)] = piece
            self._used += len(piece)
            written += len(piece)

    def copy(self, file: int, offset: int, size: int) -> None:
        """Write bytes of the file with that number; EOFError where it has fewer."""
        end = offset + size
        while offset < end:
            read = os.preadv(file, [self._room()[: end - offset]], offset)
            if not read:
                raise EOFError
            self._used += read
            offset += read

    def _room(self) -> memoryview:
        if self._used == _CHUNK:
            self._flush()
        return self._buffer[self._used :]

    def _flush(self) -> None:
        data = self._buffer[: self._used]
        if self._hashing is not None:
            self._hashing.result()  # of the other buffer, which is filled next
        self._hashing = self._hasher.submit(self._digest.update, data)
        self._output.write(data)
        self._flushed += self._used
        self._buffer, self._other, self._used = self._other, self._buffer, 0


def _copy(member: Member, content: InZip, file: int, sink: _Sink) -> None:
    info = content.info
    sink.begin(member, info.compress_type, info.CRC, info.compress_size)
    try:
        sink.copy(file, data_offset(info, file), info.compress_size)
    except (BadZipFile, EOFError) as error:
        reason = str(error) or f"it ends inside {info.filename}"
        raise WheelError(f"{content.file} is broken: {reason}") from error


def _compress(member: Member, sink: _Sink) -> None:
    with SpooledTemporaryFile(_SPOOLED) as spool:
        crc = _deflate(member, spool)
        sink.begin(member, _DEFLATED, crc, spool.tell())
        spool.seek(0)
        while piece := spool.read(_CHUNK):
            sink.write(piece)


def _deflate(member: Member, output: IO[bytes]) -> int:
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
