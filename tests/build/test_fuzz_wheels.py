"""Wheels that were damaged, or made to do damage: an error, or an artefact that all readers share.

What a wheel may hold beyond the packaging formats is known from attacks on readers of ZIPs: they
differ in what they believe, the directory at the end or the headers before each member.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
import struct
import subprocess
import tracemalloc
import zipfile
import zlib
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from build.tiny import WheelRecipe, found_in, make_function, members_of, tree_of
from lambda_build.archive import write_archive
from lambda_build.build import package
from lambda_build.cache import Cache, sha256_of
from lambda_build.errors import LambdaBuildError, SizeError, WheelError
from lambda_build.fetch import fetch
from lambda_build.layout import lay_out, wheel_members
from lambda_build.lock import Pin
from lambda_build.requirements import read_requirements
from lambda_build.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lambda_build.wheel import Wheel

NAME = "one-1.0-py3-none-any.whl"
INFO = "one-1.0.dist-info"
SEEDS = 400


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A member of a ZIP, byte for byte: what is not said is as it should be."""

    name: bytes
    data: bytes = b""
    method: int = 8
    packed: bytes | None = None  # the compressed bytes
    size: int | None = None
    packed_size: int | None = None
    crc: int | None = None
    flags: int = 0
    mode: int = 0o100644
    zip64: bool = False
    # As the header before the member has them.
    local_name: bytes | None = None
    local_crc: int | None = None
    local_size: int | None = None
    descriptor: bool = False
    at: int | None = None  # another member's header
    recorded: bool = True

    @property
    def body(self) -> bytes:
        if self.packed is not None:
            return self.packed
        return deflated(self.data) if self.method == 8 else self.data


@dataclass(frozen=True, kw_only=True)
class RawWheel:
    """A wheel of raw members, with the RECORD that belongs to them."""

    members: tuple[Raw, ...] = ()
    record: Callable[[str], bytes] = str.encode
    before: bytes = b""
    after: bytes = b""
    zip64_end: bool = False
    good: tuple[Raw, ...] = field(
        default=(
            Raw(name=b"one/__init__.py", data=b"ONE = 1\n"),
            Raw(name=f"{INFO}/METADATA".encode(), data=b"Metadata-Version: 2.1\nName: one\n"),
            Raw(name=f"{INFO}/WHEEL".encode(), data=b"Wheel-Version: 1.0\n"),
        )
    )

    def write(self, file: Path) -> Path:
        members = [*self.good, *self.members]
        text = "".join(row(member) for member in members if member.recorded) + f"{INFO}/RECORD,,\n"
        members.append(Raw(name=f"{INFO}/RECORD".encode(), data=self.record(text)))
        data, directory = bytearray(self.before), b""
        for member in members:
            at = len(data)
            data += local(member)
            directory += central(member, at if member.at is None else member.at)
        start = len(data)
        data += directory + end(len(members), len(directory), start, zip64=self.zip64_end)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(data) + self.after)
        return file


@pytest.fixture(autouse=True)
def nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give these builds no client: its certificates take longer to read than their wheels."""
    monkeypatch.setattr("lambda_build.fetch.http_client", nullcontext)


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


def row(member: Raw) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(member.data).digest()).rstrip(b"=").decode()
    return f'"{member.name.decode("latin-1")}",sha256={digest},{len(member.data)}\n'


def local(member: Raw) -> bytes:
    name = member.name if member.local_name is None else member.local_name
    crc = zlib.crc32(member.data) if member.local_crc is None else member.local_crc
    size = len(member.data) if member.local_size is None else member.local_size
    packed, flags = len(member.body), member.flags
    tail = b""
    if member.descriptor:
        flags |= 8
        tail = struct.pack("<4s3I", b"PK\7\x08", crc, packed, size)
        crc = packed = size = 0
    head = struct.pack(
        "<4s5H3I2H", b"PK\3\4", 20, flags, member.method, 0, 33, crc, packed, size, len(name), 0
    )
    return head + name + member.body + tail


def central(member: Raw, at: int) -> bytes:
    crc = zlib.crc32(member.data) if member.crc is None else member.crc
    size = len(member.data) if member.size is None else member.size
    packed = len(member.body) if member.packed_size is None else member.packed_size
    flags = member.flags | (8 if member.descriptor else 0)
    extra = b""
    if member.zip64:
        extra = struct.pack("<2H3Q", 1, 24, size, packed, at)
        size = packed = at = 0xFFFF_FFFF
    head = struct.pack(
        "<4s6H3I5H2I",
        *(b"PK\1\2", 3 << 8 | 45, 45, flags, member.method, 0, 33, crc, packed, size),
        *(len(member.name), len(extra), 0, 0, 0, member.mode << 16, at),
    )
    return head + member.name + extra


def end(count: int, size: int, start: int, *, zip64: bool) -> bytes:
    if not zip64:
        return struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, start, 0)
    return (
        struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
        + struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
        + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFF_FFFF] * 2, 0)
    )


def no_source(pin: Pin, _: Path) -> Wheel:
    raise AssertionError(f"{pin} is a wheel")


def archived(wheel: Path, folder: Path) -> Path:
    """Fetch a wheel as a build does, and write the ZIP of it, outside the wheel's folder."""
    pin = Pin(name="one", version="1.0", sha256=sha256_of(wheel), filename=NAME)
    cache = Cache(root=folder / "cache")
    found = fetch([pin], Target(), cache, lambda _: {pin.sha256: os.fspath(wheel)}, no_source)
    layout = lay_out(*(wheel_members(wheel) for wheel in found))
    output = folder / "out.zip"
    with output.open("w+b") as file:
        write_archive(layout, file)
    agree(output, {m.path: (m.mode, m.size, m.sha256) for m in layout.members})
    return output


def agree(archive: Path, layout: dict[str, tuple[int, int, str]]) -> None:
    """Assert that Python's zipfile, unzip and the build's own manifest see the same members."""
    read = {
        path: (mode, len(data), hashlib.sha256(data).hexdigest())
        for path, (mode, data) in members_of(archive).items()
    }
    assert read == layout
    with zipfile.ZipFile(archive) as opened:
        assert len(opened.namelist()) == len(layout)
    said = subprocess.run(
        ["unzip", "-t", "-V", archive], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout


def one(**said: object) -> RawWheel:
    """Return a wheel with one member that is not as it should be."""
    return RawWheel(members=(replace(Raw(name=b"one/x.py", data=b"x = 1\n"), **said),))  # type: ignore[arg-type]


def test_an_unharmed_wheel_is_taken(tmp_path: Path) -> None:
    assert "one/x.py" in members_of(archived(one().write(tmp_path / NAME), tmp_path))


ELSEWHERE = "outside the package"
REFUSED = {
    "absolute name": (one(name=b"/etc/x.py"), ELSEWHERE),
    "name that goes up": (one(name=b"one/../../x.py"), ELSEWHERE),
    "name that goes up at its end": (one(name=b"one/.."), ELSEWHERE),
    "name with an empty part": (one(name=b"one//x.py"), ELSEWHERE),
    "name with backslashes": (one(name=b"one\\..\\..\\x.py"), ELSEWHERE),
    "name with a drive": (one(name=b"C:x.py"), ELSEWHERE),
    "name with a NUL": (one(name=b"one/x.py\0.txt"), "which no file is named"),
    "name with a line end": (one(name=b"one/x\n.py"), "which no file is named"),
    "name with an escape": (one(name=b"one/\x1b[2J.py"), "which no file is named"),
    "name that is too long": (one(name=b"one/" + b"x" * 300), "no file system takes it"),
    "name that is no UTF-8": (one(name=b"one/\xff.py", flags=0x800), "not a whole wheel"),
    "name that is empty": (one(name=b""), "not a whole wheel"),
    "name twice": (one(name=b"one/__init__.py"), "holds one name twice"),
    "other name in its header": (one(local_name=b"one/y.py"), "is broken"),
    "header of another member": (one(at=0), "is broken"),
    "header beyond the end": (one(at=1 << 30), "is broken"),
    "wrong CRC": (one(crc=1), "CRC-32"),
    "less than declared": (one(size=7), "less than the 7 bytes"),
    "more than declared": (one(size=3, crc=zlib.crc32(b"x =")), "more than the 3 bytes"),
    "more than declared, stored": (one(method=0, size=3), "two sizes contradict"),
    "bytes after the compressed ones": (one(packed=deflated(b"x = 1\n") + b"y = 2"), "other bytes"),
    "compressed bytes that do not end": (one(packed=deflated(b"x = 1\n")[:-1]), "other bytes"),
    "no compressed bytes": (one(packed=b""), "other bytes"),
    "no deflated bytes": (one(packed=b"\xff\xff\xff"), "is broken"),
    "encrypted": (one(flags=1), "is encrypted"),
    "strongly encrypted": (one(flags=0x41), "is encrypted"),
    "patch": (one(flags=0x20), "is broken"),
    "symbolic link": (one(data=b"/etc/passwd", mode=0o120777), "a symbolic link"),
    "deflate64": (one(method=9), "compressed by deflate64"),
    "bzip2": (one(method=12), "compressed by bzip2"),
    "lzma": (one(method=14), "compressed by lzma"),
    "zstd": (one(method=93), "compressed by zstd"),
    "unknown method": (one(method=77), "compressed by method 77"),
    "file that is not recorded": (one(recorded=False), "does not list one/x.py"),
    "RECORD of other bytes": (
        RawWheel(record=lambda text: text.replace("=", "=A", 1).encode()),
        "is not the file that its RECORD names",
    ),
    "RECORD that is no UTF-8": (RawWheel(record=lambda t: t.encode() + b"\xff"), "not a whole"),
    "RECORD that is no CSV": (
        RawWheel(record=lambda text: f'{text}"{"x" * 200_000}'.encode()),
        "not a whole wheel",
    ),
    "RECORD that is empty": (RawWheel(record=lambda _: b""), "does not list"),
    "RECORD of nobody else": (
        one(name=b"other-1.0.dist-info/RECORD"),
        "metadata of another package",
    ),
    "several RECORDs": (one(name=b"one-2.0.dist-info/RECORD"), "several RECORDs"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", REFUSED)
def test_what_one_reader_might_see_otherwise_is_refused(tmp_path: Path, case: str) -> None:
    wheel, reason = REFUSED[case]
    wheel.write(tmp_path / "wheels" / NAME)
    before = tree_of(tmp_path)
    with pytest.raises(WheelError, match=reason) as refused:
        archived(tmp_path / "wheels" / NAME, tmp_path)
    assert NAME in str(refused.value)
    assert tree_of(tmp_path) == before


TAKEN = {
    "other CRC in its header": one(local_crc=7),
    "other size in its header": one(local_size=7),
    "sizes that follow": one(descriptor=True),
    "sizes in ZIP64 fields": one(zip64=True),
    "ZIP64 directory": RawWheel(zip64_end=True),
    "bytes before": RawWheel(before=b"#!/bin/sh\nexit 0\n"),
    "bytes after": RawWheel(after=b"\0" * 100),
    "pipe": one(mode=0o010644),
    "device": one(mode=0o060644),
    "set user id": one(mode=0o106755),
    "no mode": one(mode=0),
    "no bytes": one(data=b""),
    "RECORD with a row for nothing": RawWheel(
        record=lambda t: f"{t}../../x,sha256=AAAA,3\n".encode()
    ),
    "RECORD with Windows line ends": RawWheel(record=lambda t: t.replace("\n", "\r\n").encode()),
    "folder that has bytes": one(name=b"one/folder/", data=b"x"),
    "file that stands for a whole scheme": one(name=b"one-1.0.data/purelib"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_only_unusual_is_taken_and_all_readers_agree(tmp_path: Path, case: str) -> None:
    TAKEN[case].write(tmp_path / "wheels" / NAME)
    output = archived(tmp_path / "wheels" / NAME, tmp_path)
    members = members_of(output)
    assert members["one/__init__.py"] == (0o644, b"ONE = 1\n")
    assert set(members) <= {
        *("one/__init__.py", "one/x.py", f"{INFO}/METADATA", f"{INFO}/WHEEL", f"{INFO}/RECORD")
    }
    assert {path.name for path in tmp_path.iterdir()} == {"wheels", "cache", "out.zip"}


@pytest.mark.parametrize("size", [262_144_001, 1 << 40])
def test_a_bomb_that_says_so_is_refused_before_any_of_it_is_read(tmp_path: Path, size: int) -> None:
    wheel = one(zip64=True, size=size).write(tmp_path / NAME)
    with pytest.raises(SizeError, match=r"unzipped, and Lambda takes 262\.1 MB"):
        archived(wheel, tmp_path)


@pytest.mark.parametrize("name", [b"one/x.py", f"{INFO}/RECORD".encode()])
def test_a_bomb_that_hides_its_size_is_never_in_memory(tmp_path: Path, name: bytes) -> None:
    bomb = Raw(name=name, data=bytes(100), packed=deflated(bytes(100 << 20)))
    is_record = name.endswith(b"RECORD")
    good = RawWheel().good if not is_record else ()
    wheel = RawWheel(members=(bomb,), good=good).write(tmp_path / NAME)
    if is_record:  # the one that the recipe adds is not the first of that name
        wheel = rename_last(wheel)
    tracemalloc.start()
    with pytest.raises(WheelError):
        archived(wheel, tmp_path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 << 20


def rename_last(wheel: Path) -> Path:
    data = wheel.read_bytes()
    for where in (data.rindex(b"RECORD"), data.rindex(b"RECORD", 0, data.index(b"PK\1\2"))):
        data = data[:where] + b"OTHERS" + data[where + 6 :]
    wheel.write_bytes(data)
    return wheel


def test_members_that_share_their_bytes_are_never_taken_for_more(tmp_path: Path) -> None:
    wheel = RawWheel(
        members=tuple(Raw(name=f"one/{n}.py".encode(), data=b"x = 1\n", at=0) for n in range(50))
    ).write(tmp_path / NAME)
    with pytest.raises(WheelError, match="is broken"):
        archived(wheel, tmp_path)


def test_a_whole_build_with_such_a_wheel_writes_nothing(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    wheel = REFUSED["bytes after the compressed ones"][0].write(wheels / NAME)
    function = make_function(tmp_path / "src", found_in("../wheels", "one"))
    assert function.requirements is not None
    digest = read_requirements(function.requirements).digest
    (tmp_path / "src" / "requirements.python3.11-x86_64.lock").write_text(
        "# Made by lambda-build from requirements.txt; after changing that, run: make lock\n"
        "# target: python3.11-x86_64, glibc 2.26\n"
        f"# requirements: sha256:{digest}\n"
        f"one==1.0 --hash=sha256:{sha256_of(wheel)}  # {NAME}\n"
    )
    with pytest.raises(WheelError, match="other bytes than it claims"):
        package(function, tmp_path / "out" / "x.zip", cache)
    assert list((tmp_path / "out").iterdir()) == []
    kept = {path.parent.parent.name for path in cache.root.rglob("*") if path.is_file()}
    assert kept <= {"bytecode"}  # of the source, which is compiled meanwhile


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return bytes that were harmed in up to four ways, each likely to hit a field of the ZIP."""
    harmed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        headers = [
            at
            for mark in (b"PK\1\2", b"PK\3\4", b"PK\5\6")
            for at in range(len(harmed))
            if harmed.startswith(mark, at)
        ]
        place = chance.choice(headers or [0]) + chance.randrange(60)
        place = min(place, max(len(harmed) - 1, 0))
        match chance.randrange(7):
            case 0:
                harmed[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                harmed[place : place + 4] = struct.pack(
                    "<I", chance.choice([0, 1, 2**31, 2**32 - 1])
                )
            case 2:
                harmed[place : place + 1] = bytes([harmed[place] ^ 1 << chance.randrange(8)])
            case 3:
                del harmed[place : place + chance.randint(1, 40)]
            case 4:
                harmed[place:place] = chance.randbytes(chance.randint(1, 40))
            case 5:  # a member, or its row in the directory, twice
                other = chance.choice(headers or [0])
                harmed[place:place] = harmed[other : other + 120]
            case _:
                del harmed[chance.randrange(len(harmed)) :]
        harmed = harmed or bytearray(b"P")
    return bytes(harmed)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.filterwarnings("ignore:Overlapped entries")
def test_a_mutated_wheel_is_refused_or_gives_what_every_reader_agrees_on(tmp_path: Path) -> None:
    whole = WheelRecipe(files={"one/__init__.py": "ONE = 1\n", "one/data": b"x" * 500})
    data = whole.write(tmp_path / "whole").read_bytes()
    published = members_of(tmp_path / "whole" / NAME)
    taken = 0
    for seed in range(SEEDS):
        folder = tmp_path / f"seed {seed}"
        (folder / "wheels").mkdir(parents=True)
        wheel = folder / "wheels" / NAME
        wheel.write_bytes(mutated(data, random.Random(seed)))  # noqa: S311 - can be repeated
        try:
            members = members_of(archived(wheel, folder))
        except LambdaBuildError:
            assert sorted(tree_of(folder)) == [f"wheels/{NAME}"], seed
            continue
        taken += 1
        # RECORD is the one file whose hash is nowhere; the lock's stands for it.
        assert {path: data for path, (_, data) in members.items() if "RECORD" not in path} == {
            path: data for path, (_, data) in published.items() if "RECORD" not in path
        }, seed
    assert 0 < taken < SEEDS
