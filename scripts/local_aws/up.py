"""The whole local AWS: the mock, the functions, Bedrock's stand-in, the front, and the stack."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_aws.bedrock import ENDPOINT_VARIABLE, BedrockStandIn, function_environment
from local_aws.containers import (
    Containers,
    base_image_obstacle,
    start_containers_if_possible,
)
from local_aws.errors import LocalAwsError
from local_aws.front import Front
from local_aws.interrupts import held
from local_aws.invocation import CONTAINER_IMAGE
from local_aws.providers import find_providers
from local_aws.runtime import machine_architecture, provide_runtime
from local_aws.server import LocalAws
from local_aws.stack import Stack, image_functions, image_placeholders
from local_aws.terraform import find_terraform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where the project and the local AWS's own folder are, and the ports (0: a free one)."""

    project: Path
    work_dir: Path
    api_port: int
    aws_port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Up:
    """A local AWS to which the stack is applied."""

    aws: LocalAws
    front: Front
    stack: Stack
    bedrock: str  # for a person
    stand_in: bool
    containers_off: str  # why container functions cannot run; empty: they can


@contextmanager
def up(
    settings: Settings, *, say: Callable[[str], None], log: Callable[[str], None]
) -> Iterator[Up]:
    """Start everything and apply the stack; on the way out everything has ended.

    `say` gets a line for each step, `log` each line of a function. What may be missing or taken is
    looked at first, so that it is told before minutes have passed.
    """
    find_terraform()
    with ExitStack() as running:
        variables, bedrock = _bedrock(running)
        with held():  # it starts programs
            containers = _containers(settings, running)
        aws = running.enter_context(
            LocalAws(
                settings.work_dir,
                port=settings.aws_port,
                function_environment=variables,
                log=log,
                containers=containers,
            )
        )
        front = running.enter_context(Front(aws.endpoint_url, port=settings.api_port))
        say(f"AWS is at {aws.endpoint_url}, Bedrock is {bedrock}")
        stack = _applied(settings, aws, _images(settings, containers, say), say)
        running.callback(stack.forget)
        _provide_runtimes(aws, say)
        yield Up(
            aws=aws,
            front=front,
            stack=stack,
            bedrock=bedrock,
            stand_in=ENDPOINT_VARIABLE not in os.environ,
            containers_off=containers if isinstance(containers, str) else "",
        )


def _bedrock(running: ExitStack) -> tuple[dict[str, str], str]:
    """Return what functions need to reach Bedrock, and what that is in words."""
    if endpoint_url := os.environ.get(ENDPOINT_VARIABLE):
        return function_environment(endpoint_url), f"at {endpoint_url}"
    stand_in = running.enter_context(BedrockStandIn())
    return (
        {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": stand_in.endpoint_url},
        f"a stand-in ({ENDPOINT_VARIABLE} names a real one)",
    )


def _containers(settings: Settings, running: ExitStack) -> Containers | str:
    """Return what container functions need, or why there are none."""
    containers = start_containers_if_possible(settings.work_dir, running)
    if isinstance(containers, str):
        return containers
    names = image_functions(settings.project)
    return base_image_obstacle(settings.project / "backend" / name for name in names) or containers


def _images(
    settings: Settings, containers: Containers | str, say: Callable[[str], None]
) -> dict[str, str]:
    """Return the stack's variables about container images, and say what is off without them."""
    functions = image_functions(settings.project)
    if not isinstance(containers, str):
        say(f"images are pushed to a registry at {containers.registry.address}, ECR's stand-in")
        return {}
    if functions:
        say(f"{', '.join(functions)} is off, its routes answer 500: {containers}")
    return image_placeholders(functions)


def _applied(
    settings: Settings, aws: LocalAws, images: dict[str, str], say: Callable[[str], None]
) -> Stack:
    providers = find_providers(settings.work_dir)
    for name, where in sorted(providers.used.items()):
        say(f"provider hashicorp/{name}: {where}")
    stack = Stack(
        project=settings.project,
        work_dir=settings.work_dir,
        environment={**aws.environment, **images},
        providers=providers,
        say=say,
    )
    stack.prepare()
    say("terraform init")
    stack.init()
    say("terraform apply: builds the packages, then makes the stack")
    stack.apply()
    return stack


def _provide_runtimes(aws: LocalAws, say: Callable[[str], None]) -> None:
    """Fetch what functions run in, now: a first request that did would time out."""

    def provide() -> None:
        for failure in aws.bring_images():
            say(f"warning: {failure}")
        runtimes = {each.runtime for each in aws.functions() if each.obstacle is None}
        for runtime in sorted(runtimes - {CONTAINER_IMAGE}):
            say(f"emulator and runtime client for {runtime}")
            try:
                provide_runtime(runtime, machine_architecture())
            except LocalAwsError as error:
                say(f"warning: {error}")

    # Not in the main thread: it starts programs, and interrupts.py tells what Ctrl-C does then.
    thread = threading.Thread(target=provide, name="provide-runtimes", daemon=True)
    thread.start()
    thread.join()
