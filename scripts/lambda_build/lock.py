"""The lock: exactly which wheels answer the requirements on one target.

It stands beside requirements.txt, a file a target, in pip's format with one hash a package and
no hosts, so `pip install --require-hashes -r` takes it as well:

    # Made by lambda-build from requirements.txt; after changing that, run: make lock
    # target: python3.11-x86_64, glibc 2.26
    # requirements: sha256:30c5…
    boto3==1.44.5 --hash=sha256:70c3…  # boto3-1.44.5-py3-none-any.whl

A package that is published as source only is pinned by its source distribution's hash.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from lambda_build.errors import LockError
from lambda_build.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lambda_build.requirements import Requirements

_TOOL = Path(__file__).parents[1] / "run_lambda_build.py"

_HEADER = "# Made by lambda-build from {name}; after changing that, run: make lock"
_TARGET = re.compile(r"^# target: (?P<target>\S+), glibc (?P<glibc>\S+)$", re.MULTILINE)
_REQUIREMENTS = re.compile(r"^# requirements: sha256:(?P<digest>[0-9a-f]{64})$", re.MULTILINE)
_LOCK_NAME = re.compile(
    r"(?P<stem>.+)\.(?P<runtime>python3\.\d+)-(?P<architecture>[^-]+)(?:-glibc(?P<glibc>.+))?\.lock"
)
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+) --hash=sha256:(?P<sha256>[0-9a-f]{64})"
    r"  # (?P<filename>\S+\.(?:whl|tar\.gz|zip))$"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """One wheel, or source distribution: the only file that a package may be."""

    name: str
    version: str
    sha256: str
    filename: str

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel; else a source distribution, of a package that has no wheels."""
        return self.filename.endswith(".whl")

    def __str__(self) -> str:
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}  # {self.filename}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """The wheels that answer some requirements on a target, sorted by name."""

    target: str
    glibc: str
    requirements_name: str
    requirements_digest: str
    pins: tuple[Pin, ...]

    @property
    def text(self) -> str:
        """The lock file's text."""
        lines = [
            _HEADER.format(name=self.requirements_name),
            f"# target: {self.target}, glibc {self.glibc}",
            f"# requirements: sha256:{self.requirements_digest}",
            *(str(pin) for pin in self.pins),
        ]
        return "".join(f"{line}\n" for line in lines)

    @property
    def digest(self) -> str:
        """`sha256:` and the digest of the lock file's bytes, as `sha256sum` prints it."""
        return f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """A lock, and where its wheels are to be had: an address or a path for each hash."""

    lock: Lock
    locations: Mapping[str, str]


def lock_path(requirements: Path, target: Target) -> Path:
    """Return where the lock of a requirements file for a target stands.

    `requirements.txt` → `requirements.python3.11-x86_64.lock`. An image whose glibc is not that
    under the runtime has a lock of its own, `requirements.python3.11-x86_64-glibc2.34.lock`: the
    two take other wheels, and a function that is carried both ways needs both.
    """
    return requirements.with_name(f"{requirements.stem}.{target}.lock")


def read_lock(path: Path) -> Lock:
    """Return the lock in a file; LockError when it is damaged."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"{path} cannot be read: {error}") from error
    return parse_lock(text, path)


def parse_lock(text: str, path: Path) -> Lock:
    """Return the lock in a text; LockError, which names `path`, when it is damaged."""
    target = _TARGET.search(text)
    requirements = _REQUIREMENTS.search(text)
    if target is None or requirements is None:
        raise LockError(f"{path} is damaged: its head is missing.\n{_make_it_again(path)}")
    return Lock(
        target=target["target"],
        glibc=target["glibc"],
        requirements_name=text.partition(" from ")[2].partition(";")[0],
        requirements_digest=requirements["digest"],
        pins=tuple(_pins(path, text)),
    )


def check_lock(lock: Lock, path: Path, requirements: Requirements, target: Target) -> None:
    """Raise LockError unless the lock answers the requirements on the target."""
    if (lock.target, lock.glibc) != (str(target), target.glibc):
        raise LockError(
            f"{path} was made for {lock.target} with glibc {lock.glibc}, "
            f"not for {target} with glibc {target.glibc}.\n{_make_it_again(path)}"
        )
    reasons = "; ".join(disagreements(lock, requirements, target))
    if lock.requirements_digest != requirements.digest:
        changed = reasons or "it asks for something else now"
        raise LockError(
            f"{requirements.file} has changed since its lock was made: {changed}.\n"
            f"{_make_it_again(path)}"
        )
    if reasons:  # somebody edited the lock
        raise LockError(
            f"{path} does not answer {requirements.file}: {reasons}.\n{_make_it_again(path)}"
        )


def disagreements(lock: Lock, requirements: Requirements, target: Target) -> Iterator[str]:
    """Yield, in words, what requirements ask for and a lock does not have."""
    versions = {pin.name: pin.version for pin in lock.pins}
    for package in requirements.packages:
        wanted = package.requirement
        if wanted.marker and not wanted.marker.evaluate(target.markers):
            continue
        version = versions.get(canonicalize_name(wanted.name))
        if version is None:
            yield f"it asks for {wanted}, and the lock has no {wanted.name}"
        elif not wanted.specifier.contains(version, prereleases=True):
            yield f"it asks for {wanted}, and the lock has {wanted.name} {version}"


def _pins(path: Path, text: str) -> Iterator[Pin]:
    names = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        match = _PIN.match(line)
        if match is None:
            raise LockError(f"{path}, line {number} is damaged: {line}\n{_make_it_again(path)}")
        if match["name"] in names:
            raise LockError(
                f"{path}, line {number}: {match['name']} is there twice.\n{_make_it_again(path)}"
            )
        names.add(match["name"])
        yield Pin(**match.groupdict())


def lock_command(path: Path) -> str:
    """Return the command that makes a lock, to be run where the build was run.

    It needs nothing installed: a module's user has no lambda-build and no Makefile.
    """
    match = _LOCK_NAME.fullmatch(path.name)
    stem, runtime, architecture, glibc = match.groups() if match else (path.stem, "", "", None)
    words = ["python3", os.path.relpath(_TOOL), "lock", "--source", os.fspath(path.parent)]
    suffix = "toml" if stem == "pyproject" else "txt"
    asked = path.with_name(f"{stem}.{suffix}")
    if not asked.exists() and (inputs := path.with_name(f"{stem}.in")).exists():
        asked = inputs  # as pip-tools calls it
    if asked.name != "requirements.txt":
        words += ["--requirements", os.fspath(asked)]
    default = Target()
    if runtime not in {"", default.runtime}:
        words += ["--runtime", runtime]
    if architecture not in {"", default.architecture}:
        words += ["--architecture", architecture]
    if glibc:
        words += ["--glibc", glibc]
    return shlex.join(words)


def _make_it_again(path: Path) -> str:
    return (
        "Make the lock again, and commit it:\n"
        "    make lock\n"
        "or, outside this project:\n"
        f"    {lock_command(path)}"
    )
