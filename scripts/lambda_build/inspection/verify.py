"""Verifying a ZIP that anyone made: every promise of a build, checked on what is there.

    ZIP and layers ─► what they say of themselves ─► entries ─► layout ─► findings

`check.check_layout` is what a build is held to, too; the rest is what a build cannot get wrong,
and pip, a person and a half-finished download can.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lambda_build.checks.check import LARGEST_UNZIPPED_BYTES, check_layout, check_size
from lambda_build.checks.findings import Finding, Severity, found_by, shown
from lambda_build.errors import LambdaBuildError, SizeError, UsageError
from lambda_build.inspection.distributions import (
    Distribution,
    check_records,
    check_requires,
    check_tags,
    owners,
    published,
    read_distributions,
)
from lambda_build.inspection.leftovers import check_bytecode, check_clutter, check_secrets
from lambda_build.inspection.reader import Archive, Bounded, read_archive
from lambda_build.layout import Layout
from lambda_build.manifest import RECORD_FILE
from lambda_build.provided import RUNTIME_PACKAGES
from lambda_build.target import Architecture, Runtime, Target
from lambda_build.wheel import BROKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

# AWS, "Lambda quotas": the ZIP of a function or layer, uploaded directly.
LARGEST_ZIPPED_BYTES = 52_428_800
_MOST_LAYERS = 5

# What a layer holds besides Python (AWS, "Layer paths for each Lambda runtime").
_LAYER_FOLDERS = ("python/", "bin/", "lib/", "extensions/")

# What a layer that is not at hand may answer.
_OF_LAYERS = {"requirement-missing", "import", "missing-library", "handler"}

_LARGEST_RECORD_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was verified, for which target, and what was found: errors first."""

    file: Path
    target: Target
    target_from: str  # in words for a person
    handler: str | None
    handler_from: str
    distributions: tuple[Distribution, ...]
    files: int
    zipped_bytes: int
    unzipped_bytes: int  # with layers
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings mean that the function fails."""
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many findings mean that it does worse than it could."""
        return len(self.findings) - self.errors


def verify(
    file: Path,
    *,
    runtime: str | None = None,
    architecture: str | None = None,
    handler: str | None = None,
    layers: Sequence[Path] = (),
) -> Report:
    """Return everything that is wrong with a function's ZIP and the layers that it has.

    What is not given is what the ZIP's own record says, else python3.11, x86_64 and no handler.
    UsageError when a file is not there, or an option names no such thing.
    """
    said, damage = _said(file)
    target, target_from, disagreement = _target(said, runtime, architecture)
    handler_from = "--handler" if handler else RECORD_FILE
    handler = handler or said.get("handler")
    function = read_archive(file, target.pyc_magic)
    archives = [
        *(_mounted(read_archive(layer, target.pyc_magic), target) for layer in layers),
        function,
    ]
    findings = [*damage, *disagreement, *_sizes(archives, function)]
    distributions: dict[str, Distribution] = {}
    owned: dict[str, str] = {}
    for archive in archives:
        where = "" if archive is function else f"{shown(archive.file.name)}: "
        found, found_owned, amiss = _judged(archive, target)
        distributions.update({distribution.name: distribution for distribution in found})
        owned |= found_owned
        findings.extend(_in_layer(finding, where) for finding in amiss)
    if all(archive.is_read for archive in archives):
        layout = _seen(archives, owned)
        awaited = frozenset(said.get("provided", ())) - RUNTIME_PACKAGES[target.runtime]
        about = _about_all(layout, target, handler, distributions.values())
        findings.extend(_awaiting(awaited, about, distributions, layers))
        findings.extend(_unlike_said(said, distributions))
    return Report(
        file=file,
        target=target,
        target_from=target_from,
        handler=handler,
        handler_from=handler_from,
        distributions=tuple(sorted(distributions.values(), key=lambda found: found.name)),
        files=len(function.entries),
        zipped_bytes=function.zipped_bytes,
        unzipped_bytes=sum(archive.unzipped_bytes for archive in archives),
        findings=tuple(
            sorted(findings, key=lambda found: (found.severity, found.code, found.thing))
        ),
    )


def _said(file: Path) -> tuple[dict[str, Any], list[Finding]]:
    """Return what a ZIP that a build made says of itself; nothing where there is no such record."""
    is_there, said = False, None
    try:
        with Bounded(file) as opened, zipfile.ZipFile(opened) as archive:
            if RECORD_FILE not in archive.namelist():
                return {}, []
            is_there = True
            with archive.open(RECORD_FILE) as content:
                said = json.loads(content.read(_LARGEST_RECORD_BYTES))
    except (*BROKEN, RecursionError):
        if not is_there:
            return {}, []  # a ZIP that is broken, which is found when it is read
    if isinstance(said, dict) and _is_record(said):
        return said, []
    return {}, [
        Finding(
            code="record-damaged",
            thing=RECORD_FILE,
            cause=f"{RECORD_FILE} is not what a build writes there.",
            next_step="Build the package again.",
        )
    ]


def _is_record(said: dict[str, Any]) -> bool:
    packages, provided = said.get("packages", {}), said.get("provided", [])
    return (
        isinstance(provided, list)
        and all(isinstance(name, str) for name in provided)
        and all(isinstance(said.get(key, ""), str) for key in ("runtime", "architecture"))
        and isinstance(said.get("handler"), str | None)
        and isinstance(packages, dict)
        and all(isinstance(version, str) for version in packages.values())
    )


def _target(
    said: dict[str, Any], runtime: str | None, architecture: str | None
) -> tuple[Target, str, list[Finding]]:
    """Return the target, where it is said, and whether the record says another one."""
    try:
        built_for = Target.parse(
            said.get("runtime", Runtime.PYTHON3_11), said.get("architecture", Architecture.X86_64)
        )
    except UsageError as error:
        return (
            Target.parse(runtime or Runtime.PYTHON3_11, architecture or Architecture.X86_64),
            "the options",
            [found_by(error, "record-damaged", RECORD_FILE)],
        )
    target = Target.parse(runtime or built_for.runtime, architecture or built_for.architecture)
    if said and target != built_for:
        finding = Finding(
            code="other-target",
            thing=RECORD_FILE,
            cause=f"The package was built for {built_for}, and is to run on {target}.",
            next_step=f"Build it for {target}, or deploy it as {built_for}.",
        )
        return target, "the options", [finding]
    if said:
        return target, RECORD_FILE, []
    return target, "the options" if runtime and architecture else "by default", []


def _mounted(layer: Archive, target: Target) -> Archive:
    """Return a layer with its modules' paths as they are imported, and what is amiss with them."""
    own = f"python/lib/python{target.python}/site-packages/"
    entries = {}
    elsewhere = []
    for path, entry in sorted(layer.entries.items(), key=lambda item: item[0].startswith(own)):
        if path.endswith(".py") and not path.startswith(_LAYER_FOLDERS):
            elsewhere.append(path)
        if path.startswith("python/lib/python3.") and not path.startswith(own):
            elsewhere.append(path)
        prefix = own if path.startswith(own) else "python/"
        entries[path.removeprefix(prefix)] = entry
    findings = list(layer.findings)
    if elsewhere:
        first, *others = elsewhere
        findings.append(
            Finding(
                code="layer-path",
                thing=first,
                others=tuple(others),
                cause=f"{shown(first)} is in a layer where Python {target.python} does not look.",
                next_step=f"A layer's modules go into python/ or {own}.",
            )
        )
    return replace(layer, entries=entries, findings=tuple(findings))


def _sizes(archives: Sequence[Archive], function: Archive) -> Iterator[Finding]:
    layout = Layout(
        members=tuple(
            replace(member, origin="function" if archive is function else archive.file.name)
            if len(archives) > 1
            else replace(member, origin=member.path.partition("/")[0])
            for archive in archives
            for member in archive.layout({}).members
        )
    )
    try:
        check_size(layout)
    except SizeError as error:
        yield found_by(error, "unzipped-size", "the package")
    for archive in archives:
        if archive.zipped_bytes > LARGEST_ZIPPED_BYTES:
            yield Finding(
                code="zipped-size",
                severity=Severity.WARNING,
                thing=archive.file.name,
                cause=(
                    f"{shown(archive.file.name)} is {archive.zipped_bytes / 1e6:.1f} MB, and "
                    f"Lambda takes {LARGEST_ZIPPED_BYTES / 1e6:.1f} MB (50 MiB) in an upload."
                ),
                next_step="Upload it to S3, and name bucket and key.",
            )
        if not archive.is_read and archive.unzipped_bytes > LARGEST_UNZIPPED_BYTES:
            yield Finding(
                code="not-read",
                severity=Severity.WARNING,
                thing=archive.file.name,
                cause=(
                    f"{shown(archive.file.name)} unzips to {archive.unzipped_bytes / 1e6:.1f} MB, "
                    "so its files were counted, and not looked at."
                ),
                next_step="Make it smaller, and verify it again.",
            )
    if len(archives) - 1 > _MOST_LAYERS:
        yield Finding(
            code="too-many-layers",
            thing=function.file.name,
            cause=f"A function has at most {_MOST_LAYERS} layers.",
            next_step="Put two of them into one.",
        )


def _judged(
    archive: Archive, target: Target
) -> tuple[tuple[Distribution, ...], dict[str, str], list[Finding]]:
    """Return the distributions of one archive, what belongs to them, and what is amiss with it."""
    if not archive.is_read:
        return (), {}, list(archive.findings)
    distributions, amiss = read_distributions(archive.entries)
    owned = owners(distributions)
    hashes = {path: entry.sha256 for path, entry in archive.entries.items()}
    findings = [
        *archive.findings,
        *amiss,
        *check_records(distributions, hashes),
        *check_tags(distributions, target),
        *check_secrets(archive.entries, owned),
        *check_clutter(archive.entries, owned),
        *check_bytecode(archive.entries, published(distributions, hashes), target),
    ]
    return distributions, owned, findings


def _seen(archives: Sequence[Archive], owned: dict[str, str]) -> Layout:
    """Return what the function sees: its own files before a layer's, a later layer's before."""
    members = {
        member.path: member for archive in archives for member in archive.layout(owned).members
    }
    return Layout(members=tuple(members[path] for path in sorted(members)))


def _about_all(
    layout: Layout, target: Target, handler: str | None, distributions: Iterable[Distribution]
) -> Iterator[Finding]:
    if not layout.members:
        yield Finding(code="empty", thing="the ZIP", cause="There is no file in the ZIP.")
        return
    try:
        for finding in check_layout(layout, target, handler):
            if finding.code != "unzipped-size":  # which is counted with all that layers hide
                yield finding
    except (*BROKEN, RecursionError, MemoryError, LambdaBuildError) as error:
        yield Finding(code="damaged", thing="the ZIP", cause=f"It cannot be read: {error}")
    tops = frozenset(member.path.partition("/")[0].partition(".")[0] for member in layout.members)
    yield from check_requires(distributions, tops, target, RUNTIME_PACKAGES[target.runtime])


def _awaiting(
    awaited: frozenset[str],
    findings: Iterable[Finding],
    distributions: dict[str, Distribution],
    layers: Sequence[Path],
) -> Iterator[Finding]:
    """Yield findings in the light of what layers are to bring, whether they are at hand or not."""
    if awaited and not layers:
        names = ", ".join(shown(name) for name in sorted(awaited))
        yield Finding(
            code="layer-not-given",
            severity=Severity.WARNING,
            thing=RECORD_FILE,
            cause=f"The package expects {names} of a layer, and no layer was given to look into.",
            next_step="Give each layer's ZIP, in Lambda's order:\n    --layer LAYER.zip",
        )
    for name in sorted(awaited - distributions.keys()) if layers else ():
        yield Finding(
            code="requirement-missing",
            thing=name,
            cause=f"The package expects {shown(name)} of a layer, and none of those given has it.",
            next_step="Add it to a layer, or package it.",
        )
    for finding in findings:
        if finding.code in _OF_LAYERS and awaited and not layers:
            yield replace(finding, severity=Severity.WARNING)
        else:
            yield finding


def _unlike_said(said: dict[str, Any], distributions: dict[str, Distribution]) -> Iterator[Finding]:
    for name, version in sorted(said.get("packages", {}).items()):
        found = distributions.get(name)
        if found is None or found.version != version:
            has = f"{found.version}" if found else "no metadata of it"
            yield Finding(
                code="metadata-missing",
                thing=name,
                cause=f"{RECORD_FILE} names {shown(name)} {shown(version)}; there is {has}.",
                next_step="Build the package again.",
            )


def _in_layer(finding: Finding, where: str) -> Finding:
    return replace(finding, cause=where + finding.cause) if where else finding
