"""The installed distributions of a package: what their metadata says, and whether it is so.

The rules are from the packaging user guide's "Recording installed projects". Installers rewrite
RECORD, put scripts elsewhere and leave some rows' files out, and are right to; `_is_optional` and
`_place` say what.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lambda_build.checks.findings import Finding, Severity, shown
from lambda_build.wheel import BROKEN, DATA_SCHEMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lambda_build.inspection.reader import Entry
    from lambda_build.target import Target

_INFO = ".dist-info"

# Left out of packages to make them smaller, and missed by few programs.
_TRIMMED_FOLDERS = {"test", "tests", "testing", "docs", "doc", "examples", "include"}
_TRIMMED_ENDINGS = (".pyi", ".pyx", ".pxd", ".c", ".h", ".hpp", ".cpp", ".md", ".rst", ".typed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """An installed distribution, by its `.dist-info`."""

    name: str
    version: str
    folder: str
    rows: Mapping[str, str]  # RECORD: SHA-256 in hex by path; "" where it names no such hash
    requires: tuple[str, ...]
    tags: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def read_distributions(
    entries: Mapping[str, Entry],
) -> tuple[tuple[Distribution, ...], tuple[Finding, ...]]:
    """Return the distributions whose metadata is at the root, and what is amiss with it."""
    folders: dict[str, dict[str, str]] = {}
    for path, entry in entries.items():
        folder, _, rest = path.partition("/")
        if folder.endswith(_INFO) and rest in {"METADATA", "RECORD", "WHEEL"}:
            folders.setdefault(folder, {})[rest] = entry.text.decode(errors="replace")
    found, findings = [], []
    for folder, texts in sorted(folders.items()):
        headers = HeaderParser().parsestr(texts.get("METADATA", ""))
        name, _, version = folder.removesuffix(_INFO).partition("-")
        if "METADATA" not in texts or not headers["Name"]:
            findings.append(_without_metadata(folder))
        if "RECORD" not in texts:
            findings.append(_without_record(folder))
        found.append(
            Distribution(
                name=str(canonicalize_name(headers["Name"] or name)),
                version=str(headers["Version"] or version),
                folder=folder,
                rows=_rows(texts.get("RECORD", "")),
                requires=tuple(map(str, headers.get_all("Requires-Dist", []))),
                tags=tuple(
                    map(str, HeaderParser().parsestr(texts.get("WHEEL", "")).get_all("Tag", []))
                ),
            )
        )
    return tuple(found), (*findings, *_twice(found))


def owners(distributions: Iterable[Distribution]) -> dict[str, str]:
    """Return which distribution each path belongs to, in words for a person."""
    owned: dict[str, str] = {}
    for distribution in distributions:
        for row in distribution.rows:
            place = _place(row, distribution)
            if place is not None:
                owned.setdefault(place, str(distribution))
                owned.setdefault(row, str(distribution))
    return owned


def published(distributions: Iterable[Distribution], hashes: Mapping[str, str]) -> frozenset[str]:
    """Return the paths that are, byte for byte, what a distribution was published with."""
    return frozenset(
        place
        for distribution in distributions
        for row, listed in distribution.rows.items()
        if (place := _place(row, distribution)) and listed and hashes.get(place) == listed
    )


def check_records(
    distributions: Iterable[Distribution], hashes: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield the files that are missing, or not what RECORD says; `hashes` are those found."""
    everything = list(distributions)
    right = published(everything, hashes)
    for distribution in everything:
        yield from _misplaced(distribution, hashes)
        yield from _missing(distribution, hashes)
        changed = [
            place
            for row, listed in distribution.rows.items()
            if (place := _place(row, distribution)) is not None
            # Two distributions may write one path: what is there is one of them's.
            and place not in right
            and listed
            and place in hashes
        ]
        if changed:
            first, *others = changed
            yield Finding(
                code="record-mismatch",
                thing=first,
                others=tuple(others),
                cause=f"{shown(first)} is not the file that {distribution} was published with.",
                next_step="Install it again into an empty folder, and make the ZIP of that.",
            )


def check_requires(
    distributions: Iterable[Distribution],
    tops: frozenset[str],
    target: Target,
    provided: frozenset[str],
) -> Iterator[Finding]:
    """Yield what the distributions require and the package lacks.

    `tops` are the names of top-level modules, and `provided` what the runtime brings.
    """
    everything = list(distributions)
    versions = {distribution.name: distribution.version for distribution in everything}
    wanted: dict[str, list[str]] = {}
    for distribution in everything:
        for requirement in _requirements(distribution, target):
            name = str(canonicalize_name(requirement.name))
            if name in versions:
                yield from _conflict(distribution, requirement, versions[name])
            elif name not in provided:
                wanted.setdefault(name, []).append(str(distribution))
    for name, askers in sorted(wanted.items()):
        yield _lacking(name, askers, tops)


def check_tags(distributions: Iterable[Distribution], target: Target) -> Iterator[Finding]:
    """Yield the distributions that are of another Python, its ABI or another operating system.

    The machine and the glibc are for the native libraries themselves to say.
    """
    fitting = {(tag.interpreter, tag.abi) for tag in target.tags}
    for distribution in distributions:
        tags = [tag.split("-") for tag in distribution.tags if tag.count("-") == 2]  # noqa: PLR2004
        if tags and not any(
            (interpreter, abi) in fitting and _is_linux(platform)
            for interpreter, abi, platform in tags
        ):
            yield Finding(
                code="wrong-wheel",
                thing=str(distribution),
                cause=(
                    f"{distribution} was installed from a wheel for "
                    f"{shown(', '.join(distribution.tags))}, which does not run on {target}."
                ),
                next_step=f"Install it for {target.runtime} on Linux with glibc.",
            )


def _is_linux(platform: str) -> bool:
    return all(
        part == "any" or part.startswith(("manylinux", "linux")) for part in platform.split(".")
    )


def _rows(text: str) -> dict[str, str]:
    rows: dict[str, str] = {}
    try:
        for row in csv.reader(io.StringIO(text)):
            if row and row[0]:
                algorithm, _, encoded = "".join(row[1:2]).partition("=")
                rows[row[0]] = _hex(encoded) if algorithm == "sha256" else ""
    except csv.Error:
        return rows
    return rows


def _hex(encoded: str) -> str:
    try:
        return base64.urlsafe_b64decode(f"{encoded}==").hex()
    except (binascii.Error, ValueError):
        return ""


def _place(row: str, distribution: Distribution) -> str | None:
    """Return where an installer puts a row's file; None where that is outside, or anywhere."""
    if row.startswith("/") or ".." in row.split("/"):
        return None  # scripts and data, which pip --target puts elsewhere
    data = f"{distribution.folder.removesuffix(_INFO)}.data/"
    if not row.startswith(data):
        return row
    scheme, _, rest = row.removeprefix(data).partition("/")
    # A script's first line is rewritten, so its hash says nothing.
    return DATA_SCHEMES[scheme] + rest if scheme in {"purelib", "platlib", "data"} else None


def _is_optional(place: str, distribution: Distribution) -> bool:
    """Return whether installers leave this out, and the package is as good without it."""
    return (
        place.startswith((f"{distribution.folder}/", "bin/", "share/", "etc/"))
        or place.endswith(".pyc")
        or "__pycache__/" in place
    )


def _misplaced(distribution: Distribution, hashes: Mapping[str, str]) -> Iterator[Finding]:
    data = f"{distribution.folder.removesuffix(_INFO)}.data/"
    left = [
        row
        for row in distribution.rows
        if row.startswith((f"{data}purelib/", f"{data}platlib/"))
        and row in hashes
        and _place(row, distribution) not in hashes
    ]
    if left:
        first, *others = left
        yield Finding(
            code="not-installed",
            thing=first,
            others=tuple(others),
            cause=f"{shown(first)} was unpacked and not installed, so no import finds it.",
            next_step=f"Install {distribution} with pip or uv; unzipping a wheel is not enough.",
        )


def _missing(distribution: Distribution, hashes: Mapping[str, str]) -> Iterator[Finding]:
    missing = [
        place
        for row in distribution.rows
        if (place := _place(row, distribution)) is not None
        and place not in hashes
        and row not in hashes
        and not _is_optional(place, distribution)
    ]
    trimmed = [path for path in missing if _is_trimmed(path)]
    needed = [path for path in missing if not _is_trimmed(path)]
    for paths, severity, code in (
        (needed, Severity.ERROR, "record-missing"),
        (trimmed, Severity.WARNING, "record-trimmed"),
    ):
        if paths:
            first, *others = paths
            yield Finding(
                code=code,
                severity=severity,
                thing=first,
                others=tuple(others),
                cause=(
                    f"{shown(first)} is missing: {distribution} was published with it, and "
                    f"{len(missing)} of its {len(distribution.rows)} files are not in the ZIP."
                ),
                next_step="Install it again into an empty folder, and make the ZIP of that.",
            )


def _is_trimmed(path: str) -> bool:
    return path.endswith(_TRIMMED_ENDINGS) or bool(_TRIMMED_FOLDERS & set(path.split("/")[:-1]))


def _requirements(distribution: Distribution, target: Target) -> Iterator[Requirement]:
    for line in distribution.requires:
        try:
            requirement = Requirement(line)
            applies = requirement.marker is None or requirement.marker.evaluate(
                {**target.markers, "extra": ""}
            )
        except (InvalidRequirement, *BROKEN):
            continue
        if applies:
            yield requirement


def _conflict(
    distribution: Distribution, requirement: Requirement, version: str
) -> Iterator[Finding]:
    try:
        fits = requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return
    if not fits:
        yield Finding(
            code="version-conflict",
            severity=Severity.WARNING,
            thing=requirement.name,
            cause=(
                f"{distribution} requires {requirement.name}{requirement.specifier}, and the ZIP "
                f"holds {version}."
            ),
            next_step="Install both in one command, so that versions are chosen that fit.",
        )


def _lacking(name: str, askers: list[str], tops: frozenset[str]) -> Finding:
    asked = f"{', '.join(askers[:3])} require{'s' if len(askers) == 1 else ''} {name}"
    if name.replace("-", "_").lower() in tops:
        return Finding(
            code="metadata-missing",
            severity=Severity.WARNING,
            thing=name,
            cause=f"{asked}: its modules are there, and its metadata is not.",
            next_step=(
                "Keep the .dist-info folders: versions, entry points and plug-ins are read there."
            ),
        )
    return Finding(
        code="requirement-missing",
        thing=name,
        cause=f"{asked}, which is neither in the ZIP nor in the runtime.",
        next_step=f"Install {name} too, or give its layer with --layer.",
    )


def _without_metadata(folder: str) -> Finding:
    return Finding(
        code="metadata-missing",
        severity=Severity.WARNING,
        thing=folder,
        cause=f"{shown(folder)} has no METADATA that names its distribution.",
        next_step="Install it again into an empty folder, and make the ZIP of that.",
    )


def _without_record(folder: str) -> Finding:
    return Finding(
        code="record-absent",
        severity=Severity.WARNING,
        thing=folder,
        cause=f"{shown(folder)} has no RECORD, so nobody can tell whether its files are all there.",
        next_step="Install it again into an empty folder, and make the ZIP of that.",
    )


def _twice(distributions: list[Distribution]) -> Iterator[Finding]:
    folders: dict[str, str] = {}
    for distribution in distributions:
        other = folders.setdefault(distribution.name, distribution.folder)
        if other != distribution.folder:
            yield Finding(
                code="two-versions",
                thing=distribution.folder,
                cause=(
                    f"{shown(distribution.folder)} and {shown(other)} are both there: one version "
                    "was installed over another, and files of both are left."
                ),
                next_step="Install into an empty folder, and make the ZIP of that.",
            )
