"""What can go wrong between a source and its deployed image: it is told, and nothing half is left.

The images hold nothing but a file, so that building and pushing one takes a moment; they are never
run. What the function serves is read back from AWS after each refusal.
"""

from __future__ import annotations

import io
import json
import socket
import tarfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from applied_stack import AppliedStack, Run
from local_aws.containers import Containers
from local_aws.docker import Docker
from local_aws.providers import find_providers
from local_aws.runtime import machine_architecture
from local_aws.server import LocalAws
from python_terraform import IsFlagged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_engine import Engine
    from local_aws.registry import Manifest, Registry

NAME = "small"
OTHER = {"x86_64": "arm64", "arm64": "x86_64"}[machine_architecture()]

# By its digest nothing is asked of a registry, and `FROM scratch` takes nothing of it.
BASE = f"public.ecr.aws/lambda/python@sha256:{'0' * 64}"
ONLY_HERE = "lambda-test/one-machine:latest"

_ROOT = """\
terraform {
  required_providers {
    aws      = { source = "hashicorp/aws" }
    external = { source = "hashicorp/external" }
  }
}

variable "architecture" {
  type = string
}

variable "image_uri" {
  type    = string
  default = null
}

variable "from_elsewhere" {
  type    = string
  default = null
}

module "small" {
  source = "./modules/container_function"

  name         = "small"
  architecture = var.architecture
  image_uri    = var.image_uri
  package = {
    source       = "src"
    requirements = ""
    base_image   = "BASE"
  }
}

module "given" {
  source = "./modules/container_function"
  count  = var.from_elsewhere == null ? 0 : 1

  name         = "given"
  architecture = var.architecture
  image_uri    = var.from_elsewhere
}
"""


class _Door:
    """A registry behind an address of its own, so that a test can close it, or have it refuse."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        # Bound as long as this lives, and nobody listens: no other program takes the port while
        # the door is closed.
        self._bound = socket.socket()
        self._bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._bound.bind(("127.0.0.1", 0))
        self._port: int = self._bound.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"

    def close(self) -> None:
        self._bound.close()

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        return self._registry.manifest(repository, reference)

    def tags(self, repository: str) -> list[str]:
        return self._registry.tags(repository)

    def delete(self, repository: str, digest: str) -> None:
        self._registry.delete(repository, digest)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Let everything through."""
        server = socket.create_server(("127.0.0.1", self._port), reuse_port=True)
        thread = threading.Thread(target=self._serve, args=(server,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Answer as a registry that holds nothing and lets nobody push."""
        with _RefusingServer(("127.0.0.1", self._port), _Refusing) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    def _serve(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = server.accept()
                there = socket.create_connection(
                    ("127.0.0.1", int(self._registry.address.partition(":")[2]))
                )
                for source, target in ((here, there), (there, here)):
                    threading.Thread(target=_carry, args=(source, target), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


class _RefusingServer(ThreadingHTTPServer):
    allow_reuse_port = True


class _Refusing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(HTTPStatus.OK if self.path == "/v2/" else HTTPStatus.NOT_FOUND, b"{}")

    def do_HEAD(self) -> None:
        self._answer(HTTPStatus.NOT_FOUND, b"")

    def do_POST(self) -> None:
        denied = {"code": "DENIED", "message": "not authorized to perform ecr:InitiateLayerUpload"}
        self._answer(HTTPStatus.FORBIDDEN, json.dumps({"errors": [denied]}).encode())

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Small:
    """A root with one container function, deployed."""

    aws: AppliedStack
    root: Path
    door: _Door
    docker: Engine

    def write(self, text: str, *, base: str = "scratch") -> None:
        """Make the source another one, and with it the image."""
        dockerfile = f'FROM {base}\nCOPY source/index.py /index.py\nCMD ["/index.py"]\n'
        self.root.joinpath("src/Dockerfile").write_text(dockerfile, encoding="utf-8")
        code = f"def handler(event, context):\n    return {text!r}\n"
        self.root.joinpath("src/index.py").write_text(code, encoding="utf-8")

    def terraform(self, command: str, *arguments: str, **settings: Any) -> Run:
        """Run Terraform with these variables."""
        flags: dict[str, Any] = {}
        if command != "apply" or not arguments or arguments[0].startswith("-"):  # no saved plan
            flags["var"] = {"architecture": machine_architecture(), **settings}
        if command in {"apply", "destroy"}:
            flags |= {"auto_approve": IsFlagged, "parallelism": 20}
        return self.aws.run(command, *arguments, root=self.root, input=False, **flags)

    def plan(self, **settings: Any) -> str:
        """Save a plan and return its file."""
        file = str(self.root / "saved.tfplan")
        planned = self.terraform("plan", f"-out={file}", **settings)
        assert planned.exit_code == 0, planned.output
        return file

    def push_elsewhere(self, tmp_path: Path, name: str) -> str:
        """Push an image as a pipeline does, and return its address."""
        tag = f"{self.door.address}/{name}:latest"
        self.docker.docker("import", _archive(tmp_path, name), tag)
        self.docker.docker("push", "--quiet", tag)
        pushed = self.door.manifest(name, "latest")
        assert pushed is not None
        return f"{tag.removesuffix(':latest')}@{pushed.digest}"

    def deployed(self) -> tuple[str, str]:
        """Return the version that callers get, and its image."""
        function = self.aws.boto3("lambda").get_function(FunctionName=NAME, Qualifier="live")
        return function["Configuration"]["Version"], function["Code"]["ImageUri"]


@pytest.fixture(scope="module")
def small(
    docker_engine: Engine, registry: Registry, project: Path, tmp_path_factory: Any
) -> Iterator[Small]:
    root = tmp_path_factory.mktemp("small")
    (root / "src").mkdir()
    (root / "modules").symlink_to(project / "terraform/modules")
    (root / "main.tf").write_text(_ROOT.replace("BASE", BASE), encoding="utf-8")
    providers = find_providers(root)
    door = _Door(registry)
    with ExitStack() as exits:
        exits.callback(door.close)
        docker = exits.enter_context(Docker())
        containers = Containers(docker=docker, registry=door)  # type: ignore[arg-type]
        local = exits.enter_context(LocalAws(root / "aws", containers=containers))
        made = Small(
            aws=AppliedStack(
                root=root,
                environment={
                    **local.environment,
                    **providers.environment,
                    "CHECKPOINT_DISABLE": "1",
                },
                endpoint_url=local.endpoint_url,
                front_url="",
                providers=str(providers),
                containers_off="",
            ),
            root=root,
            door=door,
            docker=docker_engine,
        )
        initialised = made.aws.run("init", root=root, input=False)
        assert initialised.exit_code == 0, initialised.output
        made.write("first")
        with door.open():
            applied = made.terraform("apply")
        assert applied.exit_code == 0, applied.output
        yield made
    for name in docker_engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split():
        if name.startswith((f"{door.address}/", ONLY_HERE)):
            docker_engine.docker("image", "rm", name)


def _refused(run: Run, *said: str) -> None:
    """Expect a refusal that says all of this, in one piece as its reader sees it."""
    assert run.exit_code == 1, run.output
    joined = " ".join(run.output.replace("│", " ").split())
    for part in said:
        assert part in joined, run.output
    assert "Traceback" not in joined


# First: it wants everything as an apply that went well leaves it.
def test_an_image_that_has_gone_from_the_repository_is_built_again_on_demand(small: Small) -> None:
    _, uri = small.deployed()
    gone = {"imageDigest": uri.partition("@")[2]}
    small.aws.boto3("ecr").batch_delete_image(repositoryName=NAME, imageIds=[gone])

    with small.door.open():
        planned = small.terraform("plan")
        applied = small.terraform("apply", "-replace=module.small.terraform_data.image[0]")

    _refused(planned, "data.aws_ecr_image.pushed", "couldn't find resource")
    assert applied.exit_code == 0, applied.output
    _, rebuilt = small.deployed()
    assert small.door.manifest(NAME, rebuilt.partition("@")[2]) is not None


def test_a_registry_that_is_down_is_told_and_the_function_is_as_it_was(small: Small) -> None:
    before = small.deployed()
    small.write("never pushed")

    run = small.terraform("apply")  # its door is closed

    _refused(run, f"{small.door.address}, the registry of", "cannot be asked", "Connection refused")
    assert small.deployed() == before


def test_a_refused_push_is_told_and_the_function_is_as_it_was(small: Small) -> None:
    before = small.deployed()
    small.write("refused")

    with small.door.refusing():
        run = small.terraform("apply")

    _refused(run, "cannot be pushed", "The registry refuses the login", "ecr:PutImage")
    assert small.deployed() == before


def test_an_image_of_another_machine_is_not_pushed(small: Small, tmp_path: Path) -> None:
    before = small.deployed()
    small.docker.docker("import", _archive(tmp_path, "of-this-machine"), ONLY_HERE)
    small.write("of another machine", base=ONLY_HERE)

    with small.door.open():
        run = small.terraform("apply", architecture=OTHER)

    _refused(run, f"({OTHER})", "Name a base image of that machine")
    assert small.deployed() == before


def test_only_what_was_planned_is_built(small: Small) -> None:
    before = small.deployed()
    small.write("planned")
    plan = small.plan()
    small.write("changed since")

    with small.door.open():
        run = small.terraform("apply", plan)

    _refused(run, "has changed since the plan", "terraform plan")
    assert small.deployed() == before


def test_an_image_that_went_between_plan_and_apply_is_refused_by_lambda(
    small: Small, tmp_path: Path
) -> None:
    before = small.deployed()
    with small.door.open():
        uri = small.push_elsewhere(tmp_path, "gone")
        plan = small.plan(image_uri=uri)
        small.door.delete("gone", uri.partition("@")[2])

        run = small.terraform("apply", plan)

    _refused(run, f"Source image {uri} does not exist")
    assert small.deployed() == before


def test_an_image_from_elsewhere_is_deployed_as_it_is(small: Small, tmp_path: Path) -> None:
    with small.door.open():
        uri = small.push_elsewhere(tmp_path, "pipeline")
        applied = small.terraform("apply", from_elsewhere=uri)

    assert applied.exit_code == 0, applied.output
    assert "module.given[0].data.external" not in applied.output, "nothing is built"
    function = small.aws.boto3("lambda").get_function(FunctionName="given", Qualifier="live")
    assert function["Code"]["ImageUri"] == uri
    repositories = small.aws.boto3("ecr").describe_repositories()["repositories"]
    assert [each["repositoryName"] for each in repositories] == [NAME]


def _archive(folder: Path, name: str) -> Path:
    """Return an archive that an image can be made of, with one empty file."""
    file = folder / f"{name}.tar"
    with tarfile.open(file, "w") as packed:
        packed.addfile(tarfile.TarInfo(name), io.BytesIO())
    return file
