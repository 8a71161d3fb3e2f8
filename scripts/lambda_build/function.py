"""What is to be packaged: a folder, its requirements, its target and its handler."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_build.errors import UsageError
from lambda_build.provided import read_provided
from lambda_build.target import Architecture, Runtime, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DESCRIPTION_FILE = "function.json"
_KEYS = {
    *("description", "runtime", "architecture", "handler", "dependencies"),
    *("provided", "requirements"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function to be packaged; `requirements` is None when it has none."""

    name: str
    source: Path
    requirements: Path | None
    target: Target
    handler: str | None
    # Packages that are left out because Lambda has them, normalised (see `provided`).
    provided: tuple[str, ...] = ()


def read_function(folder: Path) -> Function:
    """Return the function that a folder's function.json describes.

    Raises UsageError when the file is missing or says what is not understood.
    """
    file = folder / DESCRIPTION_FILE
    described = _described(file)
    target = Target.parse(
        described.get("runtime", Runtime.PYTHON3_11),
        described.get("architecture", Architecture.X86_64),
    )
    return Function(
        name=folder.name,
        source=folder,
        requirements=_requirements(folder, described),
        target=target,
        handler=described.get("handler"),
        provided=read_provided(described.get("provided", ()), target, str(file)),
    )


def folder_function(
    folder: Path,
    *,
    requirements: Path | None,
    has_requirements: bool,
    runtime: str | None,
    architecture: str | None,
    handler: str | None,
    provided: Sequence[str] = (),
) -> Function:
    """Return any folder as a function: what is not given is as its function.json says, if any."""
    described = (
        _described(folder / DESCRIPTION_FILE) if (folder / DESCRIPTION_FILE).exists() else {}
    )
    found = requirements or _requirements(folder, described)
    target = Target.parse(
        runtime or described.get("runtime", Runtime.PYTHON3_11),
        architecture or described.get("architecture", Architecture.X86_64),
    )
    where = "--provided" if provided else str(folder / DESCRIPTION_FILE)
    return Function(
        name=folder.resolve().name,
        source=folder,
        requirements=found if has_requirements else None,
        target=target,
        handler=handler or described.get("handler"),
        provided=read_provided(provided or described.get("provided", ()), target, where),
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


def _requirements(folder: Path, described: dict[str, Any]) -> Path | None:
    """Return the file that a function asks for packages in; None when it has none."""
    name = described.get("requirements", "requirements.txt")
    return folder / name if name else None


def _described(file: Path) -> dict[str, Any]:
    try:
        described = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{file} does not exist; it says what the function is") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    if not isinstance(described, dict) or not all(
        isinstance(value, str) for key, value in described.items() if key != "provided"
    ):
        raise UsageError(f"{file} is not an object of strings")
    provided = described.get("provided", [])
    if not isinstance(provided, list) or not all(isinstance(name, str) for name in provided):
        raise UsageError(f'{file}: provided is a list of packages, e.g. ["boto3"]')
    if unknown := sorted(described.keys() - _KEYS):
        raise UsageError(
            f"{file} has the unknown key {unknown[0]}; known are {', '.join(sorted(_KEYS))}"
        )
    if described.get("dependencies", "zip") != "zip":
        raise UsageError(f'{file}: dependencies are carried in the "zip", and nothing else yet')
    return described
