"""Packages that are published as source only: built into wheels where they run anywhere.

What is locked is the source distribution's hash. Its wheel is built once for each hash, by the
package's own backend, in isolation, with the index that the requirements name. One with native code
is compiled in Docker on request, once for each target, and else refused.
"""

from __future__ import annotations

import re
import shutil
import stat
import tarfile
import tomllib
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from lambda_build.built_wheels import keep_wheel, kept_wheel
from lambda_build.cache import temporary_folder
from lambda_build.checks.elf import MAGIC
from lambda_build.errors import ToolError, WheelError
from lambda_build.fetch import fetch
from lambda_build.function import DOCKER_WAYS
from lambda_build.indexes import uv_environment
from lambda_build.interpreters import find_interpreter
from lambda_build.requirements import read_lines
from lambda_build.resolve import resolve
from lambda_build.uv import uv
from lambda_build.wheel import Wheel, rank, read_wheel, verify_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lambda_build.cache import Cache
    from lambda_build.docker_builds import DockerBuilder
    from lambda_build.lock import Pin
    from lambda_build.requirements import Requirements
    from lambda_build.target import Target

# What says how a source is built.
BUILD_FILES = frozenset({"pyproject.toml", "setup.py", "setup.cfg"})

_NATIVE_BACKENDS = ("maturin", "mesonpy", "scikit_build_core", "setuptools_rust", "py_build_cmake")
# What setup.py and its configuration say of modules that are compiled.
_COMPILES = re.compile(
    r"\bext_modules\b|\bExtension\s*\(|\bcythonize\s*\(|\bcffi_modules\b|\brust_extensions\b"
    r"|^\s*ext-modules\s*=|^\s*\[\[?tool\.setuptools-rust",
    re.MULTILINE,
)
_NO_COMMENT = re.compile(r"(?m)^\s*#.*$")
_LARGEST_TEXT_BYTES = 4 << 20
_DEPTH = 2  # NAME-VERSION/pyproject.toml


def wheel_of(
    pin: Pin,
    file: Path,
    target: Target,
    cache: Cache,
    index: Mapping[str, str],
    cwd: Path,
    docker: DockerBuilder | None = None,
) -> Wheel:
    """Return the wheel of a locked source distribution, built once for each hash.

    `index` holds the variables that tell uv where to find the backend, `cwd` the folder whose
    settings it reads. Native code is compiled in `docker`. Raises WheelError when there is none
    and the package is native, ToolError when its backend fails.
    """
    if (kept := kept_wheel(pin.sha256, cache)) is not None:
        return _pure(kept, pin, target)
    if docker is not None and (kept := docker.kept(pin.sha256)) is not None:
        return kept
    texts = read_texts(file, pin.filename)
    reason = native_reason(texts)
    if reason is None:
        with temporary_folder() as folder:
            built = _build(pin, file, target, index, cwd, folder)
            wheel = read_wheel(built, built.name, pin.sha256)
            verify_wheel(wheel)
            reason = impure_reason(wheel)
            if reason is None:
                _pure(wheel, pin, target)
                return keep_wheel(built, pin.sha256, cache)
    else:
        reason = f"{reason}, so it has to be compiled"
    if docker is None:
        raise WheelError(_refusal(pin, target, reason))
    from lambda_build.docker_builds import NativeSource  # noqa: PLC0415 - few builds need Docker

    return docker.wheel(
        NativeSource(
            what=f"{pin.name} {pin.version}",
            filename=pin.filename,
            digest=pin.sha256,
            texts=texts,
            read=file.read_bytes,
        )
    )


def build_requirements(
    needs: Sequence[str], requirements: Requirements, target: Target, cache: Cache
) -> tuple[Wheel, ...]:
    """Return the wheels for a target that answer what a backend needs, from the same indexes."""
    wanted = replace(
        requirements,
        packages=read_lines(requirements.file, needs).packages,
        projects=(),
        constraints=(),
        # The author's requirements have no hashes to require.
        options=tuple(one for one in requirements.options if one.name != "--require-hashes"),
    )
    resolution = resolve(wanted, target)
    folder = requirements.file.parent

    def build(pin: Pin, file: Path) -> Wheel:
        return wheel_of(pin, file, target, cache, uv_environment(requirements), folder)

    return fetch(resolution.lock.pins, target, cache, lambda _: resolution.locations, build)


def read_texts(file: Path, filename: str) -> dict[str, str]:
    """Return the files at a source distribution's top that say how it is built, by name.

    Raises WheelError when it is damaged.
    """
    try:
        return dict(_texts(file, filename))
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
        raise WheelError(f"{filename} is not a whole source distribution: {error}") from error


def native_reason(texts: Mapping[str, str]) -> str | None:
    """Return what says that a source is compiled, as far as reading how it is built tells.

    Nothing of it is run. None: it may be pure, and its wheel is looked at once it is built.
    """
    try:
        build = tomllib.loads(texts.get("pyproject.toml", "")).get("build-system", {})
        backend = str(build.get("build-backend", "")).partition(".")[0].partition(":")[0]
    except (ValueError, AttributeError):
        backend = ""  # the backend will say what is wrong
    if backend in _NATIVE_BACKENDS:
        return f"its build backend is {backend}"
    for name, text in texts.items():
        found = _COMPILES.search(_NO_COMMENT.sub("", text))
        if found:
            return f"its {name} says {found[0].strip().rstrip('(').strip()}"
    return None


def _texts(file: Path, filename: str) -> Iterator[tuple[str, str]]:
    wanted = BUILD_FILES
    if filename.endswith(".zip"):
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                path = PurePosixPath(info.filename)
                if path.name in wanted and len(path.parts) == _DEPTH:
                    with archive.open(info) as opened:
                        yield path.name, opened.read(_LARGEST_TEXT_BYTES).decode("utf-8", "replace")
        return
    with tarfile.open(file) as archive_file:
        for member in archive_file:
            path = PurePosixPath(member.name)
            if path.name in wanted and len(path.parts) == _DEPTH and member.isfile():
                extracted = archive_file.extractfile(member)
                if extracted is not None:
                    data = extracted.read(_LARGEST_TEXT_BYTES)
                    yield path.name, data.decode("utf-8", "replace")


def _build(
    pin: Pin, file: Path, target: Target, index: Mapping[str, str], cwd: Path, folder: Path
) -> Path:
    named = folder / pin.filename  # the cache names it by its hash, and backends read the name
    shutil.copyfile(file, named)
    named.chmod(stat.S_IRUSR | stat.S_IWUSR)
    # The target's Python where there is one: setup.py may ask which it is.
    python = find_interpreter(target.python)
    chosen: list[str | Path] = ["--python", python] if python else []
    result = uv(
        *("build", "--wheel", "--out-dir", folder / "out"),
        *chosen,
        named,
        cwd=cwd,
        environment=index,
    )
    wheels = sorted((folder / "out").glob("*.whl"))
    if result.returncode or not wheels:
        raise ToolError(
            f"{pin.name} {pin.version} is published as source only, and its wheel cannot be built "
            f"from {pin.filename}:\n{result.stderr.strip()}"
        )
    return wheels[0]


def _pure(wheel: Wheel, pin: Pin, target: Target) -> Wheel:
    """Return a wheel that runs anywhere; WheelError when it is for the machine that it is on."""
    if (reason := impure_reason(wheel)) is not None:
        raise WheelError(_refusal(pin, target, reason))
    if rank(wheel.filename, target) is None:
        raise WheelError(
            f"{pin.name} {pin.version} is built into {wheel.filename}, which is not for Python "
            f"{target.python}.\nChoose another version."
        )
    return wheel


def impure_reason(wheel: Wheel) -> str | None:
    """Return what says that a wheel has native code; None when it runs anywhere."""
    *_, tags = parse_wheel_filename(wheel.filename)
    if not all((tag.abi, tag.platform) == ("none", "any") for tag in tags):
        return f"its wheel became {wheel.filename}"
    with zipfile.ZipFile(wheel.file) as archive:
        for member in wheel.members:
            with archive.open(member.info) as opened:
                if opened.read(len(MAGIC)) == MAGIC:
                    return f"its wheel holds native code, {member.path}"
    return None


def _refusal(pin: Pin, target: Target, reason: str) -> str:
    return (
        f"{pin.name} {pin.version} is published as source only, and {reason}: what is compiled "
        f"here might not run on {target} (glibc {target.glibc}).\n"
        f"Use a package that has wheels, or have it compiled in Docker:\n{DOCKER_WAYS}\n"
        "or build a wheel where the target runs, and name it in the requirements:\n"
        f"    ./wheels/{pin.name.replace('-', '_')}-{pin.version}-…-manylinux….whl"
    )
