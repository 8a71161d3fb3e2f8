"""What an ELF file says of itself is read as the loader reads it."""

from __future__ import annotations

import random
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from build.tiny_elf import ARM64, S390X, ElfRecipe, make_elf
from hypothesis import given
from hypothesis import strategies as st
from lambda_build.checks.elf import Elf, read_elf

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("big", [False, True])
def test_everything_that_the_loader_reads_is_read(*, big: bool) -> None:
    recipe = ElfRecipe(
        machine=S390X if big else ARM64,
        needed=("libone.so.1", "libc.so.6"),
        versions={"libc.so.6": ("GLIBC_2.17", "GLIBC_2.28"), "libm.so.6": ("GLIBC_2.29",)},
        soname="libtwo.so.2",
        rpath="$ORIGIN/../one.libs:/opt/lib",
        interpreter="/lib/ld-linux-aarch64.so.1",
        big=big,
    )
    assert read_elf(recipe.data()) == Elf(
        machine=recipe.machine,
        bits=64,
        interpreter="/lib/ld-linux-aarch64.so.1",
        soname="libtwo.so.2",
        needed=("libone.so.1", "libc.so.6"),
        search=("$ORIGIN/../one.libs", "/opt/lib"),
        versions=(
            ("libc.so.6", "GLIBC_2.17"),
            ("libc.so.6", "GLIBC_2.28"),
            ("libm.so.6", "GLIBC_2.29"),
        ),
    )


def test_runpath_hides_rpath() -> None:
    found = read_elf(make_elf(rpath="/one", runpath="/two"))
    assert found is not None
    assert found.search == ("/two",)


def test_a_weak_version_is_not_needed() -> None:
    found = read_elf(
        make_elf(versions={"libc.so.6": ("GLIBC_2.17", "GLIBC_2.99")}, weak=["GLIBC_2.99"])
    )
    assert found is not None
    assert found.versions == (("libc.so.6", "GLIBC_2.17"),)


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"INPUT(libz.so)", b"\xcf\xfa\xed\xfe" * 9])
def test_what_is_no_elf_file_is_none(data: bytes) -> None:
    assert read_elf(data) is None


@given(cut=st.integers(min_value=20, max_value=400))
def test_of_a_file_that_is_cut_short_the_machine_is_told(cut: int) -> None:
    found = read_elf(make_elf(ARM64)[:cut])
    assert found is not None
    assert found.machine == ARM64


@given(seed=st.integers())
def test_a_damaged_file_never_breaks_the_reader(seed: int) -> None:
    luck = random.Random(seed)  # noqa: S311 - for bytes, not for secrets
    data = bytearray(make_elf(soname="libone.so", runpath="$ORIGIN"))
    for _ in range(luck.randint(1, 12)):
        data[luck.randrange(4, len(data))] = luck.randrange(256)
    read_elf(bytes(data))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is missing")
def test_what_a_compiler_makes_is_read_like_the_tests_own_files(tmp_path: Path) -> None:
    code = tmp_path / "one.c"
    code.write_text("#include <string.h>\nvoid *one(void *a, void *b) { return memcpy(a, b, 9); }")
    file = tmp_path / "libone.so"
    command = ["gcc", "-shared", "-fPIC", "-fno-builtin", "-Wl,-soname,libone.so.1"]
    subprocess.run(
        [*command, "-Wl,-rpath,$ORIGIN/lib", "-o", file, code], check=True, capture_output=True
    )
    found = read_elf(file.read_bytes())
    assert found is not None
    assert (found.soname, found.search) == ("libone.so.1", ("$ORIGIN/lib",))
    assert found.needed == ("libc.so.6",)
    assert {library for library, _ in found.versions} == {"libc.so.6"}
    assert all(version.startswith("GLIBC_2.") for _, version in found.versions)
