"""The emulator in a Docker container, for functions that are container images.

As on Lambda: the file system is read-only but for /tmp, the image's entry point, command and
working directory are used unless the function's configuration replaces them, and nothing of this
machine is seen. The emulator is mounted into the container and starts the image's entry point, so
any image that runs on Lambda runs here, whether it brings an emulator of its own or not.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from local_aws.emulator import (
    Emulator,
    Function,
    environment_defaults,
    new_log_stream,
    reserved_variables,
    start,
)
from local_aws.errors import RuntimeUnavailableError
from local_aws.runtime import emulator_alone, other_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_aws.docker import Docker

_START_LIMIT_S = 30
_END_LIMIT_S = 5
_EMULATOR = "/aws-lambda-rie"


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A function's image, and what its configuration replaces of it; empty: nothing."""

    uri: str
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = ""


def start_image(
    function: Function,
    image: Image,
    docker: Docker,
    *,
    work_dir: Path,
    environment: Mapping[str, str] | None = None,
    mounts: Mapping[str, Path] | None = None,
    log: Callable[[str], None] = lambda _line: None,
) -> Emulator:
    """Return the function in a container that has started.

    `environment` is added to the function's own; `mounts` are folders of this machine, by their
    paths in the container, where they are read-only. Raises EmulatorError when it does not come up,
    ImageError when there is no such image, RuntimeUnavailableError when it is for another machine.
    """
    sandbox = _Container(function, image, docker, work_dir, environment or {}, mounts or {})
    return Emulator(function, sandbox, log=log)


class _Container:
    """A Sandbox: a container whose first process is the emulator."""

    def __init__(
        self,
        function: Function,
        image: Image,
        docker: Docker,
        work_dir: Path,
        environment: Mapping[str, str],
        mounts: Mapping[str, Path],
    ) -> None:
        self.log_stream = new_log_stream(function)
        self._docker = docker
        variables = {**_environment(function, self.log_stream), **environment}
        options, words = _arguments(function, image, docker, variables)
        options += [_mount(folder, path) for path, folder in sorted(mounts.items())]
        self._scratch = TemporaryDirectory(dir=work_dir, prefix="container-")
        said = Path(self._scratch.name, "docker.log")

        def spawn(addresses: list[str]) -> subprocess.Popen[bytes]:
            self._name = f"local-aws-{uuid.uuid4().hex}"
            return docker.start(self._name, [*options, image.uri, *addresses, *words], stderr=said)

        try:
            self.port, self.process = start(spawn, self._listens, said)
        except BaseException:
            self._scratch.cleanup()
            raise

    def end(self, *, grace_s: float) -> None:
        del grace_s  # Lambda gives a function none either, unless it has extensions
        self._docker.end(self._name)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_END_LIMIT_S)
        self.process.kill()
        self.process.wait()

    def clean(self) -> None:
        self._scratch.cleanup()

    def _listens(self, process: subprocess.Popen[bytes], *ports: int) -> bool:
        # Another program may have taken one port meanwhile, and would answer; hardly both.
        deadline = time.monotonic() + _START_LIMIT_S
        while process.poll() is None and time.monotonic() < deadline:
            if all(_answers(port) for port in ports):
                return True
            time.sleep(0.01)
        self._docker.end(self._name)
        return False


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _arguments(
    function: Function, image: Image, docker: Docker, environment: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Return docker's options, and the words that the emulator starts in the container."""
    facts = docker.bring(image.uri)
    if reason := other_machine(facts.architecture):
        raise RuntimeUnavailableError(f"the image {image.uri}: {reason}")
    emulator = emulator_alone(function.architecture)
    options = [
        *("--read-only", f"--tmpfs=/tmp:rw,exec,mode=1777,size={function.ephemeral_storage_mb}m"),
        _mount(emulator, _EMULATOR),
        f"--entrypoint={_EMULATOR}",
        *(f"--env={name}={value}" for name, value in sorted(environment.items())),
    ]
    if image.working_directory:
        options.append(f"--workdir={image.working_directory}")
    # Docker drops the image's command where its entry point is replaced; Lambda does not.
    entry_point = image.entry_point or facts.entry_point
    command = image.command or facts.command
    return options, [*entry_point, *command]


def _mount(source: Path, target: str) -> str:
    return f"--mount=type=bind,source={source},target={target},readonly"


def _environment(function: Function, log_stream: str) -> dict[str, str]:
    """Return the variables that Lambda sets for an image: no paths, those are the image's."""
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    return {
        **{name: os.environ[name] for name in proxies if name in os.environ},
        **environment_defaults(),
        **function.variables,
        **reserved_variables(function),
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group or f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
    }
