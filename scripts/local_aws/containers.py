"""What container images need here: a Docker engine, and a registry that stands in for ECR's."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_build.errors import RegistryError as BaseImageError
from lambda_build.function import folder_function, read_function
from lambda_build.images.image import resolved_base

from local_aws.docker import Docker
from local_aws.errors import LocalAwsError
from local_aws.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from lambda_build.function import Function


@dataclass(frozen=True, kw_only=True, slots=True)
class Containers:
    """An engine that runs images, and the registry that they are pushed to."""

    docker: Docker
    registry: Registry


def start_containers_if_possible(work_dir: Path, until: ExitStack) -> Containers | str:
    """Return both, until `until` ends; or why there are none and what to do about it."""
    try:
        return until.enter_context(start_containers(work_dir))
    except LocalAwsError as error:
        return str(error)


@contextmanager
def start_containers(work_dir: Path) -> Iterator[Containers]:
    """Give both, as long as this lasts; every container has ended afterwards.

    Raises DockerUnavailableError or RegistryError.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    with Docker() as docker, Registry(work_dir, docker) as registry:
        yield Containers(docker=docker, registry=registry)


def base_image_obstacle(functions: Iterable[Path]) -> str:
    """Return why an image of these folders cannot be built here, as its base image is nowhere.

    Empty: nothing stands in the way, or it is Terraform's to tell.
    """
    for folder in functions:
        if os.environ.get(f"TF_VAR_{folder.name}_image_uri") or not folder.is_dir():
            continue
        target = on_chosen_base(read_function(folder)).target
        if target.base is None:  # a ZIP
            continue
        try:
            resolved_base(target)
        except BaseImageError as error:
            return f"{error}\nOr name another base image: TF_VAR_{folder.name}_base_image"
    return ""


def on_chosen_base(function: Function) -> Function:
    """Return a container function on the base image that the stack's variable names, if it does.

    That is NAME_base_image, given as TF_VAR_NAME_base_image.
    """
    base_image = os.environ.get(f"TF_VAR_{function.name}_base_image")
    if function.target.base is None or not base_image:
        return function
    return folder_function(
        function.source,
        requirements=None,
        has_requirements=function.requirements is not None,
        runtime=None,
        architecture=None,
        handler=None,
        base_image=base_image,
    )
