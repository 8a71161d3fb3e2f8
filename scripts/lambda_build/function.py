"""What is to be packaged: a folder, its requirements, its target and its handler."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lambda_build.errors import UsageError
from lambda_build.provided import read_provided
from lambda_build.target import Architecture, Runtime, Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DESCRIPTION_FILE = "function.json"
_KEYS = {
    *("description", "runtime", "architecture", "handler", "dependencies"),
    *("provided", "requirements", "base_image", "glibc", "build_in_docker"),
}
# How a person has native code compiled in Docker, for messages.
DOCKER_WAYS = (
    "    --build-in-docker  on the command line,  "
    '"build_in_docker": true  in function.json,\n'
    "    build_in_docker = true  in the package of a Terraform module"
)

_NO_STRINGS = {"provided", "build_in_docker"}
_CARRIED = ("zip", "image")


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function to be packaged; `requirements` is None when it has none.

    A target with a base makes it a container image; without one it is a ZIP.
    """

    name: str
    source: Path
    requirements: Path | None
    target: Target
    handler: str | None
    # Packages that are left out because Lambda has them, normalised (see `provided`).
    provided: tuple[str, ...] = ()
    # Whether native code that is published as source is compiled in Docker; else it is refused.
    build_in_docker: bool = False


def read_function(folder: Path) -> Function:
    """Return the function that a folder's function.json describes.

    Raises UsageError when the file is missing or says what is not understood.
    """
    file = folder / DESCRIPTION_FILE
    described = _described(file)
    target = _target(folder, described)
    return Function(
        name=folder.name,
        source=folder,
        requirements=_requirements(folder, described),
        target=target,
        handler=described.get("handler"),
        provided=read_provided(described.get("provided", ()), target, str(file)),
        build_in_docker=described.get("build_in_docker", False),
    )


def folder_function(  # noqa: PLR0913 - as many as the command line has
    folder: Path,
    *,
    requirements: Path | None,
    has_requirements: bool,
    runtime: str | None,
    architecture: str | None,
    handler: str | None,
    provided: Sequence[str] = (),
    base_image: str | None = None,
    glibc: str | None = None,
    build_in_docker: bool = False,
) -> Function:
    """Return any folder as a function: what is not given is as its function.json says, if any.

    With a base image (`""`: AWS's own), or the glibc of one, it is a container image.
    """
    described = _described_if_any(folder)
    found = requirements or _requirements(folder, described)
    given = {
        "runtime": runtime,
        "architecture": architecture,
        "base_image": base_image,
        "glibc": glibc,
    }
    target = _target(
        folder, described, **{key: value for key, value in given.items() if value is not None}
    )
    where = "--provided" if provided else str(folder / DESCRIPTION_FILE)
    return Function(
        name=folder.resolve().name,
        source=folder,
        requirements=found if has_requirements else None,
        target=target,
        handler=handler or described.get("handler"),
        provided=read_provided(provided or described.get("provided", ()), target, where),
        build_in_docker=build_in_docker or described.get("build_in_docker", False),
    )


def find_functions(project: Path, names: list[str]) -> list[Function]:
    """Return the functions of a project with these names; all of them when no name is given.

    Raises UsageError for a folder without functions, and for an unknown name.
    """
    folders = {
        path.parent.name: path.parent
        for path in sorted((project / "backend").glob("*/function.json"))
    }
    if not folders:
        raise UsageError(
            f"{project.resolve()} has no functions (no backend/*/{DESCRIPTION_FILE}).\n"
            "Run this in the project's folder, or package any folder:\n"
            "    lambda-build package --source DIR --output FILE.zip"
        )
    unknown = [name for name in names if name not in folders]
    if unknown:
        raise UsageError(
            f"there is no function {', '.join(unknown)}; there are {', '.join(folders)}"
        )
    return [read_function(folders[name]) for name in names or folders]


def image_target(folder: Path, runtime: str, architecture: str, *, base_image: str) -> Target:
    """Return what the image of a folder's function is built for, on a base ("": AWS's own)."""
    return _target(
        folder,
        _described_if_any(folder),
        runtime=runtime,
        architecture=architecture,
        base_image=base_image,
    )


def _target(folder: Path, described: Mapping[str, Any], **given: str) -> Target:
    """Return what a function is built for: what is given counts, then what is described."""
    said = {**described, **given}
    target = Target.parse(
        said.get("runtime", Runtime.PYTHON3_11), said.get("architecture", Architecture.X86_64)
    )
    file = folder / DESCRIPTION_FILE
    if described.get("dependencies") != "image" and not {"base_image", "glibc"} & given.keys():
        for key in ("base_image", "glibc"):
            if key in described:
                raise UsageError(
                    f"{file}: {key} is for a container image; say so in the same file:\n"
                    '    "dependencies": "image"'
                )
        return target
    # Imported here: a no-op of a ZIP needs none of it.
    from lambda_build.images.base import default_base, read_base  # noqa: PLC0415

    default = default_base(target.runtime)
    base = read_base(
        said.get("base_image") or default,
        target.runtime,
        # What is given stands for what is described; of a folder that is not, for nothing.
        like=described.get("base_image") or (default if described else ""),
        glibc=said.get("glibc", ""),
        where=str(file),
        dockerfile=folder / "Dockerfile",
    )
    return replace(target, base=base)


def _requirements(folder: Path, described: dict[str, Any]) -> Path | None:
    """Return the file that a function asks for packages in; None when it has none."""
    name = described.get("requirements", "requirements.txt")
    return folder / name if name else None


def _described_if_any(folder: Path) -> dict[str, Any]:
    file = folder / DESCRIPTION_FILE
    return _described(file) if file.exists() else {}


def _described(file: Path) -> dict[str, Any]:
    try:
        described = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{file} does not exist; it says what the function is") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    if not isinstance(described, dict) or not all(
        isinstance(value, str) for key, value in described.items() if key not in _NO_STRINGS
    ):
        raise UsageError(f"{file} is not an object of strings")
    provided = described.get("provided", [])
    if not isinstance(provided, list) or not all(isinstance(name, str) for name in provided):
        raise UsageError(f'{file}: provided is a list of packages, e.g. ["boto3"]')
    if not isinstance(described.get("build_in_docker", False), bool):
        raise UsageError(f"{file}: build_in_docker is true or false")
    if unknown := sorted(described.keys() - _KEYS):
        raise UsageError(
            f"{file} has the unknown key {unknown[0]}; known are {', '.join(sorted(_KEYS))}"
        )
    carried = described.get("dependencies", "zip")
    if carried not in _CARRIED:
        raise UsageError(
            f"{file}: dependencies are carried in the {' or the '.join(map(repr, _CARRIED))}, "
            f"and not in {carried!r}"
        )
    return described
