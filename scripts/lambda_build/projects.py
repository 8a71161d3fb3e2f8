"""Path requirements: a project on this machine is source, as the function's own files are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_build.cache import sha256_of
from lambda_build.source import read_project_source, tree_digest

if TYPE_CHECKING:
    from lambda_build.requirements import Project
    from lambda_build.source import SourceFile


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectTree:
    """A path requirement as it is now: its files, and a digest that stands for them."""

    project: Project
    files: tuple[SourceFile, ...]
    digest: str


def read_project(project: Project) -> ProjectTree:
    """Return the files of a path requirement, hashed."""
    if project.path.is_file():
        return ProjectTree(project=project, files=(), digest=sha256_of(project.path))
    files = read_project_source(project.path)
    return ProjectTree(project=project, files=files, digest=tree_digest(files))
