"""Everything that decides what a package holds, read before anything is built."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_build.asked import read_asked
from lambda_build.cache import Cache, keep_text, kept_text
from lambda_build.lock import (
    Lock,
    Resolution,
    check_lock,
    lock_command,
    lock_path,
    parse_lock,
    read_lock,
)
from lambda_build.projects import ProjectTree, read_project
from lambda_build.source import SourceFile, read_function_source, tree_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lambda_build.function import Function
    from lambda_build.requirements import Requirements

_log = logging.getLogger(__name__)

# Raised when the same inputs would give another package: it is part of every digest.
_FORMAT = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Everything that decides what a package holds.

    `digest` stands for it: a base64 SHA-256, equal on every machine, for Terraform to compare. The
    exact Python that compiled the bytecode and the compressor are not in it, so another patch
    release of Python plans no change.
    """

    function: Function
    requirements: Requirements | None
    lock: Lock | None
    locations: Mapping[str, str]
    source: tuple[SourceFile, ...]
    projects: tuple[ProjectTree, ...]
    warnings: tuple[str, ...]
    digest: str


def read_inputs(function: Function, cache: Cache, *, outputs: Sequence[Path] = ()) -> Inputs:
    """Read everything that decides what a function's package holds.

    Raises RequirementsError, LockError, ResolutionError or SourceError.
    """
    source = read_function_source(
        function.source, requirements=function.requirements, outputs=outputs
    )
    if function.requirements is None:
        requirements, resolution = None, None
        warnings: tuple[str, ...] = ()
    else:
        compiled = function.build_in_docker
        requirements, resolution = read_asked(
            function.requirements, function.target, compiled=compiled
        )
        warnings = ()
        if resolution is None:
            resolution, warnings = _locked_or_resolved(function, requirements, cache)
    lock = resolution.lock if resolution else None
    projects = tuple(
        read_project(project)
        for project in (requirements.projects_on(function.target.markers) if requirements else ())
    )
    return Inputs(
        function=function,
        requirements=requirements,
        lock=lock,
        locations=resolution.locations if resolution else {},
        source=source,
        projects=projects,
        warnings=warnings,
        digest=_digest(function, source, projects, lock),
    )


def _digest(
    function: Function,
    source: Sequence[SourceFile],
    projects: Sequence[ProjectTree],
    lock: Lock | None,
) -> str:
    named = {
        "format": _FORMAT,
        "target": [str(function.target), function.target.glibc],
        "handler": function.handler,
        "source": tree_digest(source),
        "projects": [tree.digest for tree in projects],
        "lock": None if lock is None else lock.digest,
        "provided": list(function.provided),
    }
    if function.build_in_docker and (projects or (lock and not all(p.is_wheel for p in lock.pins))):
        # Only of what may be compiled there: else it is the same package without Docker.
        from lambda_build.docker_builds import image_for  # noqa: PLC0415 - few builds need Docker

        named["docker"] = image_for(function.target)
    hashed = hashlib.sha256(json.dumps(named, sort_keys=True).encode())
    return base64.b64encode(hashed.digest()).decode()


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
    compiled = function.build_in_docker
    key = f"{requirements.digest}\0{function.target}\0{function.target.glibc}"
    key += "\0compiled" if compiled else ""
    place = cache.resolution(hashlib.sha256(key.encode()).hexdigest())
    text = kept_text(place)
    if text is not None:
        return Resolution(lock=parse_lock(text, place), locations={}), (warning,)
    _log.info("%s: resolving %s for %s", function.name, requirements.file, function.target)
    # Slow to import, and not needed with a lock.
    from lambda_build.locking import fallen_back  # noqa: PLC0415
    from lambda_build.resolve import resolve  # noqa: PLC0415

    resolution = resolve(requirements, function.target, compiled=compiled)
    keep_text(place, resolution.lock.text)
    # Said once, with the choice; not worth asking where every wheel runs anywhere.
    native = any(not pin.filename.endswith("-any.whl") for pin in resolution.lock.pins)
    older = fallen_back(function, resolution.lock, None) if native else ()
    return resolution, (warning, *(f"{function.name}: {said}" for said in older))
