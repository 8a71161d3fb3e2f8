"""Members compressed as small as DEFLATE gets in a bearable time: libdeflate at its highest level.

Every peer of this tool, and the wheels themselves, compress with zlib.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED

import deflate

from lambda_build.layout import read_verified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from lambda_build.layout import Member

COMPRESSOR = f"libdeflate of deflate {version('deflate')}"
_LEVEL = 12
_WAITING_BYTES = 32 << 20  # of members that are compressed, or about to be, and not yet written


@dataclass(frozen=True, kw_only=True, slots=True)
class Compressed:
    """A member's bytes as they are to be written."""

    method: int
    crc: int
    data: bytes


def compressed(members: Iterable[Member]) -> Iterator[Compressed]:
    """Yield each member compressed, in order, on all processors; what does not shrink is stored.

    As many are at work as fit into a bounded memory, and one at least.
    """
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    waiting: deque[tuple[Future[Compressed], int]] = deque()
    held = 0
    try:
        for member in members:
            while waiting and held + member.size > _WAITING_BYTES:
                future, size = waiting.popleft()
                held -= size
                yield future.result()
            waiting.append((pool.submit(_compress, member), member.size))
            held += member.size
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        pool.shutdown(cancel_futures=True)


def _compress(member: Member) -> Compressed:
    data = read_verified(member)
    small = bytes(deflate.deflate_compress(data, _LEVEL))
    if len(small) < len(data):
        return Compressed(method=ZIP_DEFLATED, crc=zlib.crc32(data), data=small)
    return Compressed(method=ZIP_STORED, crc=zlib.crc32(data), data=data)
