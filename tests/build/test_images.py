"""Tiny functions as images: planned without Docker, built, pushed to a registry, and refused."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import tarfile
import threading
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

import pytest
from build.tiny import HANDLER, WheelRecipe, found_in, make_wheel, until, write_tree
from build.tiny_elf import ARM64, X86_64, make_elf
from lambda_build import cli
from lambda_build.checks.elf import read_elf
from lambda_build.docker import docker, inspect_image
from lambda_build.errors import RegistryError, UsageError
from lambda_build.images import revision
from lambda_build.images.image import push
from lambda_build.images.reference import Reference
from lambda_build.images.revision import origin_labels
from lambda_build.images.terraform import VARIABLE, plan_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from docker_engine import Engine
    from local_aws.registry import Registry

# A base that is never asked for: where a test ends before Docker builds.
NO_BASE = f"public.ecr.aws/lambda/python:3.11@sha256:{'0' * 64}"


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """A function of one module and one package, as Terraform knows it, and its repository."""

    folder: Path
    base_image: str
    repository: str
    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def query(self) -> dict[str, str]:
        return {
            "name": self.folder.name,
            "source": str(self.folder),
            "requirements": "requirements.txt",
            "runtime": "python3.11",
            "architecture": "x86_64",
            "handler": "index.handler",
            "base_image": self.base_image,
            "output_dir": str(self.folder.parent / "packages"),
        }

    def plan(self, **other: str) -> dict[str, str]:
        return plan_image(json.dumps(self.query | other))

    def push(self, plan: Mapping[str, str], **other: str) -> tuple[int, str, str]:
        """Return what `push-image` ends with, and what it says to stdout and stderr."""
        told = {
            **self.query,
            "tag": plan["tag"],
            "base_image": plan["base_image"],
            "repository_url": self.repository,
            **other,
        }
        self.patch.setenv(VARIABLE, json.dumps(told))
        return self.run("push-image")

    def run(self, *words: str) -> tuple[int, str, str]:
        self.patch.setattr("signal.signal", lambda *_: None)
        self.patch.chdir(self.folder.parent)
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        said = self.capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    def without_docker(self) -> None:
        self.patch.setenv("DOCKER_HOST", f"unix://{self.folder}/no.sock")


def archive_of_image(
    file: Path, name: str, *, machine: str = "amd64", entry_point: str = ""
) -> str:
    """Write an archive for `docker load` of an image that holds a shell which no machine runs."""
    shell = tarfile.TarInfo("bin/sh")
    program = make_elf(machine=0x1234)
    shell.size, shell.mode = len(program), 0o755
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as packed:
        packed.addfile(shell, io.BytesIO(program))
    digest = f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"
    settings = {
        "architecture": machine,
        "os": "linux",
        "config": {"Entrypoint": [entry_point]} if entry_point else {},
        "rootfs": {"type": "layers", "diff_ids": [digest]},
    }
    listed = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(file, "w") as archive:
        for path, data in {
            "config.json": json.dumps(settings).encode(),
            "layer.tar": layer.getvalue(),
            "manifest.json": json.dumps(listed).encode(),
        }.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(file)


def write_function(folder: Path, base_image: str) -> None:
    make_wheel(folder.parent / "wheels")
    described = {"handler": "index.handler", "dependencies": "image", "base_image": base_image}
    requirements = found_in("../wheels", "one")
    write_tree(
        folder,
        {
            "index.py": HANDLER,
            "requirements.txt": requirements,
            "function.json": json.dumps(described),
        },
    )


@pytest.fixture
def unbuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Tiny:
    """A function that no Docker is needed for."""
    folder = tmp_path / "tiny"
    write_function(folder, NO_BASE)
    return Tiny(
        folder=folder,
        base_image=NO_BASE,
        repository="127.0.0.1:1/tiny",
        patch=monkeypatch,
        capsys=capsys,
    )


@pytest.fixture(scope="module")
def pushed_base(
    docker_engine: Engine, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """What has the name of AWS's image in the test's registry: nothing is run in these tests."""
    name = f"{registry.address}/lambda/python:3.11"
    file = tmp_path_factory.mktemp("base") / "base.tar"
    made = archive_of_image(file, name, entry_point="/lambda-entrypoint.sh")
    docker_engine.docker("load", "--input", made)
    docker_engine.docker("push", "--quiet", name)
    yield name
    docker_engine.docker("image", "rm", name)


@pytest.fixture
def tiny(
    tmp_path: Path,
    registry: Registry,
    pushed_base: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Tiny]:
    """A function with an empty repository of its own; its images are removed again."""
    name = f"tiny-{uuid.uuid4().hex[:12]}"
    folder = tmp_path / name
    write_function(folder, pushed_base)
    yield Tiny(
        folder=folder,
        base_image=pushed_base,
        repository=f"{registry.address}/{name}",
        patch=monkeypatch,
        capsys=capsys,
    )
    monkeypatch.undo()  # the engine may be hidden
    listed = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    mine = [image for image in listed if f"{name}:" in image]
    if mine:
        docker("image", "rm", "--force", *mine)


def layers(reference: str) -> list[str]:
    found = inspect_image(reference)
    assert found is not None
    return list(found["RootFS"]["Layers"])


# The plan


def test_a_plan_needs_no_docker_and_tells_the_digest_of_the_inputs(unbuilt: Tiny) -> None:
    unbuilt.without_docker()
    planned = unbuilt.plan()
    assert planned["base_image"] == NO_BASE
    assert len(planned["tag"]) == 64
    assert unbuilt.plan() == planned
    (unbuilt.folder / "index.py").write_text(f"{HANDLER}# Changed.\n")
    assert unbuilt.plan()["tag"] != planned["tag"]


def test_another_base_is_another_image(unbuilt: Tiny) -> None:
    other = f"public.ecr.aws/lambda/python:3.11@sha256:{'1' * 64}"
    assert unbuilt.plan(base_image=other)["tag"] != unbuilt.plan()["tag"]


def test_another_dockerfile_is_another_image(unbuilt: Tiny) -> None:
    by_default = unbuilt.plan()["tag"]
    write_tree(unbuilt.folder, {"Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"})
    assert unbuilt.plan()["tag"] != by_default


def test_a_base_without_a_digest_is_pinned_by_its_registry(
    tiny: Tiny, registry: Registry, pushed_base: str
) -> None:
    tiny.without_docker()
    pushed = registry.manifest("lambda/python", "3.11")
    assert pushed is not None
    planned = tiny.plan()
    assert planned["base_image"] == f"{pushed_base}@{pushed.digest}"
    assert f'"base_image": "{pushed_base}@{pushed.digest}"' in planned["warnings"]
    assert tiny.plan(base_image=planned["base_image"])["tag"] == planned["tag"]


def test_arm64_is_staged_on_any_machine(unbuilt: Tiny) -> None:
    for machine, code in (("aarch64", ARM64), ("x86_64", X86_64)):
        WheelRecipe(
            name="native",
            tag=f"cp311-cp311-manylinux2014_{machine}",
            files={"native/core.so": make_elf(machine=code)},
        ).write(unbuilt.folder.parent / "wheels")
    (unbuilt.folder / "requirements.txt").write_text(found_in("../wheels", "one", "native"))
    planned = unbuilt.plan(architecture="arm64")
    assert planned["tag"] != unbuilt.plan()["tag"]
    context = unbuilt.folder.parent / "packages" / "images" / "tiny" / planned["tag"][:16]
    found = read_elf((context / "dependencies/native/core.so").read_bytes())
    assert found is not None
    assert found.machine == ARM64


def test_a_function_without_dependencies_has_a_layer_for_them(unbuilt: Tiny) -> None:
    (unbuilt.folder / "requirements.txt").write_text("")
    planned = unbuilt.plan()
    context = unbuilt.folder.parent / "packages" / "images" / "tiny" / planned["tag"][:16]
    assert list((context / "dependencies").iterdir()) == []


def test_a_base_on_which_nothing_starts_is_refused_by_the_plan(unbuilt: Tiny) -> None:
    plain = f"public.ecr.aws/amazonlinux/amazonlinux:2023@sha256:{'0' * 64}"
    with pytest.raises(UsageError, match="nothing in its base image") as refused_plan:
        unbuilt.plan(base_image=plain)
    assert '"base_image": "public.ecr.aws/lambda/python:3.11"' in str(refused_plan.value)
    write_tree(unbuilt.folder, {"Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"})
    assert unbuilt.plan(base_image=plain)["base_image"] == plain


# The push


def test_an_image_is_pushed_once_and_found_again_without_docker(
    tiny: Tiny, registry: Registry
) -> None:
    planned = tiny.plan()
    code, said, _ = tiny.push(planned)
    assert code == 0
    there = registry.manifest(tiny.folder.name, planned["tag"])
    assert there is not None
    assert said == f"{tiny.repository}@{there.digest}  pushed\n"
    tiny.without_docker()
    assert tiny.push(planned)[:2] == (0, f"{tiny.repository}@{there.digest}  was there\n")


def test_an_image_that_was_deleted_after_the_plan_is_pushed_again(
    tiny: Tiny, registry: Registry
) -> None:
    planned = tiny.plan()
    tiny.push(planned)
    there = registry.manifest(tiny.folder.name, planned["tag"])
    assert there is not None
    registry.delete(tiny.folder.name, there.digest)
    assert tiny.push(planned)[1].endswith("pushed\n")
    assert registry.tags(tiny.folder.name) == [planned["tag"]]


def test_a_changed_line_changes_the_last_layer_and_nothing_else(
    tiny: Tiny, registry: Registry
) -> None:
    before = tiny.plan()
    tiny.push(before)
    (tiny.folder / "index.py").write_text(f"{HANDLER}# Changed.\n")
    after = tiny.plan()
    tiny.push(after)
    sent = [sent_blobs(registry, tiny.folder.name, plan["tag"]) for plan in (before, after)]
    first, second = (layers(f"{tiny.repository}:{plan['tag']}") for plan in (before, after))
    assert first[:-1] == second[:-1]
    assert first[-1] != second[-1]
    # The layer, and the image's settings. Of the first push, those of the base were there already.
    assert sent == [3, 3 + 2]


def sent_blobs(registry: Registry, repository: str, tag: str) -> int:
    """Return how many blobs had been sent to a repository when its tag was."""
    manifest = f'"PUT /v2/{repository}/manifests/{tag} '
    until(lambda: manifest in registry.log.read_text("utf-8"))  # it is written a moment later
    said = registry.log.read_text("utf-8").partition(manifest)[0]
    return said.count(f'"PUT /v2/{repository}/blobs/uploads/')


def test_labels_tell_the_source_and_no_password_of_it(tiny: Tiny) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.test")
        command = ["git", "-C", str(tiny.folder), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "All of it")
    git("remote", "add", "origin", "https://me:s@cret@example.test/a/b.git")
    planned = tiny.plan()
    tiny.push(planned)
    found = inspect_image(f"{tiny.repository}:{planned['tag']}")
    assert found is not None
    assert found["Config"]["Labels"] == {
        "org.opencontainers.image.revision": git("rev-parse", "HEAD"),
        "org.opencontainers.image.source": "https://example.test/a/b",
    }


def test_a_git_that_does_not_answer_costs_the_labels_and_not_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision, "_LIMIT_S", 0.1)
    write_program(tmp_path / "bin" / "git", "exec sleep 60", monkeypatch)
    assert origin_labels(tmp_path) == {}


def test_the_command_says_how_large_an_image_is(tiny: Tiny) -> None:
    words = ("image", "--source", str(tiny.folder), "--base-image", tiny.base_image)
    code, said, _ = tiny.run(*words)
    reference = said.split()[0]
    found = inspect_image(reference)
    assert found is not None
    assert (code, said) == (0, f"{reference}  {found['Size'] / 1e6:.1f} MB  built\n")
    assert tiny.run(*words)[1].endswith("unchanged\n")


def test_a_base_that_only_this_machine_has_is_built_on_and_told(
    tiny: Tiny, docker_engine: Engine, pushed_base: str, registry: Registry
) -> None:
    nowhere = "127.0.0.1:1/lambda/python:3.11"
    docker_engine.docker("tag", pushed_base, nowhere)
    try:
        planned = tiny.plan(base_image=nowhere)
        said = tiny.push(planned)
    finally:
        docker_engine.docker("image", "rm", nowhere)
    assert planned["base_image"] == nowhere
    assert "is taken as it is on this machine: 127.0.0.1:1" in planned["warnings"]
    assert said[0] == 0
    assert registry.tags(tiny.folder.name) == [planned["tag"]]
    (tiny.folder / "index.py").write_text(f"{HANDLER}# Changed.\n")
    refused(tiny.push(planned), 19, "this machine's Docker has none", "Push it to a registry")
    with pytest.raises(RegistryError, match="cannot be asked"):
        tiny.plan(base_image=nowhere)


# What is refused


def refused(said: tuple[int, str, str], code: int, *texts: str) -> None:
    """Assert that a command ended so: with a reason, nothing on stdout, and no traceback."""
    assert (said[0], said[1]) == (code, ""), said
    assert said[2].startswith("lambda-build: ")
    assert "Traceback" not in said[2]
    for text in texts:
        assert text in said[2]


def test_other_inputs_than_were_planned_are_refused(tiny: Tiny, registry: Registry) -> None:
    planned = tiny.plan()
    (tiny.folder / "index.py").write_text(f"{HANDLER}# Changed.\n")
    refused(tiny.push(planned), 20, "has changed since the plan", "terraform plan")
    assert registry.tags(tiny.folder.name) == []
    assert inspect_image(f"{tiny.repository}:{planned['tag']}") is None


def test_a_registry_that_is_down_is_told_before_anything_is_built(unbuilt: Tiny) -> None:
    unbuilt.without_docker()
    refused(unbuilt.push(unbuilt.plan()), 19, "127.0.0.1:1", "cannot be asked", "Check the network")


def test_an_engine_that_is_down_is_told(tiny: Tiny, registry: Registry) -> None:
    planned = tiny.plan()
    tiny.without_docker()
    refused(tiny.push(planned), 17, "no Docker engine answers", "docker version")
    assert registry.tags(tiny.folder.name) == []


class Refusing:
    """A registry that is empty and takes nothing: it answers a status to whoever pushes."""

    def __init__(self, status: int, *, login: str = "") -> None:
        """Answer nothing at all after the first question when `status` is 0.

        A login, USER:PASSWORD, is asked for; `logins` are those that were shown.
        """
        refusing = self
        self.logins: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer(200 if self.path == "/v2/" else 404)

            def do_HEAD(self) -> None:
                self.answer(404)
                if not status:
                    refusing.stop()

            def do_POST(self) -> None:
                self.answer(status)

            def answer(self, code: int) -> None:
                header = self.headers.get("Authorization", "").removeprefix("Basic ")
                shown = base64.b64decode(header).decode()
                if shown:
                    refusing.logins.append(shown)
                if login and shown != login:
                    code = 401
                kind = {401: "UNAUTHORIZED", 403: "DENIED"}.get(code, "UNKNOWN")
                told = {"errors": [{"code": kind, "message": "as it was told"}]}
                body = b"" if self.command == "HEAD" or code == 200 else json.dumps(told).encode()
                self.send_response(code)
                if login:
                    self.send_header("WWW-Authenticate", 'Basic realm="here"')
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_takes_no_push_is_told_with_what_it_says(tiny: Tiny, status: int) -> None:
    with Refusing(status) as registry:
        repository = f"{registry.address}/{tiny.folder.name}"
        said = tiny.push(tiny.plan(), repository_url=repository)
    refused(said, 19, f"{repository}:", "cannot be pushed", "as it was told", "ecr:PutImage")


def docker_that_says(folder: Path, patch: pytest.MonkeyPatch, said: str) -> None:
    """Put a docker that runs these lines of sh, and fails, before the real one."""
    write_program(folder / "docker", f"{said}\nexit 1", patch)


def write_program(file: Path, script: str, patch: pytest.MonkeyPatch) -> None:
    """Put a program that runs these lines of sh before the real one of its name."""
    write_tree(file.parent, {file.name: f"#!/bin/sh\n{script}\n"})
    file.chmod(0o755)
    patch.setenv("PATH", str(file.parent), prepend=":")


def test_layers_that_are_there_already_do_not_hide_why_a_push_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "echo '5f70bf18a403: Layer already exists'; echo 'denied: as it was told' >&2"
    docker_that_says(tmp_path, monkeypatch, said)
    with pytest.raises(RegistryError, match=r"as it was told\n.*ecr:PutImage"):
        push(Reference.parse("registry.test/tiny:one"), None)


@pytest.mark.parametrize(
    "image", ["127.0.0.1:44031/tiny:one", "127.0.0.1:5000/access-denied/immutable:one"]
)
def test_an_image_s_name_is_not_taken_for_the_reason_why_a_push_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str
) -> None:
    reference = Reference.parse(image)
    asked = f"http://{reference.registry}/v2/{reference.repository}/blobs/"
    refused = f"127.0.0.1:40336->{reference.registry}: read: connection reset by peer"
    docker_that_says(tmp_path, monkeypatch, f"echo 'Post \"{asked}\": {refused}' >&2")
    with pytest.raises(RegistryError, match=f"{reference.registry} does not answer"):
        push(reference, None)


def test_a_name_that_is_a_part_of_other_words_leaves_the_reason_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_that_says(tmp_path, monkeypatch, "echo 'denied: as it was told' >&2")
    with pytest.raises(RegistryError, match=r"as it was told\n.*refuses the login"):
        push(Reference.parse("127.0.0.1:5000/eni:one"), None)


def test_a_login_is_shown_to_the_registry_and_kept_nowhere(
    tiny: Tiny, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = tmp_path / "docker"
    write_tree(settings, {"config.json": "{}"})
    tiny.patch.setenv("DOCKER_CONFIG", str(settings))
    tiny.patch.setenv("LAMBDA_BUILD_REGISTRY_USER", "AWS")
    tiny.patch.setenv("LAMBDA_BUILD_REGISTRY_PASSWORD", "much-secret")
    caplog.set_level("DEBUG")
    with Refusing(403, login="AWS:much-secret") as registry:
        repository = f"{registry.address}/{tiny.folder.name}"
        said = tiny.push(tiny.plan(), repository_url=repository)
        asked = len(registry.logins)
    refused(said, 19, "cannot be pushed", "as it was told")
    assert asked > 1  # by the build, and by Docker
    assert "docker push" in caplog.text
    assert "much-secret" not in said[2] + caplog.text
    assert (settings / "config.json").read_text() == "{}"


def test_a_wrong_login_is_refused_before_anything_is_built(unbuilt: Tiny) -> None:
    unbuilt.without_docker()
    unbuilt.patch.setenv("LAMBDA_BUILD_REGISTRY_USER", "AWS")
    unbuilt.patch.setenv("LAMBDA_BUILD_REGISTRY_PASSWORD", "old-secret")
    with Refusing(403, login="AWS:new-secret") as registry:
        said = unbuilt.push(unbuilt.plan(), repository_url=f"{registry.address}/tiny")
    refused(said, 19, "refuses the login of AWS", "Plan and apply again")
    assert "secret" not in said[2]


def test_a_registry_that_goes_away_is_told(tiny: Tiny) -> None:
    with Refusing(0) as registry:
        repository = f"{registry.address}/{tiny.folder.name}"
        said = tiny.push(tiny.plan(), repository_url=repository)
    refused(said, 19, "cannot be pushed", f"{registry.address} does not answer", "apply again")


def test_an_image_of_another_machine_is_refused_and_removed(
    tiny: Tiny, docker_engine: Engine, registry: Registry
) -> None:
    other = f"{tiny.folder.name}:arm64"
    made = archive_of_image(tiny.folder.parent / "x.tar", other, machine="arm64")
    docker_engine.docker("load", "--input", made)
    write_tree(tiny.folder, {"Dockerfile": f"FROM {other}\nCOPY source/ /var/task/\n"})
    planned = tiny.plan()
    refused(
        tiny.push(planned),
        18,
        "the image is for linux/arm64",
        "runs on linux/amd64 (x86_64)",
        "Name a base image of that machine",
    )
    assert inspect_image(f"{tiny.repository}:{planned['tag']}") is None
    assert registry.tags(tiny.folder.name) == []


def test_an_engine_that_cannot_run_the_machine_s_programs_is_told(
    tiny: Tiny, docker_engine: Engine, registry: Registry
) -> None:
    other = f"{tiny.folder.name}:arm64"
    made = archive_of_image(tiny.folder.parent / "x.tar", other, machine="arm64")
    docker_engine.docker("load", "--input", made)
    write_tree(tiny.folder, {"Dockerfile": f"FROM {other}\nRUN true\n"})
    said = tiny.push(tiny.plan(architecture="arm64"), architecture="arm64")
    refused(said, 17, "does not run programs for linux/arm64", "binfmt --install arm64")
    assert registry.tags(tiny.folder.name) == []


def test_a_dockerfile_that_fails_is_told_with_what_it_said_last(
    tiny: Tiny, registry: Registry
) -> None:
    failing = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY the-reason /\n"
    write_tree(tiny.folder, {"Dockerfile": failing})
    said = tiny.push(tiny.plan())
    refused(said, 18, "the-reason", f"Mend {tiny.folder / 'Dockerfile'}", "docker build")
    assert registry.tags(tiny.folder.name) == []


def test_an_unknown_base_on_which_nothing_starts_is_refused_when_it_is_built(
    tiny: Tiny, docker_engine: Engine
) -> None:
    plain = f"{tiny.folder.name}:plain"
    docker_engine.docker("load", "--input", archive_of_image(tiny.folder.parent / "x.tar", plain))
    words = ("image", "--source", str(tiny.folder), "--base-image", plain, "--glibc", "2.26")
    refused(tiny.run(*words), 18, f"nothing in its base image {plain} starts a function")
    assert docker("image", "ls", "--quiet", f"{tiny.folder.name}:?*").stdout.count("\n") == 1


def test_a_base_that_nobody_has_is_refused(tiny: Tiny, pushed_base: str) -> None:
    missing = f"{pushed_base}.9999"
    said = tiny.run("image", "--source", str(tiny.folder), "--base-image", missing)
    refused(said, 19, f"the base image {missing} does not exist", "Mend base_image")
