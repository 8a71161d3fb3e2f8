"""The wheel of a path requirement: built by its backend, once for each state of its files."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

from lambda_build.built_wheels import keep_wheel, kept_wheel
from lambda_build.cache import temporary_folder
from lambda_build.errors import WheelError
from lambda_build.function import DOCKER_WAYS
from lambda_build.project_builds import build_project
from lambda_build.source_distributions import BUILD_FILES, impure_reason, native_reason
from lambda_build.wheel import Wheel, rank, read_wheel, verify_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambda_build.cache import Cache
    from lambda_build.docker_builds import DockerBuilder
    from lambda_build.projects import ProjectTree
    from lambda_build.source import SourceFile
    from lambda_build.target import Target


def project_wheel(
    tree: ProjectTree,
    target: Target,
    cache: Cache,
    index: Callable[[], Mapping[str, str]],
    docker: DockerBuilder | None = None,
) -> Wheel:
    """Return the wheel of a path requirement, built once for each target and state of its files.

    The backend runs in isolation, on a copy, so nothing is written into the project; `index` gives
    the variables that tell uv where to find it. With `docker`, native code is compiled there.
    Raises ToolError when the backend fails, WheelError when what it makes does not run on the
    target.
    """
    if tree.project.path.is_file():
        file = tree.project.path
        wheel = read_wheel(file, file.name, tree.digest)
        verify_wheel(wheel)
        if rank(wheel.filename, target) is None:
            raise WheelError(
                f"{tree.project.line}\n{wheel.filename} does not run on {target} (glibc "
                f"{target.glibc}): its name says what it is for.\nName that for the target, or "
                f"let the index choose it:\n    {wheel.name}=={wheel.version}"
            )
        return wheel
    # One with native code is another wheel for another Python or machine.
    built_from = f"{tree.digest}\0{target}\0{target.glibc}"
    digest = hashlib.sha256(built_from.encode()).hexdigest()
    kept = kept_wheel(digest, cache)
    if kept is not None and (docker is None or impure_reason(kept) is None):
        return _fitting(kept, target)
    if docker is not None and (kept := docker.kept(tree.digest)) is not None:
        return kept
    texts = {file.path: _text(file) for file in tree.files if file.path in BUILD_FILES}
    if docker is not None and native_reason(texts) is not None:
        return _compiled(tree, texts, docker)
    with temporary_folder() as folder:
        built = build_project(tree, folder, index())
        wheel = read_wheel(built, built.name, digest)
        if docker is not None and impure_reason(wheel) is not None:
            return _compiled(tree, texts, docker)
        # Before it is kept: what a backend makes may be broken as well.
        verify_wheel(wheel)
        _fitting(wheel, target)
        return keep_wheel(built, digest, cache)


def _compiled(tree: ProjectTree, texts: Mapping[str, str], docker: DockerBuilder) -> Wheel:
    from lambda_build.docker_builds import NativeSource  # noqa: PLC0415 - few builds need Docker

    return docker.wheel(
        NativeSource(
            what=str(tree.project.path),
            filename=f"{tree.project.path.name}.tar",
            digest=tree.digest,
            texts=texts,
            read=lambda: _packed(tree),
        )
    )


def _packed(tree: ProjectTree) -> bytes:
    """Return the project's files as an archive with one folder in it."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for file in tree.files:
            entry = tarfile.TarInfo(f"{tree.project.path.name}/{file.path}")
            entry.mode = 0o755 if file.executable else 0o644
            content = file.file.read_bytes()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def _text(file: SourceFile) -> str:
    return file.file.read_text("utf-8", errors="replace")


def _fitting(wheel: Wheel, target: Target) -> Wheel:
    if rank(wheel.filename, target) is None:
        raise WheelError(
            f"{wheel.filename} does not run on {target} (glibc {target.glibc}).\n"
            "A path requirement with native code has to be built where the target runs. Name the "
            f"wheel instead of the folder, or have it compiled in Docker:\n{DOCKER_WAYS}"
        )
    return wheel
