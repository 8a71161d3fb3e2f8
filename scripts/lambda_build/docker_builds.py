"""Native code that is compiled where it will run: in a container of an image like the target.

The container gets the source and the wheels of its build backend on stdin, and gives the wheel on
stdout. So it needs no folder of this machine, no index and no credentials, the engine may be on
another machine, and whatever is written here belongs to whoever builds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import tomllib
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_build.built_wheels import keep_wheel, kept_wheel
from lambda_build.cache import temporary_folder
from lambda_build.docker import (
    LONGEST_S,
    MACHINES,
    Containers,
    bring_image,
    docker,
    last_lines,
    missing_emulation,
    network_options,
    platform_options,
)
from lambda_build.errors import (
    DockerError,
    ImageError,
    LambdaBuildError,
    RegistryError,
    ToolError,
    WheelError,
)
from lambda_build.wheel import Wheel, rank, read_wheel, verify_wheel

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence

    from lambda_build.cache import Cache
    from lambda_build.target import Target

_log = logging.getLogger(__name__)

VARIABLE = "LAMBDA_BUILD_DOCKER_IMAGE"

_PROGRAM = Path(__file__).with_name("_build_wheel.py")
# Its text comes first: as an argument it would fill what `--verbose` shows.
_START = "import json, sys; exec(json.loads(sys.stdin.readline()))"

# Of a project that names no backend (PEP 517, "Source trees"; PEP 518).
_LEGACY = ("setuptools>=40.8.0",)

# A backend may need more once it has what it asked for; more than twice none is known to.
_MOST_ROUNDS = 4

# What docker ends with when it could not start the container (its reference of `docker run`).
_NOT_RUN, _NOT_INVOKED, _NOT_FOUND = 125, 126, 127


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeSource:
    """What is to be compiled: an archive with one folder in it, and a digest that stands for it."""

    what: str
    filename: str
    digest: str
    texts: Mapping[str, str]  # the files at its top that say how it is built
    read: Callable[[], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerBuilder:
    """What compiles for a target: an image, and who provides the wheels that backends need."""

    target: Target
    image: str
    cache: Cache
    provide: Callable[[Sequence[str]], Sequence[Wheel]]

    def kept(self, digest: str) -> Wheel | None:
        """Return the wheel that was compiled of that source before, for this target and image."""
        kept = kept_wheel(self._key(digest), self.cache)
        return None if kept is None else replace(kept, sha256=digest)

    def wheel(self, source: NativeSource) -> Wheel:
        """Return the wheel of a source, compiled once for each target and image.

        Raises DockerError where there is no Docker that does it, RegistryError and ImageError for
        an image that cannot be had or is for another machine, ToolError with the end of what the
        compiler says, WheelError for a wheel that is none for the target.
        """
        kept = self.kept(source.digest)
        if kept is not None:
            return kept
        _log.info("%s: compiling in %s", source.what, self.image)
        with temporary_folder() as folder:
            built = _built(self, source, folder)
            wheel = read_wheel(built, built.name, source.digest)
            verify_wheel(wheel)
            if rank(wheel.filename, self.target) is None:
                raise WheelError(
                    f"{source.what} was compiled in {self.image}, and its wheel {wheel.filename} "
                    f"does not run on {self.target} (glibc {self.target.glibc}).\n{_OTHER_IMAGE}"
                )
            kept = keep_wheel(built, self._key(source.digest), self.cache)
        return replace(kept, sha256=source.digest)

    def _key(self, digest: str) -> str:
        built_from = f"docker\0{digest}\0{self.target}\0{self.target.glibc}\0{self.image}"
        return hashlib.sha256(built_from.encode()).hexdigest()


_OTHER_IMAGE = (
    "Name another image, with the target's Python, pip and a compiler in it:\n"
    f"    export {VARIABLE}=…"
)


def image_for(target: Target) -> str:
    """Return the image to compile in: the one that is named, else AWS's own of the runtime.

    AWS SAM's documentation, "Image repositories": AWS's image of the runtime, with compilers.
    """
    own = f"public.ecr.aws/sam/build-{target.runtime}:latest-{target.architecture}"
    return os.environ.get(VARIABLE) or own


def _built(builder: DockerBuilder, source: NativeSource, folder: Path) -> Path:
    """Compile a source, and return its wheel in a folder."""
    words = _words(builder, source)
    data = source.read()
    requires = _build_requires(source.texts)
    for _ in range(_MOST_ROUNDS):
        wheels = _provided(builder, source, requires)
        told = {
            "source": {"filename": source.filename, "data": _text(data)},
            "requires": requires,
            "wheels": {wheel.filename: _text(wheel.file.read_bytes()) for wheel in wheels},
        }
        answer = _answer(_run(words, told, source), builder, source)
        if "needs" not in answer:
            return _written(answer, source, folder)
        requires = [*requires, *map(str, answer["needs"])]
    raise ToolError(
        f"{source.what} cannot be built: its backend asks for more each time that it is asked, "
        f"last for {', '.join(requires[-3:])}"
    )


def _build_requires(texts: Mapping[str, str]) -> list[str]:
    """Return what a source's backend needs (PEP 518)."""
    try:
        system = tomllib.loads(texts.get("pyproject.toml", "")).get("build-system", {})
        return [str(text) for text in system.get("requires", _LEGACY)]
    except (ValueError, AttributeError, TypeError):
        return []  # the backend will say what is wrong


def _provided(
    builder: DockerBuilder, source: NativeSource, requires: Sequence[str]
) -> Sequence[Wheel]:
    try:
        return builder.provide(requires) if requires else ()
    except LambdaBuildError as error:
        raise type(error)(
            f"{source.what} needs {', '.join(requires)} to be built, which cannot be had:\n{error}"
        ) from error


def _words(builder: DockerBuilder, source: NativeSource) -> Sequence[str]:
    """Return docker's options, the image, and the words of the program in it."""
    target, image = builder.target, builder.image
    try:
        found = bring_image(image, target.architecture, "the image")
        platform, network = platform_options(target.architecture), network_options()
    except RegistryError as error:
        raise RegistryError(f"{source.what} cannot be compiled: {error}\n{_OTHER_IMAGE}") from error
    except DockerError as error:
        raise DockerError(
            f"{source.what} has native code, which is compiled in Docker:\n{error}"
        ) from error
    machine = found["Architecture"] if found else "unknown"
    if machine != MACHINES[target.architecture]:
        raise ImageError(
            f"{source.what} cannot be compiled: {image} is for linux/{machine}, and the function "
            f"runs on linux/{MACHINES[target.architecture]} ({target.architecture}).\n"
            f"{_OTHER_IMAGE}"
        )
    program = ("--entrypoint", f"python{target.python}")
    return ("--interactive", *program, *platform, *network, image, "-I", "-c", _START)


def _run(
    words: Sequence[str], told: Mapping[str, Any], source: NativeSource
) -> subprocess.CompletedProcess[str]:
    stdin = f"{json.dumps(_PROGRAM.read_text('utf-8'))}\n{json.dumps(told)}"
    name = f"lambda-build-{uuid.uuid4().hex[:12]}"
    try:
        with Containers("lambda-build") as containers:
            return docker(*containers.run_words(name), *words, stdin=stdin, timeout_s=LONGEST_S)
    except DockerError as error:
        raise DockerError(f"{source.what} cannot be compiled: {error}") from error


def _answer(
    result: subprocess.CompletedProcess[str], builder: DockerBuilder, source: NativeSource
) -> dict[str, Any]:
    """Return what the program in the container answers; else raise what it means."""
    if result.returncode == 0:
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer
    target, image, said = builder.target, builder.image, last_lines(result.stderr)
    if why := missing_emulation(result.stderr, target.architecture):
        raise DockerError(f"{source.what} cannot be compiled: {why}")
    if result.returncode == _NOT_FOUND or "executable file not found" in result.stderr:
        raise DockerError(
            f"{source.what} cannot be compiled: {image} has no python{target.python} on its PATH.\n"
            f"{_OTHER_IMAGE}"
        )
    if result.returncode in {_NOT_RUN, _NOT_INVOKED}:
        raise DockerError(f"{source.what} cannot be compiled: docker cannot run {image}:\n{said}")
    ended = said or f"    nothing; exit code {result.returncode}"
    raise ToolError(
        f"{source.what} cannot be built from {source.filename} in {image}; it ended with:\n"
        f"{ended}\nDoes the image lack a library or a compiler? {_OTHER_IMAGE}"
    )


def _written(answer: Mapping[str, Any], source: NativeSource, folder: Path) -> Path:
    filename = str(answer["filename"])
    if Path(filename).name != filename or not filename.endswith(".whl"):
        raise WheelError(f"{source.what}: its backend says that its wheel is {filename!r}")
    file = folder / filename
    file.write_bytes(base64.b64decode(answer["data"]))
    return file


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
