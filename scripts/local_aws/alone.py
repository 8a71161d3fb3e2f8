"""A function of this project by itself: built, and started in an emulator of its own.

No stack is there: of what Terraform would set, a function has what is written here, and of AWS
only the stand-in for Bedrock.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lambda_build.build import package
from lambda_build.cache import Cache
from lambda_build.docker import inspect_image
from lambda_build.function import find_functions
from lambda_build.images.image import build_image

from local_aws.bedrock import BedrockStandIn
from local_aws.container import Image, start_image
from local_aws.containers import on_chosen_base
from local_aws.docker import Docker
from local_aws.docker import obstacle as docker_obstacle
from local_aws.emulator import Function
from local_aws.errors import DockerUnavailableError, ImageError
from local_aws.package import unpack
from local_aws.package_process import start_package
from local_aws.runtime import provide_runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lambda_build.function import Function as Source

    from local_aws.emulator import Emulator

_MEMORY_MB = 1769  # one vCPU: "Configure Lambda function memory"
_TIMEOUT_S = 30  # of an HTTP API's integrations
_SETTINGS = {"BEDROCK_MODEL_ID": "eu.amazon.nova-lite-v1:0"}
"""What the stack would set, so that functions do not fail without it."""

_HOOKS_IN_A_CONTAINER = "/local-aws-hooks"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hooks:
    """Python modules that stand before the function's own, and the variables that they read."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alone:
    """A function that has been built; `artefact` is what it is carried in."""

    source: Source
    artefact: str

    @property
    def is_image(self) -> bool:
        """Whether it is a container image."""
        return self.source.target.base is not None


def find(project: Path, name: str) -> Source:
    """Return the project's function of that name; the build's UsageError names those there are.

    As for `up`, a variable TF_VAR_NAME_base_image names another base image.
    """
    (found,) = find_functions(project, [name])
    return on_chosen_base(found)


def obstacle(function: Source) -> str | None:
    """Return why the function cannot be built and run here for want of Docker, or None."""
    if function.target.base is None or not (reason := docker_obstacle()):
        return None
    return f"{function.name} is a container image, which is built and run by Docker: {reason}"


def build(function: Source, project: Path, say: Callable[[str], None]) -> Alone:
    """Return the function, built as `make package` or `make image` does: nothing twice.

    Raises DockerUnavailableError, and the build's errors.
    """
    packages = project / "lambda_packages"
    if reason := obstacle(function):
        raise DockerUnavailableError(reason)
    if function.target.base is None:
        artefact = package(function, packages / f"{function.name}.zip", Cache.default())
        warnings, path = artefact.warnings, str(artefact.path)
    else:
        image = build_image(function, packages, Cache.default())
        warnings, path = image.warnings, image.reference
    for warning in warnings:
        say(f"warning: {warning}")
    return Alone(source=function, artefact=path)


@contextmanager
def started(
    built: Alone, *, hooks: Hooks | None = None, log: Callable[[str], None] = lambda _line: None
) -> Iterator[Emulator]:
    """Give the function in an environment that has started, until the end of this.

    `log` gets each line that it prints.
    """
    with TemporaryDirectory(prefix="local-aws-") as folder, BedrockStandIn() as bedrock:
        environment = {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.endpoint_url,
            **(hooks.variables if hooks else {}),
        }
        start = _started_image if built.is_image else _started_package
        with start(built, Path(folder), environment, hooks, log) as emulator:
            yield emulator


@contextmanager
def _started_package(
    built: Alone,
    folder: Path,
    environment: Mapping[str, str],
    hooks: Hooks | None,
    log: Callable[[str], None],
) -> Iterator[Emulator]:
    paths = {"PYTHONPATH": str(hooks.folder)} if hooks else {}
    function = _configured(built, paths)
    with start_package(
        function,
        unpack(Path(built.artefact).read_bytes(), [], folder),
        provide_runtime(function.runtime, function.architecture),
        work_dir=folder,
        environment=environment,
        log=log,
    ) as emulator:
        yield emulator


@contextmanager
def _started_image(
    built: Alone,
    folder: Path,
    environment: Mapping[str, str],
    hooks: Hooks | None,
    log: Callable[[str], None],
) -> Iterator[Emulator]:
    identity, variables = _inspected(built.artefact)
    paths = {}
    if hooks:
        before = variables.get("PYTHONPATH")
        paths["PYTHONPATH"] = ":".join(filter(None, [_HOOKS_IN_A_CONTAINER, before]))
    with (
        Docker() as docker,
        start_image(
            _configured(built, paths),
            Image(uri=identity),
            docker,
            work_dir=folder,
            environment=environment,
            mounts={_HOOKS_IN_A_CONTAINER: hooks.folder} if hooks else {},
            log=log,
        ) as emulator,
    ):
        yield emulator


def _configured(built: Alone, variables: Mapping[str, str]) -> Function:
    target = built.source.target
    return Function(
        handler=built.source.handler or "",
        runtime=str(target.runtime),
        architecture=str(target.architecture),
        name=built.source.name,
        memory_mb=_MEMORY_MB,
        timeout_s=_TIMEOUT_S,
        variables={**_SETTINGS, **variables},
    )


def _inspected(reference: str) -> tuple[str, dict[str, str]]:
    """Return an image's id, which no registry is asked for, and its environment variables."""
    found = inspect_image(reference)
    if found is None:
        raise ImageError(f"the image {reference} is not in Docker any more. Try again.")
    variables = dict(each.split("=", 1) for each in found["Config"].get("Env") or ())
    return str(found["Id"]), variables
