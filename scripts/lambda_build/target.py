"""What a package is built for: Lambda's runtime and architecture, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from lambda_build.errors import UsageError

if TYPE_CHECKING:
    from packaging.tags import Tag

_Choice = TypeVar("_Choice", bound=StrEnum)


class Runtime(StrEnum):
    """Lambda's identifiers of its Python runtimes (AWS: "Lambda runtimes")."""

    PYTHON3_11 = "python3.11"
    PYTHON3_12 = "python3.12"
    PYTHON3_13 = "python3.13"
    PYTHON3_14 = "python3.14"


class Architecture(StrEnum):
    """Lambda's names for instruction sets."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


AMAZON_LINUX_2_GLIBC = "2.26"
AMAZON_LINUX_2023_GLIBC = "2.34"

# The glibc under each runtime, and in AWS's image of it: python3.11 runs on Amazon Linux 2,
# python3.12 and later on Amazon Linux 2023.
RUNTIME_GLIBC = dict.fromkeys(Runtime, AMAZON_LINUX_2023_GLIBC) | {
    Runtime.PYTHON3_11: AMAZON_LINUX_2_GLIBC
}

_MACHINES = {Architecture.X86_64: "x86_64", Architecture.ARM64: "aarch64"}

# The magic numbers of their bytecode (CPython, Include/internal/pycore_magic_number.h).
_PYC_MAGICS = {
    Runtime.PYTHON3_11: 3495,
    Runtime.PYTHON3_12: 3531,
    Runtime.PYTHON3_13: 3571,
    Runtime.PYTHON3_14: 3627,
}
_CR_LF = 0x0A0D_0000

# The oldest glibc of any manylinux tag for the machine (PEP 513, PEP 599).
_OLDEST_GLIBC_MINOR = {Architecture.X86_64: 5, Architecture.ARM64: 17}

# Names that PEP 600 made aliases of manylinux_2_5, 2_12 and 2_17.
_LEGACY_PLATFORMS = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}

# What uv can name as a target; the next lower one is asked for (it has no 2_26).
_UV_GLIBC_MINORS = (34, 28, 17)


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """The image that an image function is built on: it brings the operating system."""

    reference: str
    glibc: str
    # AWS's image of the runtime: it has what the runtime has, the runtime's client first of all.
    is_runtime: bool = False
    # Whose libraries are known; else a library that is not there is for the image's maker to know.
    is_amazon_linux: bool = False
    # The words of the function's own Dockerfile, which may install libraries; None: there is none.
    dockerfile: frozenset[str] | None = None


@dataclass(frozen=True, slots=False, kw_only=True)
class Target:
    """A Lambda runtime on an architecture; of an image, that Python on the image's base."""

    runtime: Runtime = Runtime.PYTHON3_11
    architecture: Architecture = Architecture.X86_64
    base: Base | None = None

    @classmethod
    def parse(cls, runtime: str, architecture: str) -> Target:
        """Return the target of these two names; UsageError when Lambda has no such thing."""
        return cls(
            runtime=_choose(Runtime, runtime, "runtime"),
            architecture=_choose(Architecture, architecture, "architecture"),
        )

    def __str__(self) -> str:
        # An image's system may be newer than the one under the runtime, and take newer wheels: then
        # it is a target of its own, with a lock beside that of the same runtime in a ZIP.
        other = "" if self.glibc == self._runtime_glibc else f"-glibc{self.glibc}"
        return f"{self.runtime}-{self.architecture}{other}"

    @property
    def system(self) -> str:
        """What brings the operating system, in words: the runtime, or an image."""
        return self.runtime if self.base is None else self.base.reference

    @property
    def python(self) -> str:
        """Python's minor version, e.g. `3.11`."""
        return self.runtime.removeprefix("python")

    @property
    def machine(self) -> str:
        """The machine's name in wheel tags and `platform.machine()`, e.g. `aarch64`."""
        return _MACHINES[self.architecture]

    @property
    def pyc_magic(self) -> int:
        """The first four bytes of the runtime's `.pyc` files, as a little-endian number."""
        return _PYC_MAGICS[self.runtime] | _CR_LF

    @property
    def glibc(self) -> str:
        """The glibc of the runtime, or of an image's own system, e.g. `2.26`."""
        return self._runtime_glibc if self.base is None else self.base.glibc

    @property
    def uv_platform(self) -> str:
        """The platform that uv is asked to resolve for, e.g. `x86_64-manylinux_2_17`."""
        minor = next(minor for minor in _UV_GLIBC_MINORS if minor <= self._glibc_minor)
        return f"{self.machine}-manylinux_2_{minor}"

    @property
    def markers(self) -> dict[str, str]:
        """The environment that markers are evaluated in (PEP 508), of the target, not the host."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    @cached_property
    def tags(self) -> dict[Tag, int]:
        """The wheel tags that run here, each with its rank; 0 is the most specific."""
        from packaging.tags import compatible_tags, cpython_tags  # noqa: PLC0415 - slow to import

        version = (3, int(self.python.removeprefix("3.")))
        platforms = self._platforms()
        interpreter = f"cp{version[0]}{version[1]}"
        tags = [
            *cpython_tags(version, [interpreter], platforms),
            *compatible_tags(version, interpreter, platforms),
        ]
        return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}

    @property
    def _runtime_glibc(self) -> str:
        return RUNTIME_GLIBC[self.runtime]

    @property
    def _glibc_minor(self) -> int:
        return int(self.glibc.removeprefix("2."))

    def _platforms(self) -> list[str]:
        oldest = _OLDEST_GLIBC_MINOR[self.architecture]
        names = []
        for minor in range(self._glibc_minor, oldest - 1, -1):
            names.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in _LEGACY_PLATFORMS:
                names.append(f"{_LEGACY_PLATFORMS[minor]}_{self.machine}")
        return [*names, f"linux_{self.machine}"]


def _choose(kind: type[_Choice], name: str, noun: str) -> _Choice:
    try:
        return kind(name)
    except ValueError:
        choices = ", ".join(kind)
        raise UsageError(f"{name!r} is no {noun} that is built for; choose one of {choices}") from (
            None
        )
