"""A native file that does not run on the target is found, with what it needs; others are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest
from build.test_check import layout, wheel
from build.tiny import WheelRecipe, found_in, make_function
from build.tiny_elf import ARM64, I386, RISCV, X86_64, make_elf
from lambda_build.build import package
from lambda_build.checks import libraries
from lambda_build.checks.findings import Finding, Severity, refuse
from lambda_build.checks.libraries import check_libraries
from lambda_build.errors import SourceError, WheelError
from lambda_build.layout import lay_out, wheel_members
from lambda_build.target import Architecture, Runtime, Target
from lambda_build.wheel import read_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lambda_build.cache import Cache

PYTHON_3_11, PYTHON_3_13 = Target(), Target(runtime=Runtime.PYTHON3_13)
ON_ARM64 = Target(architecture=Architecture.ARM64)

Files: TypeAlias = "Mapping[str, str | bytes]"


def in_source(tmp_path: Path, files: Files, target: Target = PYTHON_3_11) -> list[Finding]:
    return list(check_libraries(layout(tmp_path, files), target))


def in_wheel(tmp_path: Path, files: Files, target: Target = PYTHON_3_11) -> list[Finding]:
    return list(check_libraries(lay_out(wheel(tmp_path, files)), target))


def only(findings: list[Finding]) -> Finding:
    (found,) = findings
    return found


# Machine and system


@pytest.mark.parametrize("name", ["lib.so", "deep/_lib.so", "one.libs/libz.so.1.2"])
def test_a_library_of_another_machine_is_refused_by_name(tmp_path: Path, name: str) -> None:
    files = {name: make_elf(ARM64)}
    assert in_source(tmp_path, files, ON_ARM64) == []
    found = only(in_source(tmp_path, files))
    assert (found.code, found.thing, found.error) == ("wrong-machine", name, SourceError)
    assert f"{name} (from source) is a library for arm64, and the function runs on x86_64" in (
        found.text
    )


def test_a_wheels_library_of_another_machine_is_refused_with_the_wheels_name(
    tmp_path: Path,
) -> None:
    found = lay_out(wheel(tmp_path, {"one/a.so": make_elf(RISCV)}))
    with pytest.raises(WheelError, match=r"^one/a\.so \(from one 1\.0\) is a library for riscv64"):
        refuse(check_libraries(found, PYTHON_3_11))


def test_files_of_one_wheel_with_one_fault_are_one_finding(tmp_path: Path) -> None:
    found = only(in_wheel(tmp_path, {f"one/{name}.so": make_elf(ARM64) for name in "abc"}))
    assert (found.thing, found.others) == ("one/a.so", ("one/b.so", "one/c.so"))


def test_a_library_of_32_bits_is_refused(tmp_path: Path) -> None:
    narrow = bytearray(make_elf(X86_64))
    narrow[4] = 1
    assert "x86_64 with 32 bits" in only(in_source(tmp_path, {"a.so": bytes(narrow)})).text
    assert "for i386" in only(in_source(tmp_path, {"a.so": make_elf(I386)})).text


@pytest.mark.parametrize(
    ("head", "system"),
    [(b"\xcf\xfa\xed\xfe", "macOS"), (b"\xca\xfe\xba\xbe", "macOS"), (b"MZ\x90\0", "Windows")],
)
def test_a_library_of_another_system_is_refused(tmp_path: Path, head: bytes, system: str) -> None:
    found = only(in_source(tmp_path, {"one.cpython-311-darwin.so": head + bytes(64)}))
    assert found.code == "wrong-machine"
    assert f"is a library for {system}, and" in found.text


def test_what_is_no_native_file_is_passed_over(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.so": "INPUT(libz.so)",
        "b.so": b"\x7fELF",
        "c.so": b"",
        "d.txt": make_elf(ARM64),
    }
    assert in_source(tmp_path, files) == []


def test_a_wheel_may_carry_a_library_for_several_machines(tmp_path: Path) -> None:
    files = {"one/arm/lib.so": make_elf(ARM64), "one/intel/lib.so": make_elf(X86_64)}
    assert in_wheel(tmp_path, files) == []
    assert [found.thing for found in in_source(tmp_path, files)] == ["one/arm/lib.so"]


def test_a_program_of_another_machine_is_a_warning(tmp_path: Path) -> None:
    file = WheelRecipe(files={"one/tool": make_elf(ARM64)}, executable=["one/tool"]).write(tmp_path)
    members = wheel_members(read_wheel(file, file.name, ""))
    found = only(list(check_libraries(lay_out(members), PYTHON_3_11)))
    assert (found.severity, found.thing) == (Severity.WARNING, "one/tool")
    assert "is a program for arm64" in found.text


# C library and Python


@pytest.mark.parametrize("library", ["libc.musl-x86_64.so.1", "libc.so"])
def test_a_library_for_musl_is_refused_by_name(tmp_path: Path, library: str) -> None:
    found = only(in_wheel(tmp_path, {"one/a.so": make_elf(needed=[library], versions={})}))
    assert found.code == "musl"
    assert "one/a.so (from one 1.0) needs the C library musl" in found.text
    assert "python3.11 has glibc 2.26" in found.text


def test_a_program_for_musl_is_told_by_its_interpreter(tmp_path: Path) -> None:
    elf = make_elf(needed=[], versions={}, interpreter="/lib/ld-musl-x86_64.so.1")
    assert only(in_source(tmp_path, {"tool.so": elf})).code == "musl"


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("a.cpython-312-x86_64-linux-gnu.so", "Python 3.12"),
        ("a.cpython-39-x86_64-linux-gnu.so", "Python 3.9"),
        ("a.cpython-311d-x86_64-linux-gnu.so", "Python 3.11"),
        ("a.pypy310-pp73-x86_64-linux-gnu.so", "pypy310"),
    ],
)
def test_an_extension_module_of_another_python_is_refused(
    tmp_path: Path, name: str, python: str
) -> None:
    found = only(in_wheel(tmp_path, {f"one/{name}": make_elf()}))
    assert found.code == "wrong-python"
    assert f"is for {python}" in found.text
    assert "Python 3.11 does not import it" in found.text


def test_a_free_threaded_module_is_not_the_same_pythons(tmp_path: Path) -> None:
    files = {"a.cpython-313t-x86_64-linux-gnu.so": make_elf()}
    assert "without its global lock" in only(in_source(tmp_path, files, PYTHON_3_13)).text


@pytest.mark.parametrize(
    "name", ["a.cpython-311-x86_64-linux-gnu.so", "a.abi3.so", "a.so", "liba.so.1", "a.py"]
)
def test_modules_that_the_target_imports_are_fine_and_excuse_others(
    tmp_path: Path, name: str
) -> None:
    content = "" if name.endswith(".py") else make_elf()
    files = {f"one/{name}": content}
    assert in_wheel(tmp_path, files) == []
    both = {**files, "one/a.cpython-312-x86_64-linux-gnu.so": make_elf()}
    assert bool(in_wheel(tmp_path, both)) == name.startswith("lib")


# Symbol versions


@pytest.mark.parametrize(
    ("library", "version", "target", "severity"),
    [
        ("libc.so.6", "GLIBC_2.26", PYTHON_3_11, None),
        ("libc.so.6", "GLIBC_2.27", PYTHON_3_11, Severity.ERROR),
        ("libm.so.6", "GLIBC_2.34", PYTHON_3_13, None),
        ("libm.so.6", "GLIBC_2.35", PYTHON_3_13, Severity.ERROR),
        ("libc.so.6", "GLIBC_ABI_DT_RELR", PYTHON_3_13, Severity.ERROR),
        ("libc.so.6", "GLIBC_2.2.5", PYTHON_3_11, None),
        ("libstdc++.so.6", "GLIBCXX_3.4.24", PYTHON_3_11, None),
        ("libstdc++.so.6", "GLIBCXX_3.4.25", PYTHON_3_11, Severity.ERROR),
        ("libstdc++.so.6", "GLIBCXX_3.4.29", PYTHON_3_13, None),
        ("libstdc++.so.6", "GLIBCXX_3.4.30", PYTHON_3_13, Severity.WARNING),
        ("libstdc++.so.6", "GLIBCXX_3.4.34", PYTHON_3_13, Severity.ERROR),
        ("libstdc++.so.6", "CXXABI_1.3.11", PYTHON_3_11, None),
        ("libstdc++.so.6", "CXXABI_1.3.12", PYTHON_3_11, Severity.ERROR),
        ("libstdc++.so.6", "CXXABI_FLOAT128", PYTHON_3_11, None),
        ("libgcc_s.so.1", "GCC_4.8.0", PYTHON_3_11, None),
        ("libgcc_s.so.1", "GCC_7.0.0", PYTHON_3_11, None),
        ("libgcc_s.so.1", "GCC_12.0.0", PYTHON_3_11, Severity.ERROR),
        ("libgomp.so.1", "GOMP_9.9", PYTHON_3_11, None),
    ],
)
def test_needed_versions_are_held_against_the_runtimes_libraries(
    tmp_path: Path, library: str, version: str, target: Target, severity: Severity | None
) -> None:
    files = {"one/a.so": make_elf(versions={library: [version]})}
    found = in_wheel(tmp_path, files, target)
    assert [finding.severity for finding in found] == [severity] * (severity is not None)


def test_a_too_new_glibc_is_refused_with_file_origin_need_and_a_way_out(tmp_path: Path) -> None:
    files = {
        "one/a.so": make_elf(versions={"libc.so.6": ["GLIBC_2.27"]}),
        "one/b.so": make_elf(versions={"libm.so.6": ["GLIBC_2.29"], "libc.so.6": ["GLIBC_2.9"]}),
    }
    found = only(in_wheel(tmp_path, files))
    assert (found.code, found.error) == ("too-new-glibc", WheelError)
    assert found.text == (
        "one/b.so (from one 1.0) needs GLIBC_2.29 of glibc, and python3.11 has glibc 2.26.\n"
        "So it is with one/a.so.\n"
        "Use a build of it for manylinux_2_26 or older, or a newer runtime: python3.12 and later "
        "have glibc 2.34."
    )


def test_the_packages_own_libstdcxx_may_be_newer(tmp_path: Path) -> None:
    needs = make_elf(needed=["libstdc++.so.6"], versions={"libstdc++.so.6": ["GLIBCXX_3.4.32"]})
    files = {"a.so": needs, "lib/libstdc++.so.6": make_elf(soname="libstdc++.so.6")}
    assert in_source(tmp_path, files) == []


# Libraries


@pytest.mark.parametrize(
    ("library", "target"),
    [
        ("libz.so.1", PYTHON_3_11),
        ("libstdc++.so.6", PYTHON_3_13),
        ("libcrypt.so.1", PYTHON_3_11),
        ("libpython3.11.so.1.0", PYTHON_3_11),
    ],
)
def test_libraries_that_the_runtime_has_are_not_missed(
    tmp_path: Path, library: str, target: Target
) -> None:
    assert in_wheel(tmp_path, {"one/a.so": make_elf(needed=[library])}, target) == []


@pytest.mark.parametrize(
    ("library", "target"),
    [
        ("libGL.so.1", PYTHON_3_11),
        ("libcrypt.so.1", PYTHON_3_13),
        ("libpython3.11.so.1.0", PYTHON_3_13),
        ("libpq.so.5", PYTHON_3_13),
    ],
)
def test_a_library_that_nobody_has_is_refused_by_name(
    tmp_path: Path, library: str, target: Target
) -> None:
    found = only(in_wheel(tmp_path, {"one/a.so": make_elf(needed=[library])}, target))
    assert (found.code, found.severity) == ("missing-library", Severity.ERROR)
    assert f"one/a.so (from one 1.0) needs {library}, which neither {target.runtime} nor" in (
        found.text
    )


def test_a_library_that_the_wheel_brings_is_found_by_name_or_soname(tmp_path: Path) -> None:
    files = {
        "one/a.so": make_elf(needed=["libx-1.so", "liby.so.2"], runpath="$ORIGIN/../one.libs"),
        "one.libs/libx-1.so": make_elf(),
        "one.libs/liby-3.so": make_elf(soname="liby.so.2"),
    }
    assert in_wheel(tmp_path, files) == []


def test_parts_that_cannot_be_loaded_are_a_warning_while_others_can(tmp_path: Path) -> None:
    files = {"one/a.so": make_elf(), "one/tbb.so": make_elf(needed=["libtbb.so.12"])}
    found = only(in_wheel(tmp_path, files))
    assert (found.severity, found.thing) == (Severity.WARNING, "one/tbb.so")


def test_what_needs_a_library_that_cannot_be_loaded_cannot_be_loaded(tmp_path: Path) -> None:
    files = {
        "one/a.so": make_elf(needed=["libqt.so"]),
        "one.libs/libqt.so": make_elf(needed=["libGL.so.1", "libX11.so.6"]),
    }
    found = only(in_wheel(tmp_path, files))
    assert (found.severity, found.thing) == (Severity.ERROR, "one.libs/libqt.so")
    assert "nor do they have libX11.so.6" in found.text


@pytest.mark.parametrize(
    ("place", "search", "is_found"),
    [
        ("libx.so", "", True),
        ("lib/libx.so", "", True),
        ("other/libx.so", "", False),
        ("other/libx.so", "$ORIGIN/../other", True),
        ("app/libs/libx.so", "${ORIGIN}/libs", True),
        ("other/libx.so", "/var/task/other", True),
        ("other/libx.so", "/usr/local/lib", False),
    ],
)
def test_the_sources_own_libraries_are_sought_where_the_loader_looks(
    tmp_path: Path, place: str, search: str, *, is_found: bool
) -> None:
    files = {"app/a.so": make_elf(needed=["libx.so"], runpath=search), place: make_elf()}
    codes = [finding.code for finding in in_source(tmp_path, files)]
    assert codes == ([] if is_found else ["library-elsewhere"])


# Reading


def test_files_are_read_once_and_remembered(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lay_out(wheel(tmp_path, {"one/a.so": make_elf(ARM64), "one/b.so": b"MZ and more"}))
    first = list(check_libraries(found, PYTHON_3_11, cache))
    assert [finding.thing for finding in first] == ["one/a.so", "one/b.so"]
    with monkeypatch.context() as patched:
        patched.setattr(libraries, "_read", None)
        assert list(check_libraries(found, PYTHON_3_11, cache)) == first
    for kept in (cache.root / "native").iterdir():
        kept.write_text('{"damaged": ')
    assert list(check_libraries(found, PYTHON_3_11, cache)) == first


def test_a_large_library_is_read_from_a_file_and_not_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "_LARGE_BYTES", 100)
    found = only(in_wheel(tmp_path, {"one/a.so": make_elf(ARM64)}))
    assert found.code == "wrong-machine"


def test_a_build_refuses_a_wheel_that_lies_about_its_glibc(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    tag = "cp311-cp311-manylinux_2_17_x86_64"
    files: dict[str, str | bytes] = {"one/a.so": make_elf(versions={"libc.so.6": ["GLIBC_2.38"]})}
    WheelRecipe(files=files, tag=tag).write(wheels)
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    with pytest.raises(WheelError, match=r"one/a\.so .from one 1\.0. needs GLIBC_2\.38"):
        package(function, tmp_path / "chat.zip", cache)
    assert not (tmp_path / "chat.zip").exists()
