"""Tiny ELF files, written without a compiler: what a library says of itself, and no code."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

X86_64, ARM64, I386, RISCV, S390X = 62, 183, 3, 243, 22

_HEAD, _PROGRAM_HEADER, _DYNAMIC_ENTRY = 64, 56, 16
_BASE = 0x10000  # where the file is loaded, so that addresses are no offsets


@dataclass(kw_only=True)
class ElfRecipe:
    """An ELF file of 64 bits, as the System V ABI has it."""

    machine: int = X86_64
    needed: Sequence[str] = ()
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by library
    weak: Sequence[str] = ()  # of these versions
    soname: str = ""
    rpath: str = ""
    runpath: str = ""
    interpreter: str = ""
    big: bool = False

    def data(self) -> bytes:
        order = ">" if self.big else "<"
        strings = _Strings()
        versions = self._versions(strings, order)
        entries = [(1, strings.add(name)) for name in self.needed]
        for tag, text in ((14, self.soname), (15, self.rpath), (29, self.runpath)):
            if text:
                entries.append((tag, strings.add(text)))
        interpreter = self.interpreter.encode() + b"\0"
        start = _HEAD + 3 * _PROGRAM_HEADER
        at_strings = start + len(interpreter)
        at_versions = at_strings + len(strings.data)
        at_dynamic = at_versions + len(versions)
        entries.append((5, _BASE + at_strings))
        if self.versions:
            entries.append((0x6FFFFFFE, _BASE + at_versions))
            entries.append((0x6FFFFFFF, len(self.versions)))
        entries.append((0, 0))
        dynamic = b"".join(struct.pack(f"{order}qQ", *entry) for entry in entries)
        end = at_dynamic + len(dynamic)

        def segment(kind: int, offset: int, size: int) -> bytes:
            address = _BASE + offset
            return struct.pack(f"{order}IIQQQQQQ", kind, 4, offset, address, address, size, size, 1)

        ident = b"\x7fELF" + bytes([2, 2 if self.big else 1, 1]) + bytes(9)
        head = ident + struct.pack(
            f"{order}HHIQQQIHHHHHH", 3, self.machine, 1, 0, _HEAD, 0, 0, 64, 56, 3, 0, 0, 0
        )
        program_headers = [
            segment(1, 0, end),
            segment(2, at_dynamic, len(dynamic)),
            segment(3 if self.interpreter else 0, start, len(interpreter)),
        ]
        return b"".join([head, *program_headers, interpreter, strings.data, versions, dynamic])

    def _versions(self, strings: _Strings, order: str) -> bytes:
        data = b""
        for place, (library, names) in enumerate(self.versions.items(), start=1):
            last = place == len(self.versions)
            size = 16 + 16 * len(names)
            file = strings.add(library)
            data += struct.pack(f"{order}HHIII", 1, len(names), file, 16, 0 if last else size)
            for number, name in enumerate(names, start=1):
                flags = 2 if name in self.weak else 0
                following = 0 if number == len(names) else 16
                data += struct.pack(f"{order}IHHII", 0, flags, 2, strings.add(name), following)
        return data


class _Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        place = len(self.data)
        self.data += text.encode() + b"\0"
        return place


def make_elf(machine: int = X86_64, **recipe: object) -> bytes:
    """Return an ELF file that needs what every library needs, and what the recipe says."""
    recipe.setdefault("needed", ("libc.so.6",))
    recipe.setdefault("versions", {"libc.so.6": ("GLIBC_2.2.5", "GLIBC_2.14")})
    return ElfRecipe(machine=machine, **recipe).data()  # type: ignore[arg-type]
