"""The door to Docker says what is missing, and hands on the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lambda_build.docker import docker
from lambda_build.errors import DockerError

if TYPE_CHECKING:
    from pathlib import Path


def a_docker(folder: Path, script: str) -> dict[str, str]:
    """Return the variables with which this script is the docker of the machine."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_a_machine_without_docker_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(DockerError, match="docker is not on this machine"):
        docker("version", environment={"PATH": str(tmp_path)})


def test_an_engine_that_does_not_answer_is_an_error_of_its_own(tmp_path: Path) -> None:
    said = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
    with pytest.raises(DockerError, match="no Docker engine answers: Cannot connect") as caught:
        docker("version", environment=a_docker(tmp_path, f'echo "{said}" >&2; exit 1'))
    assert caught.value.exit_code == 17


def test_what_docker_says_and_its_exit_code_are_the_callers_to_judge(tmp_path: Path) -> None:
    result = docker(
        "build", "a folder", environment=a_docker(tmp_path, 'cat; echo "$2"; exit 3'), stdin="in "
    )
    assert (result.returncode, result.stdout) == (3, "in a folder\n")


def test_a_docker_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(DockerError, match="did not end within"):
        docker("run", environment=a_docker(tmp_path, "exec sleep 30"), timeout_s=0.3)
