"""What the archive writer writes, every reader of ZIPs reads alike; the same layout, same bytes."""

from __future__ import annotations

import hashlib
import io
import os
import random
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest
from build.tiny import members_of, tree_of
from hypothesis import given
from hypothesis import strategies as st
from lambda_build.archive import write_archive
from lambda_build.errors import SourceError, WheelError
from lambda_build.layout import InFile, InMemory, InZip, Layout, Member, lay_out
from lambda_build.stage import stage

PARTS = st.text(
    st.characters(blacklist_categories=["C", "Z"], blacklist_characters="/\\"), min_size=1
).filter(lambda part: part not in {".", ".."} and len(part.encode()) < 100) | st.sampled_from(
    ["a b", "x.py", "__init__.py", "é", "日本", "🎉.txt", "-r", "*"]
)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
CONTENTS = st.binary(max_size=300) | st.sampled_from([b"", b"x" * 70_000, os.urandom(2000)])
KINDS = st.sampled_from(["memory", "file", "stored", "deflated", "bzip2", "appended"])


@st.composite
def described_trees(draw: st.DrawFn) -> dict[str, tuple[bytes, bool, str]]:
    tree = draw(
        st.dictionaries(PATHS, st.tuples(CONTENTS, st.booleans(), KINDS), min_size=1, max_size=12)
    )
    folders = {path[:end] for path in tree for end, c in enumerate(path) if c == "/"}
    return {path: content for path, content in tree.items() if path not in folders}


def laid_out(folder: Path, tree: dict[str, tuple[bytes, bool, str]]) -> Layout:
    return lay_out(
        [
            Member(
                path=path,
                executable=executable,
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                origin="test",
                content=held(folder / f"{number}", data, kind),
            )
            for number, (path, (data, executable, kind)) in enumerate(tree.items())
        ]
    )


def held(file: Path, data: bytes, kind: str) -> InFile | InMemory | InZip:
    """Put bytes where a build finds them: in memory, in a file, in a ZIP of each kind."""
    methods = {"stored": zipfile.ZIP_STORED, "bzip2": zipfile.ZIP_BZIP2}
    if kind == "memory":
        return InMemory(data=data)
    if kind == "file":
        file.write_bytes(data)
        return InFile(file=file)
    if kind == "appended":  # as self-extracting ZIPs are
        file.write_bytes(b"#!/bin/sh\n")
    with zipfile.ZipFile(file, "a", methods.get(kind, zipfile.ZIP_DEFLATED)) as archive:
        archive.writestr("before", "before")
        if kind == "deflated":  # into a stream, whose sizes and CRC follow the bytes
            with archive.open("member", "w", force_zip64=True) as opened:
                opened.write(data)
        else:
            archive.writestr("member", data)
    with zipfile.ZipFile(file) as archive:
        return InZip(file=file, info=archive.getinfo("member"))


def written(layout: Layout, *, smallest: bool = False) -> bytes:
    output = io.BytesIO()
    said = write_archive(layout, output, smallest=smallest)
    assert said.sha256 == hashlib.sha256(output.getvalue()).hexdigest()
    return output.getvalue()


@given(tree=described_trees(), smallest=st.booleans())
def test_zipfile_unzip_and_the_staged_folder_agree(
    tmp_path_factory: pytest.TempPathFactory,
    tree: dict[str, tuple[bytes, bool, str]],
    smallest: bool,  # noqa: FBT001  hypothesis names it
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    layout = laid_out(folder, tree)
    archive = folder / "package.zip"
    archive.write_bytes(written(layout, smallest=smallest))
    expected = {
        path: (0o755 if executable else 0o644, data) for path, (data, executable, _) in tree.items()
    }
    assert members_of(archive) == expected
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == sorted(expected)

    environment = {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
    # -V: else it takes a semicolon for the start of a VMS version.
    command = ["unzip", "-q", "-V", os.fspath(archive), "-d", os.fspath(folder / "unzipped")]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    assert tree_of(folder / "unzipped") == expected

    (folder / "staged").mkdir()
    stage(layout, folder / "staged")
    assert tree_of(folder / "staged") == expected


@given(tree=described_trees())
def test_the_same_layout_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, tuple[bytes, bool, str]]
) -> None:
    first = laid_out(tmp_path_factory.mktemp("first"), tree)
    backwards = laid_out(tmp_path_factory.mktemp("second"), dict(reversed(tree.items())))
    assert written(backwards) == written(first)
    assert written(backwards, smallest=True) == written(first, smallest=True)


def test_the_smallest_archive_is_smaller_than_zlib_makes_one_and_never_grows_a_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Members of more than all of what may wait, so that they go through one by one.
    monkeypatch.setattr("lambda_build.smallest._WAITING_BYTES", 50_000)
    modules = sorted(Path(zipfile.__file__).parent.glob("[a-d]*.py"))
    noise = random.Random(0).randbytes(10_000)  # noqa: S311  nothing secret
    tree = {path.name: (path.read_bytes(), False, "file") for path in modules}
    layout = laid_out(tmp_path, {**tree, "noise": (noise, False, "deflated")})
    archive = written(layout, smallest=True)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        sizes = {info.filename: info.compress_size for info in opened.infolist()}
        assert opened.testzip() is None
    assert sizes.pop("noise") == len(noise)
    best = {name: len(zlib.compress(data, 9, -zlib.MAX_WBITS)) for name, (data, *_) in tree.items()}
    assert len(best) > 20
    assert sum(sizes.values()) < 0.99 * sum(best.values())
    assert all(size <= best[name] for name, size in sizes.items())


def test_compressed_members_are_copied_as_they_are(tmp_path: Path) -> None:
    # Nobody compresses this badly: these bytes can only be the wheel's own.
    data = b"x" * 10_000
    layout = laid_out(tmp_path, {"a": (data, False, "stored"), "b": (data, False, "file")})
    with zipfile.ZipFile(io.BytesIO(written(layout))) as opened:
        stored, deflated = opened.infolist()
    assert (stored.compress_type, stored.compress_size) == (zipfile.ZIP_STORED, 10_000)
    assert (deflated.compress_type, deflated.compress_size < 100) == (zipfile.ZIP_DEFLATED, True)


def test_times_systems_and_flags_are_fixed(tmp_path: Path) -> None:
    tree = {"a": (b"", False, "deflated"), "é": (b"", True, "memory")}
    with zipfile.ZipFile(io.BytesIO(written(laid_out(tmp_path, tree)))) as opened:
        infos = opened.infolist()
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.create_system for info in infos} == {3}  # Unix, so modes are read
    assert [info.flag_bits for info in infos] == [0, 0x800]
    assert [info.external_attr >> 16 for info in infos] == [0o100644, 0o100755]
    assert all(not info.extra and not info.comment for info in infos)


@pytest.mark.parametrize("count", [0, 65_534, 65_535, 65_536])
def test_any_number_of_members_is_read_back(count: int) -> None:
    content, empty = InMemory(data=b""), hashlib.sha256(b"").hexdigest()
    layout = Layout(
        members=tuple(
            Member(
                path=f"{number:05}",
                executable=False,
                size=0,
                sha256=empty,
                origin="test",
                content=content,
            )
            for number in range(count)
        )
    )
    with zipfile.ZipFile(io.BytesIO(written(layout))) as opened:
        assert opened.namelist() == [member.path for member in layout.members]


def test_a_file_that_changed_after_it_was_hashed_is_refused(tmp_path: Path) -> None:
    layout = laid_out(tmp_path, {"a": (b"first", False, "file")})
    (tmp_path / "0").write_bytes(b"longer than before")
    with pytest.raises(SourceError, match="was changed while it was being packaged"):
        written(layout)


@pytest.mark.parametrize("end", [10, 90])
def test_a_wheel_that_ends_early_is_refused(tmp_path: Path, end: int) -> None:
    layout = laid_out(tmp_path, {"a": (os.urandom(500), False, "stored")})
    wheel = tmp_path / "0"
    wheel.write_bytes(wheel.read_bytes()[:end])
    with pytest.raises(WheelError, match="is broken: "):
        written(layout)
