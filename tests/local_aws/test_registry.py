from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from local_aws import registry as module
from local_aws.docker import Docker
from local_aws.errors import RegistryError
from local_aws.registry import Registry

if TYPE_CHECKING:
    from base_images import BaseImages
    from docker_engine import Engine

    from .conftest import PushImage

SOURCE = "def handler(event, context): return event"


def test_what_docker_pushes_is_there_with_docker_s_own_digest(
    docker_engine: Engine, registry: Registry, push_image: PushImage
) -> None:
    uri = push_image(SOURCE, repository="a/pushed", tag="v1")
    digests = docker_engine.docker(
        "image", "inspect", "--format", "{{json .RepoDigests}}", f"{registry.address}/a/pushed:v1"
    )
    assert uri in json.loads(digests)
    assert registry.tags("a/pushed") == ["v1"]
    found = registry.manifest("a/pushed", "v1")
    assert found is not None
    assert found == registry.manifest("a/pushed", found.digest)
    assert json.loads(found.content)["mediaType"] == found.media_type


def test_what_was_never_pushed_is_not_there(registry: Registry) -> None:
    assert registry.tags("nothing") == []
    assert registry.manifest("nothing", "latest") is None
    assert registry.manifest("nothing", f"sha256:{'0' * 64}") is None
    registry.delete("nothing", f"sha256:{'0' * 64}")


def test_a_deleted_image_is_gone_with_its_tags(registry: Registry, push_image: PushImage) -> None:
    uri = push_image(SOURCE, repository="deleted", tag="v1")
    registry.delete("deleted", uri.partition("@")[2])
    assert registry.tags("deleted") == []
    assert registry.manifest("deleted", "v1") is None


def test_it_listens_on_this_machine_only_and_leaves_nothing(tmp_path: Path) -> None:
    with Registry(tmp_path) as running:
        port = int(running.address.removeprefix("127.0.0.1:"))
        assert _answers(port)
        listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        rows = [line.split()[1] for line in listening.splitlines() if f":{port:04X} " in line]
        assert f"0100007F:{port:04X}" in rows
        assert f"00000000:{port:04X}" not in rows
    assert not _answers(port)
    assert list(tmp_path.iterdir()) == []


def test_it_is_empty_each_time(tmp_path: Path) -> None:
    left_behind = tmp_path / "registry" / "data" / "of-one-that-was-killed"
    left_behind.mkdir(parents=True)
    with Registry(tmp_path) as running:
        assert running.tags("test") == []
        assert not left_behind.exists()


def test_a_registry_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "docker-registry"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'no space left on device'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    with pytest.raises(RegistryError, match="no space left on device"), Registry(tmp_path / "x"):
        pass


def test_without_the_program_and_docker_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RegistryError, match="apt-get install docker-registry"), Registry(tmp_path):
        pass


def test_one_that_has_ended_is_an_error_that_says_so(tmp_path: Path) -> None:
    with Registry(tmp_path) as running:
        running._process.kill()
        running._process.wait()
        with pytest.raises(RegistryError, match=f"the registry at {running.address} does not"):
            running.tags("test")


def test_it_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from local_aws.registry import Registry\n"
        "with Registry(Path(sys.argv[1])) as registry:\n"
        "    print(registry.address, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().partition(":")[2])
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while _answers(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_where_the_program_is_not_it_is_a_container(
    docker_engine: Engine,
    base_images: BaseImages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The registry's own image, made here of the same program.
    program = shutil.which("docker-registry")
    assert program is not None
    shutil.copy(program, tmp_path / "registry")
    (tmp_path / "configuration.yml").write_text("version: 0.1\nstorage:\n  inmemory: {}\n")
    (tmp_path / "Dockerfile").write_text(
        f"FROM {base_images.amazon_linux}\nCOPY registry configuration.yml /\n"
        'ENTRYPOINT ["/registry", "serve", "/configuration.yml"]\n'
    )
    image = "lambda-test/registry:2"
    docker_engine.docker("build", "--quiet", "--network=host", "-t", image, tmp_path)
    monkeypatch.setattr(module, "_IMAGE", image)
    monkeypatch.setattr(module, "_PROGRAM", "a-program-that-nobody-has")
    with Docker() as docker, Registry(tmp_path / "work", docker) as running:
        assert running.tags("test") == []
        containers = docker_engine.docker("ps", "--format", "{{.Names}}").split()
        assert running._name in containers
    assert running._name not in docker_engine.docker("ps", "--all", "--format", "{{.Names}}")


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True
