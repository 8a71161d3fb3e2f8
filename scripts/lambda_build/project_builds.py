"""Running the build backend of a path requirement, on a copy: for its wheel, or what it tells."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lambda_build.cache import temporary_folder
from lambda_build.errors import ToolError
from lambda_build.indexes import uv_environment
from lambda_build.projects import read_project
from lambda_build.uv import uv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lambda_build.projects import ProjectTree
    from lambda_build.requirements import Project, Requirements
    from lambda_build.target import Target


def build_project(tree: ProjectTree, folder: Path, index: Mapping[str, str]) -> Path:
    """Return the wheel that a project's backend makes of a copy of its files, below `folder`.

    `index` gives the variables that tell uv where the backend is. Raises ToolError.
    """
    copy = folder / "source" / tree.project.path.name
    for file in tree.files:
        place = copy / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.file, place)
        place.chmod(0o755 if file.executable else 0o644)
    result = uv("build", "--wheel", "--out-dir", folder / "out", copy, environment=index)
    wheels = sorted((folder / "out").glob("*.whl"))
    if result.returncode or not wheels:
        raise ToolError(
            f"{tree.project.line}\n{tree.project.path} cannot be built into a wheel:\n"
            f"{result.stderr.strip()}"
        )
    return wheels[0]


@contextmanager
def readable_projects(requirements: Requirements, target: Target) -> Iterator[Requirements]:
    """Give requirements that a resolver can read without building anything.

    A folder whose version or dependencies only its backend knows (setup.py, `dynamic`) becomes a
    wheel of it, built on a copy; the wheel is read, and never packaged. Raises ToolError when the
    backend fails.
    """
    held = set(requirements.projects_on(target.markers))
    if not any(project.is_told_by_its_backend for project in held):
        yield requirements
        return
    with temporary_folder() as folder:

        def readable(project: Project, place: Path) -> Project:
            if project not in held or not project.is_told_by_its_backend:
                return project
            built = build_project(read_project(project), place, uv_environment(requirements))
            # One with native code is named for this machine, and is read for another one.
            name, version = built.name.split("-")[:2]
            return replace(project, path=built.rename(place / f"{name}-{version}-py3-none-any.whl"))

        yield replace(
            requirements,
            projects=tuple(
                readable(project, folder / str(number))
                for number, project in enumerate(requirements.projects)
            ),
        )
