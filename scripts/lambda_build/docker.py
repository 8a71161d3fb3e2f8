"""The one door to Docker, which builds, runs and pushes images."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from lambda_build.errors import DockerError, RegistryError, ToolError
from lambda_build.process import run
from lambda_build.target import Architecture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_log = logging.getLogger(__name__)

# Docker's names for machines (Go's GOARCH).
MACHINES = {Architecture.X86_64: "amd64", Architecture.ARM64: "arm64"}

# A Dockerfile may install an operating system's packages, and a slow line may carry 10 GB.
LONGEST_S = 3600
_END_S = 20

_SHOWN_LINES = 15

# What docker says when it is there and its engine is not, or is not for this user.
_NO_ENGINE = (
    "Cannot connect to the Docker daemon",
    "error during connect",
    "permission denied while trying to connect to the Docker daemon",
    # Docker 29's words.
    "failed to connect to the docker API",
    "permission denied while trying to connect to the docker API",
)

# Waits for its stdin to be closed, which the kernel does for a process that is killed, and then
# ends what that process has left running. Again, for one that was being made meanwhile.
_REAPER = """\
cat >/dev/null
for again in 1 2; do
    containers=$(docker ps --all --quiet --filter "label=$1")
    [ -z "$containers" ] || docker rm --force $containers
done
"""


def docker(
    *arguments: str | Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout_s: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run docker and return what it said; its exit code is the caller's to judge.

    Arguments are shown under `--verbose`: what must not be seen goes into `environment`, which
    adds variables (a container takes one by `--env NAME`), or into `stdin` (`login
    --password-stdin`). Raises DockerError when there is no docker, no engine answers, or it takes
    longer than `timeout_s` seconds. Ending docker does not end a container that it runs.
    """
    told = {**os.environ, **(environment or {})}
    # Looked up in the path that it is run with.
    program = shutil.which("docker", path=told.get("PATH"))
    if program is None:
        raise DockerError(
            "docker is not on this machine (no such program on PATH).\n"
            "Install it, e.g. from https://docs.docker.com/engine/install/, and check it:\n"
            "    docker version"
        )
    try:
        result = run(
            [program, *arguments], cwd=cwd, environment=told, stdin=stdin, timeout_s=timeout_s
        )
    except ToolError as error:
        raise DockerError(str(error)) from error
    if result.returncode < 0:  # it said nothing, so nothing of what it said can be quoted
        raise DockerError(f"docker was ended by signal {-result.returncode}")
    if result.returncode and any(said in result.stderr for said in _NO_ENGINE):
        raise DockerError(
            f"no Docker engine answers: {result.stderr.strip()}\n"
            "Start it, or name another one by DOCKER_HOST, and check it:\n"
            "    docker version"
        )
    return result


class Containers:
    """Containers that have ended after `__exit__`, and after this process was killed.

    `owner` is the key of the label by which they are found.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._label = f"{owner}={uuid.uuid4().hex}"

    def __enter__(self) -> Self:
        self._reaper = subprocess.Popen(
            ["/bin/sh", "-c", _REAPER, f"{self._owner}-reaper", self._label],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # out of reach of the terminal's Ctrl-C
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._reaper.stdin:
            self._reaper.stdin.close()
        try:
            self._reaper.wait(_END_S)
        except subprocess.TimeoutExpired:  # the engine hangs
            self._reaper.kill()
            self._reaper.wait()

    def run_words(self, name: str) -> tuple[str, ...]:
        """Return the words that run a container of that name; options and its image follow."""
        return ("run", "--rm", "--name", name, "--label", self._label)

    def end(self, name: str) -> None:
        """End a container, whether it still runs or not."""
        with suppress(DockerError):  # the engine is gone, and its containers with it
            docker("rm", "--force", name, timeout_s=_END_S)


def inspect_image(reference: str, *, timeout_s: float = 600) -> dict[str, Any] | None:
    """Return what the engine says of an image; None when it has none of that name."""
    result = docker("image", "inspect", "--format", "{{json .}}", reference, timeout_s=timeout_s)
    if result.returncode:
        if "no such image" in result.stderr.lower():
            return None
        raise DockerError(f"docker cannot inspect {reference}:\n{result.stderr.strip()}")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def bring_image(reference: str, architecture: Architecture, what: str) -> dict[str, Any] | None:
    """Pull an image unless it is there for that machine, and return what the engine says of it.

    It may be for another machine, where its registry has no other. `what` is said of it in
    RegistryError, which is raised when it cannot be had.
    """
    found = inspect_image(reference)
    if found is not None and found["Architecture"] == MACHINES[architecture]:
        return found
    _log.info("pulling %s", reference)
    platform = platform_options(architecture)
    result = docker("pull", "--quiet", *platform, reference, timeout_s=LONGEST_S)
    if result.returncode and found is None:
        from lambda_build.images.reference import Reference  # noqa: PLC0415 - for an error

        raise RegistryError(
            f"{what} {reference} cannot be had:\n{last_lines(result.stderr)}\n"
            "Check its name and the network; where its registry needs a login:\n"
            f"    docker login {Reference.parse(reference).registry}"
        )
    return inspect_image(reference)


def platform_options(architecture: Architecture) -> Sequence[str]:
    """Return the option for a machine that is not the engine's.

    Only then: the classic builder looks for an image of the local engine in a registry when a
    platform is named that the image does not name just so.
    """
    result = docker("version", "--format", "{{.Server.Arch}}")
    wanted = MACHINES[architecture]
    return () if result.stdout.strip() == wanted else ("--platform", f"linux/{wanted}")


def network_options() -> Sequence[str]:
    """Return the option for an engine that has no bridge for a build's network, as some CI has."""
    result = docker("network", "inspect", "bridge")
    return ("--network", "host") if result.returncode else ()


def missing_emulation(said: str, architecture: Architecture) -> str:
    """Return why the engine runs no program of a machine, if what it said means that; else ""."""
    if "exec format error" not in said:
        return ""
    machine = MACHINES[architecture]
    return (
        f"this Docker engine does not run programs for linux/{machine} ({architecture}).\n"
        "Build on such a machine, or let the engine emulate it:\n"
        f"    docker run --privileged --rm tonistiigi/binfmt --install {machine}"
    )


def last_lines(text: str, number: int = _SHOWN_LINES) -> str:
    """Return the end of what a program said, indented."""
    lines = [line.rstrip() for line in text.strip().splitlines() if line.strip()]
    return "\n".join(f"    {line}" for line in lines[-number:])
