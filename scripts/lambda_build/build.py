"""The flow of a build, each step a function from one value to the next.

    function ─► inputs (requirements, lock, source) ─► wheels ─► layout ─► checks ─► artefact

An artefact is a ZIP (`package`) or a folder that Terraform's archive_file zips (`stage_package`).
Both are made from the same layout. What the inputs' digest names is never built twice.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import shutil
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from lambda_build.archive import write_archive
from lambda_build.asked import read_asked
from lambda_build.bytecode import Compiler, compile_members, find_compiler
from lambda_build.cache import (
    Cache,
    directory_written_aside,
    keep_text,
    kept_text,
    locked,
    sha256_of,
    sweep,
    written_aside,
)
from lambda_build.errors import LambdaBuildError, LockError, SourceError
from lambda_build.fetch import fetch
from lambda_build.findings import refuse
from lambda_build.indexes import uv_environment
from lambda_build.layout import InMemory, Layout, Member, lay_out, source_members, wheel_members
from lambda_build.lock import Lock, Pin, check_lock, lock_command, lock_path, parse_lock, read_lock
from lambda_build.manifest import (
    RECORD_FILE,
    file_rows,
    read_manifest,
    sbom,
    staged_tree,
    write_manifest,
)
from lambda_build.process import at_once
from lambda_build.projects import ProjectTree, project_wheel, read_project
from lambda_build.provided import LAYER, Division, divide
from lambda_build.resolve import Resolution, locate, newer_elsewhere, resolve
from lambda_build.source import SourceFile, read_function_source, tree_digest
from lambda_build.source_distributions import wheel_of
from lambda_build.stage import StagedTree, is_intact, stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lambda_build.function import Function
    from lambda_build.requirements import Requirements
    from lambda_build.wheel import Wheel

_log = logging.getLogger(__name__)

# Raised when the same inputs would give another package: it is part of every digest.
_FORMAT = 2

# How long a staged folder that nothing names any more is kept: a plan may still be reading it.
_KEPT_S = 24 * 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Everything that decides what a package holds, and the digest that stands for it."""

    function: Function
    requirements: Requirements | None
    lock: Lock | None
    locations: Mapping[str, str]
    source: tuple[SourceFile, ...]
    projects: tuple[ProjectTree, ...]
    warnings: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The base64 SHA-256 of the inputs: equal on every machine, for Terraform to compare.

        The exact Python that compiled the bytecode and the compressor are not in it, so another
        patch release of Python plans no change.
        """
        named = {
            "format": _FORMAT,
            "target": [str(self.function.target), self.function.target.glibc],
            "handler": self.function.handler,
            "source": tree_digest(self.source),
            "projects": [tree.digest for tree in self.projects],
            "lock": None if self.lock is None else self.lock.digest,
            "provided": list(self.function.provided),
        }
        hashed = hashlib.sha256(json.dumps(named, sort_keys=True).encode())
        return base64.b64encode(hashed.digest()).decode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Artefact:
    """What a build leaves behind, and what is worth saying of it."""

    name: str
    path: Path
    digest: str
    lock: str | None
    packages: Mapping[str, str]
    unzipped_bytes: int
    zipped_bytes: int | None  # None: a folder
    zip_sha256: str | None  # in hex
    files: int
    built: bool  # False: it was there already
    warnings: tuple[str, ...]


def package(function: Function, output: Path, cache: Cache) -> Artefact:
    """Build a function's ZIP at `output`, with its manifest beside it."""
    lock = output.with_name(f".{output.name}.lock")
    with locked(lock):
        manifest_path = _swept(output)
        inputs = read_inputs(function, cache, outputs=(output, manifest_path, lock))
        kept = _kept_archive(inputs, output)
        return kept or _archived(inputs, output, *_laid_out(inputs, cache))


def stage_package(
    function: Function, output_dir: Path, cache: Cache, *, archive_above_bytes: int | None = None
) -> Artefact:
    """Build what Terraform deploys: a folder that its archive_file zips, or the ZIP itself.

    The folder is `output_dir/staged/NAME/DIGEST`, with its manifest beside it; one that is there
    is never changed: other inputs make another folder. A package that has more than
    `archive_above_bytes` unzipped becomes a ZIP where archive_file would write it as well,
    `output_dir/NAME_function.zip`; nothing is staged then.
    """
    parent = output_dir / "staged" / function.name
    archive = output_dir / f"{function.name}_function.zip"
    lock = output_dir / f".{archive.name}.lock"
    with locked(lock):
        manifest_path = _swept(archive)
        # Where the output is in the source, it is no source; nor is what archive_file makes of it.
        outputs = [output_dir / "staged", archive, manifest_path, lock]
        if not function.source.resolve().is_relative_to(output_dir.resolve()):
            outputs.append(output_dir)
        inputs = read_inputs(function, cache, outputs=outputs)

        def is_archived(size: int) -> bool:
            return archive_above_bytes is not None and size > archive_above_bytes

        kept = _kept_archive(inputs, archive)
        if kept is not None and is_archived(kept.unzipped_bytes):
            return kept
        kept = _kept_folder(inputs, parent)
        if kept is not None and not is_archived(kept.unzipped_bytes):
            return kept
        layout, facts = _laid_out(inputs, cache)
        if is_archived(layout.size):
            if parent.is_dir():
                _drop_old(parent)
            return _archived(inputs, archive, layout, facts)
        manifest_path.unlink(missing_ok=True)  # archive_file overwrites the ZIP that it is of
        return _staged(inputs, parent, layout, facts)


def _swept(output: Path) -> Path:
    """Remove what killed builds left beside a ZIP, and return where its manifest belongs."""
    manifest_path = output.with_suffix(".manifest.json")
    for path in (output, manifest_path):  # the lock is held: nobody else is writing them
        sweep(output.parent, path)
    return manifest_path


def _kept_archive(inputs: Inputs, output: Path) -> Artefact | None:
    kept = read_manifest(output.with_suffix(".manifest.json"))
    if kept is not None and _is_current(kept, inputs) and _is_archive(output, kept):
        return _artefact(inputs, output, kept, built=False)
    return None


def _archived(inputs: Inputs, output: Path, layout: Layout, facts: dict[str, Any]) -> Artefact:
    """Write the ZIP of a layout, and its manifest beside it."""
    _log.info("%s: writing %s", inputs.function.name, output)
    with written_aside(output) as aside, aside.open("wb") as file:
        sha256 = write_archive(layout, file)
    facts["archive"] = {
        "sha256": sha256,
        "size": output.stat().st_size,
        "compressor": f"zlib {zlib.ZLIB_RUNTIME_VERSION}",
    }
    write_manifest(output.with_suffix(".manifest.json"), **facts)
    return _artefact(inputs, output, facts, built=True)


def _folder(inputs: Inputs, parent: Path) -> tuple[Path, Path]:
    """Return where a staged folder belongs, and where its manifest does."""
    short = base64.b64decode(inputs.digest).hex()[:16]
    return parent / short, parent / f"{short}.manifest.json"


def _kept_folder(inputs: Inputs, parent: Path) -> Artefact | None:
    folder, manifest_path = _folder(inputs, parent)
    kept = read_manifest(manifest_path)
    if kept is None or not _is_current(kept, inputs) or not is_intact(staged_tree(kept, folder)):
        return None
    with suppress(OSError):  # another user's; then it is kept a day from its making
        os.utime(manifest_path)
    return _artefact(inputs, folder, kept, built=False)


def _staged(inputs: Inputs, parent: Path, layout: Layout, facts: dict[str, Any]) -> Artefact:
    """Write a layout into its folder, and its manifest beside it."""
    folder, manifest_path = _folder(inputs, parent)
    previous = _newest(parent)
    _log.info("%s: writing %s", inputs.function.name, folder)
    manifest_path.unlink(missing_ok=True)
    with directory_written_aside(folder) as aside:
        stage(layout, aside, previous)
        _make_room(folder)
    write_manifest(manifest_path, **facts)
    _drop_old(parent)
    return _artefact(inputs, folder, facts, built=True)


def lock_function(function: Function, *, upgrade: bool = False) -> tuple[Path, Lock, Lock | None]:
    """Resolve a function's requirements and write their lock.

    Returns where the lock stands, the lock, and the one before it. Locked versions that still
    answer stay, unless `upgrade`.
    """
    if function.requirements is None:
        raise SourceError(f"{function.name} has no requirements, so there is nothing to lock")
    requirements, given = read_asked(function.requirements, function.target)
    if given is not None:  # it is a lock already, which other tools write
        return function.requirements, given.lock, given.lock
    path = lock_path(function.requirements, function.target)
    old = None
    with suppress(LockError):  # none yet, or one that is damaged: it is what is being mended
        old = read_lock(path)
    preferred = old.pins if old is not None and not upgrade else ()
    lock = resolve(requirements, function.target, preferred=preferred).lock
    if old != lock:
        with written_aside(path) as aside:
            aside.write_text(lock.text, "utf-8")
    return path, lock, old


def fallen_back(
    function: Function, lock: Lock, old: Lock | None, *, upgrade: bool = False
) -> tuple[str, ...]:
    """Return, in words, which newly locked versions are not the newest, for the target's sake.

    It is only worth knowing: where the index does not answer again, nothing is said.
    """
    if function.requirements is None or (lock == old and not upgrade):
        return ()
    held = [] if old is None or upgrade else [pin for pin in lock.pins if pin in old.pins]
    try:
        requirements, given = read_asked(function.requirements, function.target)
        if given is not None:
            return ()
        newer = newer_elsewhere(lock, requirements, function.target, held=held)
    except LambdaBuildError as error:
        _log.info("newer versions are not known: %s", error)
        return ()
    target = f"{function.target} (glibc {function.target.glibc})"
    return tuple(
        f"{pin.name} {pin.version} is the newest that runs on {target}; elsewhere it would be "
        f"{newer[pin.name]}"
        for pin in lock.pins
        if pin.name in newer
    )


def read_inputs(function: Function, cache: Cache, *, outputs: Sequence[Path] = ()) -> Inputs:
    """Read everything that decides what a function's package holds.

    Raises RequirementsError, LockError, ResolutionError or SourceError.
    """
    source = read_function_source(function.source, outputs=outputs)
    if function.requirements is None:
        requirements, resolution = None, None
        warnings: tuple[str, ...] = ()
    else:
        requirements, resolution = read_asked(function.requirements, function.target)
        warnings = ()
        if resolution is None:
            resolution, warnings = _locked_or_resolved(function, requirements, cache)
    return Inputs(
        function=function,
        requirements=requirements,
        lock=resolution.lock if resolution else None,
        locations=resolution.locations if resolution else {},
        source=source,
        projects=tuple(
            read_project(project)
            for project in (
                requirements.projects_on(function.target.markers) if requirements else ()
            )
        ),
        warnings=warnings,
    )


def _locked_or_resolved(
    function: Function, requirements: Requirements, cache: Cache
) -> tuple[Resolution | None, tuple[str, ...]]:
    """Return the lock beside the requirements; without one, a resolution that is kept."""
    path = lock_path(requirements.file, function.target)
    if path.exists():
        lock = read_lock(path)
        check_lock(lock, path, requirements, function.target)
        return Resolution(lock=lock, locations={}), ()
    if not requirements.packages and not requirements.projects:
        return None, ()
    warning = (
        f"{function.name}: {path.name} is missing, so this machine chose the versions; another "
        "machine, or another day, may choose others. Make the lock and commit it: make lock, or "
        f"outside this project: {lock_command(path)}"
    )
    key = f"{requirements.digest}\0{function.target}\0{function.target.glibc}"
    place = cache.resolution(hashlib.sha256(key.encode()).hexdigest())
    text = kept_text(place)
    if text is not None:
        return Resolution(lock=parse_lock(text, place), locations={}), (warning,)
    _log.info("%s: resolving %s for %s", function.name, requirements.file, function.target)
    resolution = resolve(requirements, function.target)
    keep_text(place, resolution.lock.text)
    return resolution, (warning,)


def _laid_out(inputs: Inputs, cache: Cache) -> tuple[Layout, dict[str, Any]]:
    """Return the checked layout of a package, and the facts that its manifest says of it."""
    from lambda_build import check  # noqa: PLC0415 - not where nothing has changed

    function = inputs.function
    cache.sweep()
    locked_wheels, projects = _wheels(inputs, cache)
    division = _divided(inputs, locked_wheels, projects)
    wheels = list(division.packaged)
    source = source_members(inputs.source)
    record = _record(inputs, wheels, division)
    plain = lay_out(source, [record], *(wheel_members(wheel) for wheel in wheels))
    suspect = refuse(
        check.check_layout(
            plain,
            function.target,
            function.handler,
            cache,
            provided=division.modules,
            projects={f"{wheel.name} {wheel.version}" for wheel in projects},
        )
    )
    layout, compiler, warnings = _with_bytecode(plain, source, wheels, inputs, cache)
    packaged = {wheel.sha256 for wheel in wheels}
    pins = [pin for pin in (inputs.lock.pins if inputs.lock else ()) if pin.sha256 in packaged]
    return layout, {
        "name": function.name,
        "target": {
            "runtime": function.target.runtime,
            "architecture": function.target.architecture,
            "glibc": function.target.glibc,
        },
        "handler": function.handler,
        "digest": inputs.digest,
        "lock": inputs.lock.text if inputs.lock else None,
        "packages": _versions(wheels),
        "provided": _provided(inputs, division),
        "bytecode": compiler and compiler.version,
        "warnings": [
            *(f"{function.name}: {said}" for said in (*suspect, *division.warnings)),
            *warnings,
        ],
        "unzipped_bytes": layout.size,
        "files": file_rows(layout),
        "sbom": sbom(function.name, pins),
    }


def _wheels(inputs: Inputs, cache: Cache) -> tuple[list[Wheel], list[Wheel]]:
    """Return the wheels of the locked packages, and those of the path requirements."""
    target = inputs.function.target
    requirements = inputs.requirements
    if requirements is None:
        return [], []

    def where(pins: Sequence[Pin]) -> Mapping[str, str]:
        names = ", ".join(f"{pin.name} {pin.version}" for pin in pins)
        _log.info("%s: fetching %s", inputs.function.name, names)
        if all(pin.sha256 in inputs.locations for pin in pins):
            return inputs.locations
        return locate(pins, requirements, target)

    def index() -> Mapping[str, str]:
        return uv_environment(requirements)

    def build(pin: Pin, file: Path) -> Wheel:
        _log.info("%s: building %s, which is published as source", inputs.function.name, pin.name)
        return wheel_of(pin, file, target, cache, index(), requirements.file.parent)

    pins = inputs.lock.pins if inputs.lock else ()
    wheels = fetch(pins, target, cache, where, build)
    return list(wheels), [project_wheel(tree, target, cache, index) for tree in inputs.projects]


def _divided(inputs: Inputs, wheels: Sequence[Wheel], projects: Sequence[Wheel]) -> Division:
    """Return which wheels are packaged, and which Lambda has."""
    packages = inputs.requirements.packages if inputs.requirements else ()
    roots = [
        *(package.requirement for package in packages),
        *(
            Requirement(f"{wheel.name}{tree.project.extras}")
            for wheel, tree in zip(projects, inputs.projects, strict=True)
        ),
    ]
    function = inputs.function
    return divide([*wheels, *projects], function.provided, roots, function.target)


def _provided(inputs: Inputs, division: Division) -> list[str]:
    """Return the packages that are expected of Lambda: those declared, and what they need."""
    declared = {name.removeprefix(LAYER) for name in inputs.function.provided}
    return sorted(declared | {wheel.name for wheel in division.left_out})


def _with_bytecode(
    plain: Layout,
    source: Sequence[Member],
    wheels: Sequence[Wheel],
    inputs: Inputs,
    cache: Cache,
) -> tuple[Layout, Compiler | None, list[str]]:
    """Add the bytecode that the target takes; without it where it cannot be made or held."""
    from lambda_build.check import LARGEST_UNZIPPED_BYTES  # noqa: PLC0415

    name, python = inputs.function.name, inputs.function.target.python
    compiler = find_compiler(python)
    if compiler is None:
        return plain, None, [_no_compiler(inputs)]
    _log.info("%s: compiling with Python %s", name, compiler.version)
    # One process a wheel, so that each is compiled once and kept under its own hash.
    compiled = at_once(
        lambda members: compile_members(members, compiler, cache),
        [source, *(wheel_members(wheel) for wheel in wheels)],
        most=os.cpu_count() or 1,
    )
    for path, reason in compiled[0].failed:
        raise SourceError(
            f"{path} is no Python {python}: {reason}\nMend it, or name it in .lambdaignore."
        )
    layout = lay_out(plain.members, *(bytecode.members for bytecode in compiled))
    if layout.size > LARGEST_UNZIPPED_BYTES:
        warning = (
            f"{name}: with bytecode the package would be {layout.size / 1e6:.0f} MB, more than "
            "Lambda takes, so it has none and starts slower."
        )
        return plain, None, [warning]
    return layout, compiler, []


def _no_compiler(inputs: Inputs) -> str:
    python = inputs.function.target.python
    return (
        f"{inputs.function.name}: no Python {python} on this machine, so the package has no "
        f"bytecode and starts slower. Install one, e.g.: uv python install {python}"
    )


def _record(inputs: Inputs, wheels: Sequence[Wheel], division: Division) -> Member:
    """Return the file in which a package says of itself what it was built from."""
    said = {
        "architecture": inputs.function.target.architecture,
        "digest": inputs.digest,
        "handler": inputs.function.handler,
        "lock": inputs.lock.digest if inputs.lock else None,
        "packages": _versions(wheels),
        "provided": _provided(inputs, division),
        "runtime": inputs.function.target.runtime,
    }
    data = f"{json.dumps(said, indent=1, sort_keys=True)}\n".encode()
    return Member(
        path=RECORD_FILE,
        executable=False,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        origin="lambda-build",
        content=InMemory(data=data),
    )


def _versions(wheels: Sequence[Wheel]) -> dict[str, str]:
    return {wheel.name: wheel.version for wheel in sorted(wheels, key=lambda wheel: wheel.name)}


def _is_current(manifest: Mapping[str, Any], inputs: Inputs) -> bool:
    if manifest.get("digest") != inputs.digest:
        return False
    # A package that lacks bytecode for want of a Python is built again once there is one.
    wanting = manifest["bytecode"] is None and _no_compiler(inputs) in manifest["warnings"]
    return not (wanting and find_compiler(inputs.function.target.python))


def _is_archive(output: Path, manifest: Mapping[str, Any]) -> bool:
    with suppress(OSError, KeyError):
        return bool(sha256_of(output) == manifest["archive"]["sha256"])
    return False


def _newest(parent: Path) -> StagedTree | None:
    """Return the folder that was staged last, whose unchanged files can be linked to."""
    for path in sorted(parent.glob("*.manifest.json"), key=lambda p: -p.stat().st_mtime):
        manifest = read_manifest(path)
        if manifest is not None:
            return staged_tree(manifest, parent / path.name.removesuffix(".manifest.json"))
    return None


def _make_room(folder: Path) -> None:
    """Move a folder away that is there without being what its name says: somebody changed it."""
    if folder.exists():
        aside = folder.with_name(f".{folder.name}.changed-{os.getpid()}")
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _drop_old(parent: Path) -> None:
    """Remove folders that no build has named for a day, and what killed builds left behind."""
    now = time.time()
    manifests = {path: path.stat().st_mtime for path in parent.glob("*.manifest.json")}
    for path, used in manifests.items():
        if now - used > _KEPT_S:
            path.unlink(missing_ok=True)
    named = {path.name.removesuffix(".manifest.json") for path in parent.glob("*.manifest.json")}
    for path in _leftovers(parent, named):
        shutil.rmtree(path, ignore_errors=True)
    sweep(parent)


def _leftovers(parent: Path, named: set[str]) -> Iterator[Path]:
    # The lock is held: nobody else is writing here.
    for path in parent.iterdir():
        if path.is_dir() and path.name not in named:
            yield path


def _artefact(inputs: Inputs, path: Path, facts: Mapping[str, Any], *, built: bool) -> Artefact:
    archive = facts.get("archive")
    return Artefact(
        name=inputs.function.name,
        path=path,
        digest=inputs.digest,
        lock=inputs.lock.digest if inputs.lock else None,
        packages=facts["packages"],
        unzipped_bytes=facts["unzipped_bytes"],
        zipped_bytes=archive["size"] if archive else None,
        zip_sha256=archive["sha256"] if archive else None,
        files=len(facts["files"]),
        built=built,
        warnings=(*inputs.warnings, *facts["warnings"]),
    )
