from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Protocol

import pytest
from local_aws.emulator import Emulator, Function
from local_aws.package import unpack
from local_aws.package_process import start_package
from local_aws.runtime import provide_runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from base_images import BaseImages
    from docker_engine import Engine
    from local_aws.registry import Registry


class MakeZip(Protocol):
    def __call__(self, files: Mapping[str, str], *, mode: int = 0o644) -> bytes: ...


class StartEmulator(Protocol):
    def __call__(
        self,
        source: str,
        *,
        layers: tuple[bytes, ...] = (),
        environment: Mapping[str, str] | None = None,
        log: Callable[[str], None] = ...,
        **configuration: object,
    ) -> Emulator: ...


class PushImage(Protocol):
    def __call__(self, source: str, *, repository: str = "test", tag: str = "latest") -> str: ...


@pytest.fixture(scope="session")
def push_image(
    docker_engine: Engine,
    base_images: BaseImages,
    registry: Registry,
    tmp_path_factory: pytest.TempPathFactory,
) -> PushImage:
    """Pushes an image whose index.py is given to the registry; returns its name by digest."""

    def push(source: str, *, repository: str = "test", tag: str = "latest") -> str:
        folder = tmp_path_factory.mktemp("image")
        (folder / "index.py").write_text(source)
        (folder / "Dockerfile").write_text(
            f'FROM {base_images.lambda_python}\nCOPY index.py ./\nCMD ["index.handler"]\n'
        )
        name = f"{registry.address}/{repository}"
        docker_engine.docker("build", "--quiet", "--network=host", "-t", f"{name}:{tag}", folder)
        docker_engine.docker("push", "--quiet", f"{name}:{tag}")
        pushed = registry.manifest(repository, tag)
        assert pushed is not None
        return f"{name}@{pushed.digest}"

    return push


@pytest.fixture(scope="session")
def make_zip() -> MakeZip:
    """The bytes of a ZIP with these files in it."""

    def make(files: Mapping[str, str], *, mode: int = 0o644) -> bytes:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as opened:
            for name, content in files.items():
                member = zipfile.ZipInfo(name)
                member.external_attr = (0o100000 | mode) << 16
                opened.writestr(member, content)
        return archive.getvalue()

    return make


@pytest.fixture
def start_emulator(tmp_path: Path, make_zip: MakeZip) -> Iterator[StartEmulator]:
    """Starts emulators of functions whose index.py is given; ends them after the test."""
    started: list[Emulator] = []

    def start(
        source: str,
        *,
        layers: tuple[bytes, ...] = (),
        environment: Mapping[str, str] | None = None,
        log: Callable[[str], None] = lambda _line: None,
        **configuration: object,
    ) -> Emulator:
        # Init counts against the time-out here, and the machine may be busy.
        settings = {"handler": "index.handler", "timeout_s": 60, **configuration}
        function = Function(**settings)  # type: ignore[arg-type]
        folder = tmp_path / f"function-{len(started)}"
        emulator = start_package(
            function,
            unpack(make_zip({"index.py": source}), layers, folder),
            provide_runtime(function.runtime, function.architecture),
            work_dir=tmp_path,
            environment=environment,
            log=log,
        )
        started.append(emulator)
        return emulator

    yield start
    for emulator in started:
        emulator.close()
