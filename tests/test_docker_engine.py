"""The Docker that other tests run on: nothing of it stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import docker_engine as module
import pytest

if TYPE_CHECKING:
    from base_images import BaseImages
    from docker_engine import Engine

ENGINE = """\
import docker_engine, sys
with docker_engine._started() as engine:
    print(engine.host, flush=True)
    sys.stdin.read()
"""

needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can start Debian's engine"
)


def test_the_engine_answers_children_of_this_process(docker_engine: Engine) -> None:
    assert module.run(["docker", "version", "--format", "{{.Server.Version}}"]).strip()


@pytest.mark.parametrize("name", ["amazon_linux", "lambda_python"])
def test_the_base_images_are_of_this_machine(
    docker_engine: Engine, base_images: BaseImages, name: str
) -> None:
    image = getattr(base_images, name)
    assert docker_engine.docker("image", "inspect", "--format", "{{.Os}}", image).strip() == "linux"


def test_the_lambda_base_image_has_aws_s_layout(
    docker_engine: Engine, base_images: BaseImages
) -> None:
    script = (
        'test "$PWD,$LAMBDA_TASK_ROOT,$LAMBDA_RUNTIME_DIR" = /var/task,/var/task,/var/runtime'
        " && test -x /lambda-entrypoint.sh -a -x /usr/local/bin/aws-lambda-rie"
        " && cd / && PYTHONPATH=/var/runtime python3.11 -c 'import awslambdaric'"
    )
    docker_engine.docker(
        *("run", "--rm", "--network=host", "--entrypoint", "/bin/sh"),
        *(base_images.lambda_python, "-c", script),
    )


@needs_root
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_an_engine_that_was_started_ends_with_its_process(end: signal.Signals) -> None:
    module.require(module._PROGRAMS, "the test of Debian's engine")
    process = subprocess.Popen(
        [sys.executable, "-c", ENGINE],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        host = process.stdout.readline().strip()
        assert _processes_with(host)
        process.send_signal(end)
    deadline = time.monotonic() + 60
    while _processes_with(host) and time.monotonic() < deadline:
        time.sleep(0.05)
    # containerd ends with it, and may still be removing something.
    shutil.rmtree(Path(host.removeprefix("unix://")).parent, ignore_errors=True)
    assert _processes_with(host) == []


def test_what_is_missing_is_named_with_its_package() -> None:
    with pytest.raises(module.NoDockerError, match="apt-get install a-package"):
        module.require({"a-program-that-nobody-has": "a-package"}, "no engine")


def _processes_with(text: str) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has ended meanwhile
        if text in words and "dockerd" in words:
            found.append(int(file.parent.name))
    return found
