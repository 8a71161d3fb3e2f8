"""Whether a package's native libraries run on the target: read before Lambda loads them.

Each fact is a pure function of a file's bytes, so it is remembered under the file's hash: a second
build of the same wheels reads one small file a wheel.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import posixpath
import re
import shutil
import sys
import tempfile
import zipfile
from collections import defaultdict
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lambda_build.cache import keep_text, kept_text
from lambda_build.checks.elf import MAGIC, Elf, read_elf
from lambda_build.checks.findings import Finding, Severity, shown
from lambda_build.errors import LambdaBuildError, OutputError, SourceError, WheelError
from lambda_build.layout import InFile, InZip, read_content
from lambda_build.process import at_once
from lambda_build.target import Architecture

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from lambda_build.cache import Cache
    from lambda_build.checks.elf import Buffer
    from lambda_build.layout import Layout, Member
    from lambda_build.target import Target

_FORMAT = 1

# e_machine in an ELF header (System V ABI; elf.h).
_MACHINES = {Architecture.X86_64: 62, Architecture.ARM64: 183}
_MACHINE_NAMES = {
    62: "x86_64",
    183: "arm64",
    3: "i386",
    22: "s390x",
    40: "arm (32 bits)",
    243: "riscv64",
}
_BITS = 64

# The first bytes of other systems' libraries: Mach-O (loader.h) and PE (its DOS header).
_MACH_O = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_PE = b"MZ"

# Above this, a member is unpacked into a file instead of into memory.
_LARGE_BYTES = 32 << 20

# How CPython names extension modules: `one.cpython-312-x86_64-linux-gnu.so`, `one.abi3.so`
# (importlib.machinery.EXTENSION_SUFFIXES); `one.so` is taken by every Python.
_ABI = re.compile(r"\.(?P<abi>cpython-(?P<python>\d+)[a-z]*|pypy\d+|graalpy\w+)(?:-[\w-]+)?\.so$")
_SUFFIXES = re.compile(r"\.(?:(?:cpython|pypy|graalpy)[\w-]*\.|abi3\.|abi3t\.)?so$")

_MUSL = re.compile(r"^(?:libc\.musl-.*|ld-musl-.*|libc\.so)$")

# Distributions that do the same with fewer libraries.
_ALTERNATIVES = {
    "opencv-python": "opencv-python-headless",
    "opencv-contrib-python": "opencv-contrib-python-headless",
}
_SHOWN = 4

# What Lambda's LD_LIBRARY_PATH names of a package (AWS: "Defined runtime environment variables").
_SEARCHED = ("", "lib")

_GLIBC_LIBRARIES = frozenset(
    {
        *("libc.so.6", "libm.so.6", "libmvec.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1"),
        *("libutil.so.1", "libresolv.so.2", "libanl.so.1", "libthread_db.so.1"),
        *("libnss_files.so.2", "libnss_dns.so.2", "libnss_compat.so.2", "libBrokenLocale.so.1"),
        *("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "linux-vdso.so.1"),
    }
)
_COMMON_LIBRARIES = _GLIBC_LIBRARIES | {
    *("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1", "libbz2.so.1", "libpython3.so"),
    *("libglib-2.0.so.0", "libgobject-2.0.so.0", "libgthread-2.0.so.0", "libgmodule-2.0.so.0"),
    *("libgio-2.0.so.0", "libkeyutils.so.1", "libkrb5.so.3", "libcom_err.so.2"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Provided:
    """What an operating system under Lambda's Pythons has for native files."""

    name: str
    libraries: frozenset[str]
    # The newest version of each kind of symbol. Between the two, it depends on how new the runtime
    # is: libraries are updated in place, and nothing says which function has which.
    surely: Mapping[str, tuple[int, ...]]
    perhaps: Mapping[str, tuple[int, ...]]


# Seen 2026-11-21. docker-library/official-images, pull requests 4782 (2018-08-28) and 20651
# (2026-01-15): what Amazon Linux 2's image holds, with libstdc++ and libgcc 7.3.1. Their symbol
# versions: libstdc++'s manual, "ABI Policy and Guidelines".
_AMAZON_LINUX_2 = _Provided(
    name="Amazon Linux 2",
    libraries=_COMMON_LIBRARIES | {"libcrypt.so.1", "libnsl.so.1", "libexpat.so.1"},
    surely={"GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7,)},
    perhaps={"GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7,)},
)
# Seen 2026-11-21. amazonlinux/amazon-linux-2023, issue 585 (2023-12-16): the packages in
# lambda/python:3.12. AWS, "Core toolchain packages glibc, gcc, binutils": GCC 11;
# amazonlinux/container-images, issue 132 (2025-04-14): GCC 14's libraries since then, which
# Lambda's runtimes did not have at that time.
_AMAZON_LINUX_2023 = _Provided(
    name="Amazon Linux 2023",
    libraries=_COMMON_LIBRARIES | {"libcrypt.so.2", "libgmp.so.10"},
    surely={"GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (11,)},
    perhaps={"GLIBCXX": (3, 4, 33), "CXXABI": (1, 3, 15), "GCC": (14,)},
)

_LIBRARY_OF = {"GLIBC": "glibc", "GLIBCXX": "libstdc++", "CXXABI": "libstdc++", "GCC": "libgcc"}
_VERSION = re.compile(r"^(?P<kind>GLIBC|GLIBCXX|CXXABI|GCC)_(?P<number>\d+(?:\.\d+)*)$")
# Named for what it does: glibc 2.36 has it first (its NEWS).
_NAMED_VERSIONS = {"GLIBC_ABI_DT_RELR": "GLIBC_2.36"}


@dataclass(frozen=True, slots=False, kw_only=True)
class _Native:
    """A native file of a package, and what it says of itself."""

    member: Member
    elf: Elf | None  # None: another system's
    system: str = "Linux"

    @cached_property
    def name(self) -> str:
        """The file's own name."""
        return posixpath.basename(self.member.path)

    @property
    def folder(self) -> str:
        """The folder that it is in."""
        return posixpath.dirname(self.member.path)

    @property
    def origin(self) -> str:
        """Where it came from."""
        return self.member.origin

    @property
    def is_library(self) -> bool:
        """Whether it is loaded into a process, and no program of its own."""
        return _is_library(self.member.path)

    @property
    def is_module(self) -> bool:
        """Whether Python imports it, as far as its name tells."""
        return self.name.endswith(".so") and not self.name.startswith("lib")

    @property
    def module(self) -> str:
        """The path of the module that it is, without suffixes."""
        return _SUFFIXES.sub("", self.member.path)

    @property
    def error(self) -> type[LambdaBuildError]:
        """What a build refuses it with."""
        return SourceError if self.origin == "source" else WheelError

    @property
    def severity(self) -> Severity:
        """Programs that a package carries may never be started."""
        return Severity.ERROR if self.is_library else Severity.WARNING

    def __str__(self) -> str:
        return f"{shown(self.member.path)} (from {self.origin})"


def check_libraries(
    layout: Layout,
    target: Target,
    cache: Cache | None = None,
    *,
    projects: Collection[str] = (),
) -> Iterator[Finding]:
    """Yield the native files that do not run on the target, each with what it needs.

    `projects` are the origins that were built from folders on this machine.
    """
    natives = _natives(layout, cache)
    if not natives:
        return
    runs, foreign = [], []
    for native in natives:
        findings = list(_of_another_kind(native, natives, target))
        foreign += findings
        if not findings and native.elf is not None and native.elf.machine == _machine(target):
            runs.append(native)
    yield from _alike(foreign)
    paths = {member.path for member in layout.members}
    yield from _alike(_of_another_python(runs, paths, target))
    package = _Package(
        natives=tuple(runs), provided=_provided(target), target=target, projects=tuple(projects)
    )
    yield from _too_new(package)
    yield from _missing(package)


def _provided(target: Target) -> _Provided:
    # glibc tells the two apart, and image functions may choose another system than ZIPs have.
    known = _AMAZON_LINUX_2 if _number(target.glibc) < (2, 34) else _AMAZON_LINUX_2023
    if target.base is None or target.base.is_amazon_linux:
        return known
    # Of another system it is assumed that it has what is common; how new, nothing tells.
    newest = dict.fromkeys(known.perhaps, (sys.maxsize,))
    return _Provided(
        name=target.system, libraries=_COMMON_LIBRARIES, surely=known.surely, perhaps=newest
    )


def _machine(target: Target) -> int:
    return _MACHINES[target.architecture]


# --- Reading -------------------------------------------------------------------------------------


def _natives(layout: Layout, cache: Cache | None) -> list[_Native]:
    groups: dict[object, list[Member]] = defaultdict(list)
    for member in layout.members:
        if member.executable or _is_library(member.path):
            content = member.content
            groups[content.file if isinstance(content, InZip) else None].append(member)
    natives = []
    for members in groups.values():
        facts = _facts(members, cache)
        for member in members:
            fact = facts[member.sha256]
            if isinstance(fact, Elf):
                natives.append(_Native(member=member, elf=fact))
            elif fact and _is_library(member.path):
                natives.append(_Native(member=member, elf=None, system=fact))
    return sorted(natives, key=lambda native: native.member.path)


def _is_library(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.endswith(".so") or ".so." in name


def _facts(members: list[Member], cache: Cache | None) -> dict[str, Elf | str]:
    """Return, by hash, what each file is: an ELF file, another system's by its name, or neither."""
    wanted = {member.sha256: member for member in members}
    digest = hashlib.sha256("\n".join([str(_FORMAT), *sorted(wanted)]).encode()).hexdigest()
    place = None if cache is None else cache.native(digest)
    if (
        place is not None
        and (known := _remembered(place)) is not None
        and known.keys() == wanted.keys()
    ):
        return known
    # The largest first, so that no processor waits for it at the end.
    largest = sorted(wanted.values(), key=lambda member: -member.size)
    found = at_once(_read, largest, most=os.cpu_count() or 1)
    facts = {member.sha256: fact for member, fact in zip(largest, found, strict=True)}
    if place is not None:
        # What cannot be kept is read again.
        with suppress(OutputError):
            told = {
                sha256: asdict(fact) if isinstance(fact, Elf) else fact
                for sha256, fact in facts.items()
            }
            keep_text(place, json.dumps(told, sort_keys=True))
    return facts


def _remembered(file: Path) -> dict[str, Elf | str] | None:
    text = kept_text(file)
    if text is None:
        return None
    told: dict[str, Any] = json.loads(text)
    return {sha256: fact if isinstance(fact, str) else _elf(fact) for sha256, fact in told.items()}


def _elf(told: Mapping[str, Any]) -> Elf:
    return Elf(
        machine=told["machine"],
        bits=told["bits"],
        interpreter=told["interpreter"],
        soname=told["soname"],
        needed=tuple(told["needed"]),
        search=tuple(told["search"]),
        versions=tuple((library, version) for library, version in told["versions"]),
    )


def _read(member: Member) -> Elf | str:
    match member.content:
        case InZip(file=file, info=info):
            with zipfile.ZipFile(file) as archive, archive.open(info) as opened:
                head = opened.read(len(MAGIC))
                if head != MAGIC:
                    return _system(head)
                if info.file_size <= _LARGE_BYTES:
                    return _told(head + opened.read())
                with tempfile.TemporaryFile() as unpacked:
                    unpacked.write(head)
                    shutil.copyfileobj(opened, unpacked, 1 << 20)
                    unpacked.flush()
                    with mmap.mmap(unpacked.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                        return _told(mapped)
        case InFile(file=file):
            with file.open("rb") as opened_file:
                head = opened_file.read(len(MAGIC))
                if head != MAGIC:
                    return _system(head)
                with mmap.mmap(opened_file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                    return _told(mapped)
        case content:
            data = read_content(content)
            return _told(data) if data.startswith(MAGIC) else _system(data)


def _told(data: Buffer) -> Elf | str:
    return read_elf(data) or ""


def _system(head: bytes) -> str:
    if head.startswith(_MACH_O):
        return "macOS"
    return "Windows" if head.startswith(_PE) else ""


# --- Machine, C library and Python ---------------------------------------------------------------


def _of_another_kind(
    native: _Native, natives: Iterable[_Native], target: Target
) -> Iterator[Finding]:
    """Yield what no version of this file would mend: another system, machine or C library."""
    runs_on = f"and the function runs on {target.architecture}"
    if native.elf is None:
        yield _finding(
            native,
            code="wrong-machine",
            cause=f"{native} is a library for {native.system}, {runs_on} under Linux.",
            next_step=f"Use a build of it for Linux on {target.architecture}.",
        )
        return
    elf = native.elf
    if (elf.machine, elf.bits) != (_machine(target), _BITS):
        if _is_one_of_several(native, natives, target):
            return
        kind = "library" if native.is_library else "program"
        machine = _MACHINE_NAMES.get(elf.machine, f"machine {elf.machine}")
        if elf.machine == _machine(target):
            machine += f" with {elf.bits} bits"
        yield _finding(
            native,
            code="wrong-machine",
            cause=f"{native} is a {kind} for {machine}, {runs_on}.",
            next_step=f"Use a build of it for {target.architecture}.",
        )
    elif any(_MUSL.match(name) for name in (*elf.needed, posixpath.basename(elf.interpreter))):
        yield _finding(
            native,
            code="musl",
            cause=(
                f"{native} needs the C library musl, which Alpine Linux has; {target.system} has "
                f"glibc {target.glibc}."
            ),
            next_step=f"Use a build of it for manylinux on {target.architecture}.",
        )


def _is_one_of_several(native: _Native, natives: Iterable[_Native], target: Target) -> bool:
    """Return whether a distribution carries a file for several machines, this one among them."""
    return native.origin != "source" and any(
        other.name == native.name
        and other.origin == native.origin
        and other.elf is not None
        and other.elf.machine == _machine(target)
        for other in natives
    )


def _of_another_python(
    natives: Iterable[_Native], paths: set[str], target: Target
) -> Iterator[Finding]:
    """Yield the extension modules that the target's Python passes over, with no other in place."""
    wanted = target.python.replace(".", "")
    suffixes = (f".cpython-{wanted}-{target.machine}-linux-gnu.so", ".abi3.so", ".so", ".py")
    for native in natives:
        abi = _ABI.search(native.name)
        if abi is None or abi["abi"] == f"cpython-{wanted}":
            continue
        others = [suffix for suffix in suffixes if native.module + suffix in paths]
        if not others and f"{native.module}/__init__.py" not in paths:
            yield _finding(
                native,
                code="wrong-python",
                cause=(
                    f"{native} is for {_python_of(abi)}, and Python {target.python} does not "
                    "import it."
                ),
                next_step=f"Use a build of it for Python {target.python}.",
            )


def _python_of(abi: re.Match[str]) -> str:
    digits = abi["python"]
    if not digits:
        return abi["abi"]
    threads = ", without its global lock" if abi["abi"].endswith("t") else ""
    return f"Python {digits[0]}.{digits[1:]}{threads}"


# --- Symbol versions and libraries ---------------------------------------------------------------


@dataclass(frozen=True, slots=False, kw_only=True)
class _Package:
    """The native files of a package that are for its machine, and where they run."""

    natives: tuple[_Native, ...]
    provided: _Provided
    target: Target
    projects: tuple[str, ...]

    @cached_property
    def brought(self) -> dict[str, list[_Native]]:
        """The package's own libraries, by the names that other files need them under."""
        named: dict[str, list[_Native]] = defaultdict(list)
        for native in self.natives:
            for name in {native.name, native.elf.soname if native.elf else ""} - {""}:
                named[name].append(native)
        return named

    def has(self, library: str) -> bool:
        """Return whether the runtime has a library."""
        python = f"libpython{self.target.python}.so"
        return (
            library in self.provided.libraries
            or library.startswith(python)
            or self._is_installed(library)
        )

    @property
    def may_install(self) -> bool:
        """Whether a Dockerfile of the function's own may install what nobody knows of."""
        return self.target.base is not None and self.target.base.dockerfile is not None

    def _is_installed(self, library: str) -> bool:
        """Return whether the Dockerfile names a library's package: libgomp brings libgomp.so.1."""
        words = (self.target.base.dockerfile if self.target.base else None) or frozenset()
        # Debian's package has the library's number as well: libgomp1.
        named = re.compile(rf"{re.escape(library.partition('.so')[0])}[\d.-]*")
        return any(named.fullmatch(word) for word in words)


def _too_new(package: _Package) -> Iterator[Finding]:
    """Yield what needs newer symbols than the runtime's libraries have, once for each origin."""
    late: dict[tuple[str, str, Severity], list[tuple[tuple[int, ...], str, _Native]]] = defaultdict(
        list
    )
    for native in package.natives:
        for kind, number in _needed_versions(native, package):
            severity = _lateness(kind, number, package)
            if severity is not None:
                if not native.is_library:
                    severity = Severity.WARNING
                dotted = f"{kind}_{'.'.join(map(str, number))}"
                late[native.origin, _LIBRARY_OF[kind], severity].append((number, dotted, native))
    for (_, library, severity), needs in sorted(late.items(), key=lambda item: item[0]):
        newest = max(needs, key=lambda need: need[0])
        first = newest[2]
        yield _finding(
            first,
            code=f"too-new-{library.replace('+', 'p')}",
            severity=severity,
            others=sorted({need[2].member.path for need in needs} - {first.member.path}),
            cause=(
                f"{first} needs {newest[1]} of {library}, and "
                f"{_what_is_there(newest[1].partition('_')[0], severity, package)}."
            ),
            next_step=_older(first, package),
        )


def _older(native: _Native, package: _Package) -> str:
    if native.origin in package.projects:
        return (
            "Have it compiled in Docker, in an image like the runtime: --build-in-docker, or "
            f"build_in_docker in function.json or in Terraform{_newer_runtime(package.target)}."
        )
    wanted = f"manylinux_{package.target.glibc.replace('.', '_')}"
    return f"Use a build of it for {wanted} or older{_newer_runtime(package.target)}."


def _needed_versions(native: _Native, package: _Package) -> Iterator[tuple[str, tuple[int, ...]]]:
    for library, version in native.elf.versions if native.elf else ():
        if library in package.brought:
            continue  # the package's own, e.g. a libstdc++ beside it
        match = _VERSION.match(_NAMED_VERSIONS.get(version, version))
        if match:
            yield match["kind"], _number(match["number"])


def _lateness(kind: str, number: tuple[int, ...], package: _Package) -> Severity | None:
    if kind == "GLIBC":
        return Severity.ERROR if number > _number(package.target.glibc) else None
    if number <= _padded(package.provided.surely[kind], number):
        return None
    newest = _padded(package.provided.perhaps[kind], number)
    return Severity.ERROR if number > newest else Severity.WARNING


def _padded(number: tuple[int, ...], like: tuple[int, ...]) -> tuple[int, ...]:
    return number + (0,) * (len(like) - len(number))


def _what_is_there(kind: str, severity: Severity, package: _Package) -> str:
    if kind == "GLIBC":
        return f"{package.target.system} has glibc {package.target.glibc}"
    has = f"{kind}_{'.'.join(map(str, package.provided.surely[kind]))}"
    if severity is Severity.WARNING and package.provided.perhaps != package.provided.surely:
        return (
            f"not every {package.provided.name} under {package.target.runtime} has more than {has}"
            if package.target.base is None
            else f"not every {package.provided.name} has more than {has}"
        )
    return f"{package.target.system} has no more than {has}"


def _newer_runtime(target: Target) -> str:
    newer = _number(target.glibc) < (2, 34)
    if target.base is not None:
        return ", or a base image with a newer glibc: Amazon Linux 2023 has 2.34" if newer else ""
    return ", or a newer runtime: python3.12 and later have glibc 2.34" if newer else ""


def _missing(package: _Package) -> Iterator[Finding]:
    """Yield the libraries that files need and nobody has, once for each origin and library."""
    lacking: dict[str, dict[str, list[_Native]]] = defaultdict(lambda: defaultdict(list))
    elsewhere = []
    for native in package.natives:
        for library in native.elf.needed if native.elf else ():
            if library in package.brought:
                if native.origin == "source" and not _is_found(native, library, package):
                    elsewhere.append((native, library))
            elif not package.has(library):
                lacking[native.origin][library].append(native)
    broken = _broken(lacking, package)
    for origin, libraries in sorted(lacking.items()):
        natives = [native for needing in libraries.values() for native in needing]
        others = {native.member.path for native in natives} - {natives[0].member.path}
        needed = [shown(name) for name in sorted(libraries)]
        yield _finding(
            natives[0],
            code="missing-library",
            severity=_harm(origin, natives, broken, package),
            others=sorted(others),
            cause=(
                f"{natives[0]} needs {needed[0]}, which neither {package.target.system} nor the "
                f"package has{_likewise(needed[1:])}."
            ),
            next_step=f"{_alternative(origin)}{_ways_to_bring(package)}",
        )
    for native, library in elsewhere:
        yield _finding(
            native,
            code="library-elsewhere",
            severity=Severity.WARNING,
            cause=(
                f"{native} needs {shown(library)}, which is at "
                f"{shown(package.brought[library][0].member.path)}, where the loader does not look."
            ),
            next_step="Move it to the package's top or into lib/, or link with -rpath '$ORIGIN/…'.",
        )


def _ways_to_bring(package: _Package) -> str:
    if package.target.base is None:
        return (
            "Put the library into the source, in lib/, where Lambda looks for it; or use a build "
            "or version that brings it along."
        )
    if package.may_install:
        return "See that the Dockerfile installs it, and name its package there (libgomp, say)."
    return (
        "Add a Dockerfile to the function's folder that installs it; or use a build or version "
        "that brings it along."
    )


def _likewise(libraries: list[str]) -> str:
    if not libraries:
        return ""
    more = ", …" if len(libraries) > _SHOWN else ""
    return f"; nor do they have {', '.join(libraries[:_SHOWN])}{more}"


def _alternative(origin: str) -> str:
    other = _ALTERNATIVES.get(origin.partition(" ")[0])
    return f"Require {other} instead. Or: " if other else ""


def _harm(origin: str, natives: Iterable[_Native], broken: set[str], package: _Package) -> Severity:
    """Return ERROR when nothing native of an origin can be loaded, WARNING when parts of it can.

    Distributions carry parts that are for some systems only (numba's for TBB, torch's for CUDA),
    and do without them elsewhere. What a Dockerfile installs is not all known here.
    """
    if package.may_install:
        return Severity.WARNING
    own = [native for native in package.natives if native.origin == origin and native.is_library]
    if origin == "source" or not own:
        loaded = any(native.is_library for native in natives)
        return Severity.ERROR if loaded else Severity.WARNING
    imported = [native for native in own if native.is_module] or own
    works = any(native.member.path not in broken for native in imported)
    return Severity.WARNING if works else Severity.ERROR


def _broken(lacking: Mapping[str, Mapping[str, list[_Native]]], package: _Package) -> set[str]:
    """Return the files that cannot be loaded: they lack a library, or need one that does."""
    broken = {
        native.member.path
        for libraries in lacking.values()
        for natives in libraries.values()
        for native in natives
    }
    grown = True
    while grown:
        more = {
            native.member.path
            for native in package.natives
            for library in (native.elf.needed if native.elf else ())
            if library in package.brought
            and all(other.member.path in broken for other in package.brought[library])
        }
        grown = not more <= broken
        broken |= more
    return broken


def _is_found(native: _Native, library: str, package: _Package) -> bool:
    """Return whether the loader finds a library of the package, by its search path or Lambda's."""
    search = native.elf.search if native.elf else ()
    folders = {
        posixpath.normpath(posixpath.join(native.folder, entry.replace(variable, ".", 1)))
        for entry in search
        for variable in ("$ORIGIN", "${ORIGIN}")
        if entry.startswith(variable)
    }
    folders |= {
        entry.removeprefix("/var/task").strip("/")
        for entry in search
        if entry.startswith("/var/task")
    }
    places = {"" if folder == "." else folder for folder in folders} | set(_SEARCHED)
    return any(
        other.name == library and other.folder in places for other in package.brought[library]
    )


def _alike(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield one finding for all the files of an origin of which the same is to be said."""
    groups: dict[tuple[object, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        said = finding.cause.partition(" (from ")[2]
        groups[finding.code, finding.severity, said].append(finding)
    for first, *rest in groups.values():
        yield replace(first, others=tuple(finding.thing for finding in rest))


def _finding(
    native: _Native,
    *,
    code: str,
    cause: str,
    next_step: str,
    severity: Severity | None = None,
    others: Iterable[str] = (),
) -> Finding:
    return Finding(
        code=code,
        severity=severity or native.severity,
        thing=native.member.path,
        others=tuple(others),
        cause=cause,
        next_step=next_step,
        error=native.error,
    )


def _number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
