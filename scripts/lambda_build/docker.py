"""The one door to Docker, which builds, runs and pushes images."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from lambda_build.errors import DockerError, ToolError
from lambda_build.process import run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

# What docker says when it is there and its engine is not, or is not for this user.
_NO_ENGINE = (
    "Cannot connect to the Docker daemon",
    "error during connect",
    "permission denied while trying to connect to the Docker daemon",
)


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
