"""The command line, with a stack that only Terraform itself is needed for."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from local_aws import instance
from local_aws.errors import AlreadyRunningError, LocalAwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker_engine import Engine

needs_terraform = pytest.mark.skipif(
    shutil.which("terraform") is None, reason="terraform is not on PATH"
)
_TIMEOUT_S = 60


@dataclass(kw_only=True)
class Project:
    """A project whose stack is one file, and the local-aws commands that work on it."""

    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start local-aws with these arguments."""
        process = subprocess.Popen(
            [sys.executable, "-m", "local_aws.cli", *arguments, "--project", self.folder],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run local-aws to its end; return its exit code and what it said, result and progress."""
        process = self.start(*arguments)
        result, progress = process.communicate(timeout=_TIMEOUT_S)
        return process.returncode, result, progress

    @property
    def work_dir(self) -> Path:
        return self.folder / ".local_aws"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "terraform").mkdir()
    (tmp_path / "backend").mkdir()
    (tmp_path / "terraform" / "main.tf").write_text('resource "terraform_data" "this" {}\n')
    # A mirror that nothing is taken from, so that no registry is asked.
    machine = "arm64" if os.uname().machine == "aarch64" else "amd64"
    mirror = tmp_path / "mirror"
    for name in ("archive", "aws", "external"):
        hashicorp = mirror / "registry.terraform.io" / "hashicorp"
        (hashicorp / name / "1.0.0" / f"{sys.platform}_{machine}").mkdir(parents=True)
    made = Project(
        folder=tmp_path,
        environment={**os.environ, "TERRAFORM_PROVIDER_MIRROR": str(mirror)},
        started=[],
    )
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _TIMEOUT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def until_it_says(process: subprocess.Popen[str], text: str) -> str:
    """Return the results up to the line that holds the text."""
    said = ""
    for line in process.stdout or ():
        said += line
        if text in line:
            return said
    raise AssertionError(said + (process.stderr.read() if process.stderr else ""))


FREE = ("--port", "0", "--aws-port", "0")


@needs_terraform
def test_up_lists_what_is_ready_a_second_one_says_so_and_down_stops_it(project: Project) -> None:
    first = project.start("up", *FREE)
    ready = until_it_says(first, "Stop with Ctrl-C")
    running = instance.running(project.work_dir)

    assert running is not None
    assert f"AWS        {running.endpoint_url}" in ready
    assert f"curl {running.api_url}/chat/health" in ready
    assert "Bedrock    a stand-in" in ready

    code, _, said = project.run("up", *FREE)
    assert code == 1
    assert f"runs already: process {first.pid}, HTTP APIs at {running.api_url}" in said
    assert "make down" in said

    code, said, _ = project.run("down")
    assert (code, first.wait(_TIMEOUT_S)) == (0, 0)
    assert said.startswith(f"stopped: process {first.pid}")
    assert instance.running(project.work_dir) is None
    assert not (project.work_dir / "terraform" / "terraform.tfstate").exists()


def with_container_function(project: Project) -> None:
    (project.folder / "terraform" / "main.tf").write_text(
        """\
variable "inference_image_uri" {
  type    = string
  default = null
}
resource "terraform_data" "this" {
  input = var.inference_image_uri == null ? "it is built" : "it is ${var.inference_image_uri}"
}
output "image" {
  value = terraform_data.this.output
}
"""
    )


def image(project: Project) -> str:
    state = (project.work_dir / "terraform" / "terraform.tfstate").read_text()
    return str(json.loads(state)["outputs"]["image"]["value"])


@needs_terraform
def test_without_docker_container_functions_are_off_and_the_stack_is_applied(
    project: Project,
) -> None:
    with_container_function(project)
    project.environment["DOCKER_HOST"] = f"unix://{project.folder}/nothing.sock"
    process = project.start("up", *FREE)
    until_it_says(process, "Stop with Ctrl-C")
    told = image(project)
    process.send_signal(signal.SIGINT)
    _, progress = process.communicate(timeout=_TIMEOUT_S)

    assert process.returncode == 0
    assert told == f"it is needs-docker.invalid/inference@sha256:{'0' * 64}"
    assert "inference is off, its routes answer 500: no Docker engine answers" in progress
    assert "DOCKER_HOST" in progress


@needs_terraform
def test_where_the_base_image_is_nowhere_container_functions_are_off(
    project: Project, docker_engine: Engine
) -> None:
    with_container_function(project)
    function = project.folder / "backend" / "inference" / "function.json"
    function.parent.mkdir()
    function.write_text(json.dumps({"dependencies": "image", "handler": "index.handler"}))
    project.environment |= docker_engine.environment
    with socket.socket() as silent:  # bound, and nobody listens
        silent.bind(("127.0.0.1", 0))
        base = f"127.0.0.1:{silent.getsockname()[1]}/lambda/python:3.11"
        project.environment["TF_VAR_inference_base_image"] = base
        process = project.start("up", *FREE)
        until_it_says(process, "Stop with Ctrl-C")
    told = image(project)
    process.send_signal(signal.SIGINT)
    _, progress = process.communicate(timeout=_TIMEOUT_S)

    assert process.returncode == 0
    assert told == f"it is needs-docker.invalid/inference@sha256:{'0' * 64}"
    assert f"inference is off, its routes answer 500: {base.partition('/')[0]}" in progress
    assert "cannot be asked" in progress
    assert "TF_VAR_inference_base_image" in progress


@needs_terraform
def test_with_docker_images_are_built_for_a_registry_that_ends_with_it(
    project: Project, docker_engine: Engine
) -> None:
    with_container_function(project)
    project.environment |= docker_engine.environment
    project.environment["TERRAFORM_PROVIDER_MIRROR"] = str(project.folder / "mirror")
    process = project.start("up", *FREE)
    until_it_says(process, "Stop with Ctrl-C")
    told = image(project)
    process.send_signal(signal.SIGINT)
    _, progress = process.communicate(timeout=_TIMEOUT_S)

    assert process.returncode == 0
    assert told == "it is built"
    found = re.search(r"a registry at 127\.0\.0\.1:(\d+)", progress)
    assert found
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(found[1])), timeout=1)
    assert not (project.work_dir / "registry").exists()


@needs_terraform
def test_ctrl_c_stops_what_is_ready(project: Project) -> None:
    process = project.start("up", *FREE)
    until_it_says(process, "Stop with Ctrl-C")

    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # impatient

    assert process.wait(_TIMEOUT_S) == 0


@needs_terraform
def test_ctrl_c_during_an_apply_leaves_no_process(project: Project) -> None:
    child = project.folder / "child"
    (project.folder / "terraform" / "main.tf").write_text(f"""
resource "terraform_data" "this" {{
  provisioner "local-exec" {{
    command = "echo $$ > {child}; exec sleep 600"
  }}
}}
""")
    process = project.start("up", *FREE)
    until(lambda: child.exists() and child.read_text())

    process.send_signal(signal.SIGINT)

    assert process.wait(_TIMEOUT_S) == 130
    pid = child.read_text().strip()
    until(lambda: not Path("/proc", pid).exists() or "(sleep) Z" in stat(pid))
    assert instance.running(project.work_dir) is None


def stat(pid: str) -> str:
    try:
        return Path("/proc", pid, "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "(sleep) Z"


@needs_terraform
def test_a_stack_that_cannot_be_applied_is_an_error_with_terraforms_words(project: Project) -> None:
    (project.folder / "terraform" / "main.tf").write_text("""
resource "terraform_data" "this" {
  lifecycle {
    precondition {
      condition     = terraform.workspace == "none"
      error_message = "The lock is old: make lock"
    }
  }
}
""")

    code, _, said = project.run("up", *FREE)

    assert code == 1
    assert "terraform apply failed" in said
    assert "The lock is old: make lock" in said


@pytest.mark.parametrize(
    ("option", "what"), [("--port", "the HTTP API front"), ("--aws-port", "the local AWS")]
)
def test_a_taken_port_is_named(project: Project, option: str, what: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        code, _, said = project.run("up", *FREE, option, str(port))

    assert code == 1
    assert f"port {port}, wanted for {what}, is taken" in said


def test_without_terraform_the_message_says_what_to_install(
    project: Project, tmp_path: Path
) -> None:
    project.environment["PATH"] = str(tmp_path)

    code, _, said = project.run("up", *FREE)

    assert code == 1
    assert "terraform is not on PATH. Install Terraform 1.11" in said


def test_down_without_one_that_runs_says_so_and_is_content(project: Project) -> None:
    code, said, _ = project.run("down")

    assert code == 0
    assert said == f"no local AWS of {project.work_dir} runs\n"


def test_a_real_bedrock_without_credentials_is_refused_at_once(project: Project) -> None:
    nowhere = str(project.folder / "none")
    project.environment |= {
        "LOCAL_AWS_BEDROCK_ENDPOINT_URL": "https://bedrock-runtime.eu-west-1.amazonaws.com",
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_CONFIG_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        project.environment.pop(name, None)

    code, _, said = project.run("up", *FREE)

    assert code == 1
    assert "needs AWS credentials" in said
    assert "aws sts get-caller-identity" in said


def test_only_one_can_claim_a_folder(tmp_path: Path) -> None:
    with instance.claim(tmp_path), pytest.raises(AlreadyRunningError, match=f"{os.getpid()}"):
        instance.claim(tmp_path).__enter__()

    with instance.claim(tmp_path):
        pass
    assert instance.running(tmp_path) is None


def test_who_asks_at_that_very_moment_keeps_nobody_from_claiming(tmp_path: Path) -> None:
    file = tmp_path / "running.json"
    file.touch()
    with file.open() as asked:
        fcntl.flock(asked, fcntl.LOCK_SH)
        asking = threading.Timer(0.2, lambda: fcntl.flock(asked, fcntl.LOCK_UN))
        asking.start()
        with instance.claim(tmp_path):
            assert instance.running(tmp_path) == instance.Instance(pid=os.getpid())
        asking.join()


def test_a_process_that_merely_has_the_number_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text(f'{{"pid": {os.getpid()}}}')

    assert instance.stop(tmp_path) is None


def test_one_that_does_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: None)

    with instance.claim(tmp_path), pytest.raises(LocalAwsError, match=f"kill -9 {os.getpid()}"):
        instance.stop(tmp_path, timeout_s=0.1)
