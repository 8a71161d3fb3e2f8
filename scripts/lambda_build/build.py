"""The flow of a build, each step a function from one value to the next.

    function ─► inputs ─► assemble (wheels ─► layout ─► checks ─► bytecode) ─► artefact

An artefact is a ZIP (`package`) or a folder that Terraform's archive_file zips (`stage_package`).
Both are made from the same layout. What the inputs' digest names is never built twice.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_build.cache import (
    has_sha256,
    keep_facts,
    kept_facts,
    locked,
    sweep,
    written_aside,
)
from lambda_build.errors import OutputError
from lambda_build.inputs import Inputs, read_inputs
from lambda_build.manifest import read_manifest, write_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lambda_build.cache import Cache
    from lambda_build.function import Function
    from lambda_build.layout import Layout

_log = logging.getLogger(__name__)


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


def package(function: Function, output: Path, cache: Cache, *, smallest: bool = False) -> Artefact:
    """Build a function's ZIP at `output`, with its manifest beside it.

    `smallest` compresses everything anew, as small as it gets.
    """
    lock = output.with_name(f".{output.name}.lock")
    with locked(lock):
        manifest_path = _swept(output)
        inputs = read_inputs(function, cache, outputs=(output, manifest_path, lock))
        kept = _kept_archive(inputs, output, cache, smallest=smallest)
        if kept is not None:
            return kept
        return _archived(inputs, output, cache, *_assembled(inputs, cache), smallest=smallest)


def stage_package(
    function: Function, output_dir: Path, cache: Cache, *, archive_above_bytes: int | None = None
) -> Artefact:
    """Build what Terraform deploys: a folder that its archive_file zips, or the ZIP itself.

    The folder is `output_dir/staged/NAME/DIGEST`, with its manifest beside it; one that is there
    is never changed: other inputs make another folder. A package that has more than
    `archive_above_bytes` unzipped becomes a ZIP where archive_file would write it as well,
    `output_dir/NAME_function.zip`; nothing is staged then.
    """
    from lambda_build.folders import drop_old  # noqa: PLC0415 - `package` needs none of it

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

        kept = _kept_archive(inputs, archive, cache)
        if kept is not None and is_archived(kept.unzipped_bytes):
            return kept
        kept = _kept_folder(inputs, parent)
        if kept is not None and not is_archived(kept.unzipped_bytes):
            return kept
        layout, facts = _assembled(inputs, cache)
        if is_archived(layout.size):
            if parent.is_dir():
                drop_old(parent)
            return _archived(inputs, archive, cache, layout, facts)
        manifest_path.unlink(missing_ok=True)  # archive_file overwrites the ZIP that it is of
        return _staged(inputs, parent, layout, facts)


def _swept(output: Path) -> Path:
    """Remove what killed builds left beside a ZIP, and return where its manifest belongs."""
    manifest_path = output.with_suffix(".manifest.json")
    for path in (output, manifest_path):  # the lock is held: nobody else is writing them
        sweep(output.parent, path)
    return manifest_path


def _kept_archive(
    inputs: Inputs, output: Path, cache: Cache, *, smallest: bool = False
) -> Artefact | None:
    kept = read_manifest(output.with_suffix(".manifest.json"))
    if kept is None or kept["digest"] != inputs.digest:
        return None
    if not is_current(kept, inputs) or "archive" not in kept:
        return None
    if kept["archive"]["smallest"] != smallest:
        return None
    if not _is_file(output, kept["archive"]["sha256"], cache):
        return None
    return _artefact(inputs, output, kept, built=False)


def _archived(
    inputs: Inputs,
    output: Path,
    cache: Cache,
    layout: Layout,
    facts: dict[str, Any],
    *,
    smallest: bool = False,
) -> Artefact:
    """Write the ZIP of a layout, and its manifest beside it."""
    from lambda_build.archive import write_archive  # noqa: PLC0415 - a no-op writes nothing

    _log.info("%s: writing %s", inputs.function.name, output)
    with written_aside(output) as aside, aside.open("wb") as file:
        archive = write_archive(layout, file, smallest=smallest)
    facts["archive"] = {
        "sha256": archive.sha256,
        "size": output.stat().st_size,
        "compressor": archive.compressor,
        "smallest": smallest,
    }
    write_manifest(output.with_suffix(".manifest.json"), **facts)
    _remember(output, archive.sha256, cache)
    return _artefact(inputs, output, facts, built=True)


def _assembled(inputs: Inputs, cache: Cache) -> tuple[Layout, dict[str, Any]]:
    # What fetches, checks and compiles is half of a no-op's time to import.
    from lambda_build.assemble import assemble  # noqa: PLC0415

    return assemble(inputs, cache)


def _kept_folder(inputs: Inputs, parent: Path) -> Artefact | None:
    from lambda_build.folders import folder_path, kept_folder  # noqa: PLC0415 - as above

    kept = kept_folder(parent, inputs.digest)
    if kept is None or not is_current(kept, inputs):
        return None
    return _artefact(inputs, folder_path(parent, inputs.digest), kept, built=False)


def _staged(inputs: Inputs, parent: Path, layout: Layout, facts: dict[str, Any]) -> Artefact:
    """Write a layout into its folder, and its manifest beside it."""
    from lambda_build.folders import write_folder  # noqa: PLC0415 - as above

    _log.info("%s: writing %s", inputs.function.name, parent)
    folder = write_folder(parent, inputs.digest, layout, facts)
    return _artefact(inputs, folder, facts, built=True)


def is_current(manifest: Mapping[str, Any], inputs: Inputs) -> bool:
    """Whether what a manifest is of would be built the same now: compiled, where it can be."""
    return not (manifest["bytecode"] is None and _can_compile_now(manifest, inputs))


def _can_compile_now(manifest: Mapping[str, Any], inputs: Inputs) -> bool:
    """Whether a package lacks bytecode for want of a Python, and there is one now."""
    from lambda_build.bytecode import find_compiler, no_compiler  # noqa: PLC0415 - rarely needed

    if no_compiler(inputs.function) not in manifest["warnings"]:
        return False
    return find_compiler(inputs.function.target.python) is not None


def _is_file(file: Path, sha256: str, cache: Cache) -> bool:
    """Whether a file has a hash; it is read only where it is not known to have it."""
    if kept_facts(cache.output(file), file, sha256) is not None:
        return True
    if not has_sha256(file, sha256):
        return False
    _remember(file, sha256, cache)
    return True


def _remember(file: Path, sha256: str, cache: Cache) -> None:
    with suppress(OutputError):  # a cache that is read only costs time
        keep_facts(cache.output(file), file, sha256, {"path": os.fspath(file.resolve())})


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
