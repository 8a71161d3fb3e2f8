from __future__ import annotations

import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from local_aws import docker as module
from local_aws.containers import start_containers
from local_aws.docker import Docker
from local_aws.errors import DockerUnavailableError, ImageError
from local_aws.runtime import machine_architecture

if TYPE_CHECKING:
    from pathlib import Path

    from base_images import BaseImages
    from docker_engine import Engine

    from .conftest import PushImage

SLEEP = ("--entrypoint=/bin/sleep",)


def containers(engine: Engine, label: str) -> list[str]:
    return engine.docker("ps", "--all", "--quiet", "--filter", f"label={label}").split()


def test_containers_have_ended_when_it_is_closed(
    docker_engine: Engine, base_images: BaseImages, tmp_path: Path
) -> None:
    with Docker() as docker:
        process = docker.start(
            f"local-aws-test-{uuid.uuid4().hex}",
            [*SLEEP, base_images.amazon_linux, "60"],
            stderr=tmp_path / "said",
        )
        wait_until(lambda: containers(docker_engine, docker._label))
    assert containers(docker_engine, docker._label) == []
    assert process.wait(60) == 137  # killed
    assert process.stdout is not None
    process.stdout.close()


def test_containers_end_with_a_process_that_is_killed(
    docker_engine: Engine, base_images: BaseImages, tmp_path: Path
) -> None:
    script = (
        "import sys, time; from pathlib import Path; from local_aws.docker import Docker\n"
        "with Docker() as docker:\n"
        "    docker.start(sys.argv[2], sys.argv[3:], stderr=Path(sys.argv[1]))\n"
        "    print(docker._label, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [
            *(sys.executable, "-c", script, tmp_path / "said"),
            f"local-aws-test-{uuid.uuid4().hex}",
            *(*SLEEP, base_images.amazon_linux, "60"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        label = process.stdout.readline().strip()
        wait_until(lambda: containers(docker_engine, label))
        process.kill()
    wait_until(lambda: not containers(docker_engine, label))


def test_an_image_tells_its_machine_and_what_it_starts(
    docker_engine: Engine, push_image: PushImage
) -> None:
    uri = push_image("", repository="facts")
    # As on a machine that has not built it.
    name = uri.partition("@")[0]
    docker_engine.docker("rmi", "--force", uri, f"{name}:latest")
    with Docker() as docker:
        facts = docker.bring(uri)
    assert facts.architecture == machine_architecture()
    assert facts.entry_point == ("/lambda-entrypoint.sh",)
    assert facts.command == ("index.handler",)


def test_an_image_that_is_not_there_is_an_error_that_names_it(
    docker_engine: Engine, push_image: PushImage
) -> None:
    name = push_image("", repository="missing").partition("@")[0]
    with Docker() as docker, pytest.raises(ImageError, match=f"{name}@sha256:0.*cannot be had"):
        docker.bring(f"{name}@sha256:{'0' * 64}")


def test_where_no_engine_answers_the_next_step_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(DockerUnavailableError, match="no Docker engine answers"), Docker():
        pass
    with (
        pytest.raises(DockerUnavailableError, match="DOCKER_HOST"),
        start_containers(tmp_path / "work"),
    ):
        pass


def test_where_docker_is_not_installed_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "docker is not on this machine" in str(module.obstacle())


def wait_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
