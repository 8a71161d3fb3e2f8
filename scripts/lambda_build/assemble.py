"""From a package's inputs to its layout: wheels fetched, divided, checked and compiled."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

from packaging.requirements import Requirement

from lambda_build.bytecode import Bytecode, Compiler, compile_members, find_compiler, no_compiler
from lambda_build.checks import check
from lambda_build.checks.findings import refuse
from lambda_build.checks.imports import reached_modules
from lambda_build.errors import SourceError
from lambda_build.fetch import fetch
from lambda_build.layout import InMemory, Layout, Member, lay_out, source_members, wheel_members
from lambda_build.manifest import RECORD_FILE, file_rows, sbom
from lambda_build.process import at_once
from lambda_build.provided import LAYER, Division, divide, unknown_extras

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from lambda_build.cache import Cache
    from lambda_build.docker_builds import DockerBuilder
    from lambda_build.inputs import Inputs
    from lambda_build.lock import Pin
    from lambda_build.requirements import Requirements
    from lambda_build.target import Target
    from lambda_build.wheel import Wheel

_log = logging.getLogger(__name__)

# Bytes of bytecode to those of its modules: 1.16 for FastAPI with boto3 and Pillow, 1.17 for
# scikit-learn with numpy and scipy.
_BYTECODE_RATIO = 1.2

# The Python that compiles, and the bytecode of the function's own modules.
_Compiled: TypeAlias = tuple[Compiler | None, Bytecode]


def assemble(inputs: Inputs, cache: Cache) -> tuple[Layout, dict[str, Any]]:
    """Return the checked layout of a package, and the facts that its manifest says of it."""
    source = source_members(inputs.source)
    # Compiled by a process of its own while the wheels are read and checked.
    with ThreadPoolExecutor(1) as pool:
        compiled = pool.submit(_compiled_source, source, inputs, cache)
        return _assembled(inputs, cache, source, compiled)


def _assembled(
    inputs: Inputs, cache: Cache, source: list[Member], compiled: Future[_Compiled]
) -> tuple[Layout, dict[str, Any]]:
    function = inputs.function
    locked_wheels, projects = _wheels(inputs, cache)
    roots = _roots(inputs, projects)
    division = divide([*locked_wheels, *projects], function.provided, roots, function.target)
    extras = unknown_extras([*locked_wheels, *projects], roots, function.target)
    wheels = list(division.packaged)
    record = _record(inputs, wheels, division)
    installed = _installed(wheels, function.target, cache)
    plain = lay_out(source, [record], *installed)
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
    layout, compiler, warnings = _with_bytecode(plain, installed, inputs, cache, compiled)
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
            *(f"{function.name}: {said}" for said in (*suspect, *extras, *division.warnings)),
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
        from lambda_build.resolve import locate  # noqa: PLC0415 - for a cold cache only

        return locate(pins, requirements, target)

    def index() -> Mapping[str, str]:
        from lambda_build.indexes import uv_environment  # noqa: PLC0415 - for backends only

        return uv_environment(requirements)

    docker = _docker(inputs, requirements, cache)

    def build(pin: Pin, file: Path) -> Wheel:
        _log.info("%s: building %s, which is published as source", inputs.function.name, pin.name)
        from lambda_build.source_distributions import wheel_of  # noqa: PLC0415 - slow, and rare

        return wheel_of(pin, file, target, cache, index(), requirements.file.parent, docker)

    pins = inputs.lock.pins if inputs.lock else ()
    wheels = list(fetch(pins, target, cache, where, build))
    if not inputs.projects:
        return wheels, []
    from lambda_build.project_wheels import project_wheel  # noqa: PLC0415 - as above

    return wheels, [project_wheel(tree, target, cache, index, docker) for tree in inputs.projects]


def _docker(inputs: Inputs, requirements: Requirements, cache: Cache) -> DockerBuilder | None:
    """Return what compiles native code, where the function asks for Docker."""
    if not inputs.function.build_in_docker:
        return None
    # Few builds need these.
    from lambda_build.docker_builds import DockerBuilder, image_for  # noqa: PLC0415
    from lambda_build.source_distributions import build_requirements  # noqa: PLC0415

    target = inputs.function.target
    return DockerBuilder(
        target=target,
        image=image_for(target),
        cache=cache,
        provide=lambda needs: build_requirements(needs, requirements, target, cache),
    )


def _roots(inputs: Inputs, projects: Sequence[Wheel]) -> list[Requirement]:
    """Return what the function asks for, its path requirements among them."""
    packages = inputs.requirements.packages if inputs.requirements else ()
    return [
        *(package.requirement for package in packages),
        *(
            Requirement(f"{wheel.name}{tree.project.extras}")
            for wheel, tree in zip(projects, inputs.projects, strict=True)
        ),
    ]


def _provided(inputs: Inputs, division: Division) -> list[str]:
    """Return the packages that are expected of Lambda: those declared, and what they need."""
    declared = {name.removeprefix(LAYER) for name in inputs.function.provided}
    return sorted(declared | {wheel.name for wheel in division.left_out})


def _installed(wheels: Sequence[Wheel], target: Target, cache: Cache) -> list[list[Member]]:
    """Return what each wheel adds to a package; to an image, less what only its makers need."""
    groups = [wheel_members(wheel) for wheel in wheels]
    if target.base is None:
        return groups
    from lambda_build.images.trim import trimmed  # noqa: PLC0415 - most builds are of ZIPs

    return trimmed(groups, target, cache)


def _with_bytecode(
    plain: Layout,
    groups: Sequence[Sequence[Member]],
    inputs: Inputs,
    cache: Cache,
    source: Future[_Compiled],
) -> tuple[Layout, Compiler | None, list[str]]:
    """Add the bytecode that the target takes; without it where it cannot be made or held.

    `groups` are what each wheel brings.
    """
    compiler, own = source.result()
    if compiler is None:
        return plain, None, [no_compiler(inputs.function)]
    name, python = inputs.function.name, inputs.function.target.python
    for path, reason in own.failed:
        raise SourceError(
            f"{path} is no Python {python}: {reason}\nMend it, or name it in .lambdaignore."
        )
    _log.info("%s: compiling with Python %s", name, compiler.version)
    target = inputs.function.target
    # An image is pulled, so it holds no bytecode that it has no use for. What functions import when
    # they are called is of use: FastAPI, NumPy and pydantic call such ones while they are imported.
    if target.base is not None or not _fits_with_bytecode(plain):
        reached = reached_modules(plain, target, cache=cache)
        groups = [[member for member in group if member.path in reached] for group in groups]
    # One process a wheel, so that each is compiled once and kept under its own hash.
    compiled = at_once(
        lambda members: compile_members(members, compiler, cache),
        groups,
        most=os.cpu_count() or 1,
    )
    layout = lay_out(plain.members, own.members, *(bytecode.members for bytecode in compiled))
    if target.base is None and layout.size > check.LARGEST_UNZIPPED_BYTES:
        warning = (
            f"{name}: with bytecode the package would be {layout.size / 1e6:.0f} MB, more than "
            "Lambda takes, so it has none and starts slower."
        )
        return plain, None, [warning]
    return layout, compiler, []


def _compiled_source(source: Sequence[Member], inputs: Inputs, cache: Cache) -> _Compiled:
    compiler = find_compiler(inputs.function.target.python)
    if compiler is None:
        return None, Bytecode(members=(), failed=())
    return compiler, compile_members(source, compiler, cache)


def _fits_with_bytecode(plain: Layout) -> bool:
    """Whether a package has room for the bytecode of all of its modules, before it is compiled.

    Said by sizes that are the same on every machine, as bytecode's are not quite, so that every
    machine compiles the same modules.
    """
    modules = sum(member.size for member in plain.members if member.path.endswith(".py"))
    return plain.size + modules * _BYTECODE_RATIO <= check.LARGEST_UNZIPPED_BYTES


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
