"""Containers that run in the Docker engine that answers, for as long as this process does."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from lambda_build.docker import Containers, docker, inspect_image
from lambda_build.errors import DockerError

from local_aws.errors import DockerUnavailableError, ImageError
from local_aws.runtime import ARCHITECTURES
from local_aws.spawn import spawn

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

_ASK_S = 60  # an engine that loads an image is slow to say what it has
_PULL_S = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFacts:
    """What an image says of itself: what it starts, and for which machine it was made."""

    architecture: str
    entry_point: tuple[str, ...]
    command: tuple[str, ...]


class Docker(Containers):
    """The engine that answers, from `__enter__` to `__exit__`.

    Every container that was started through it has ended afterwards, also when this process is
    killed.
    """

    def __init__(self) -> None:
        super().__init__("local-aws")

    def __enter__(self) -> Self:
        """Raises DockerUnavailableError when no engine answers."""
        if reason := obstacle():
            raise DockerUnavailableError(reason)
        return super().__enter__()

    def bring(self, uri: str) -> ImageFacts:
        """Return what the image says of itself; the first call takes it from its registry.

        Raises ImageError.
        """
        try:
            return self._bring(uri)
        except DockerError as error:
            raise ImageError(f"the image {uri} cannot be had: {error}") from error

    def _bring(self, uri: str) -> ImageFacts:
        # A tag may have moved since; what a digest names is always the same, as is an image's id.
        found = _facts(uri) if "sha256:" in uri else None
        if found is None:
            pulled = docker("pull", "--quiet", uri, timeout_s=_PULL_S)
            found = _facts(uri)
            if pulled.returncode or found is None:
                raise ImageError(
                    f"the image {uri} cannot be had from its registry: {_last_line(pulled)}\n"
                    "Deploy the function again, so that it is pushed again"
                )
        return found

    def start(
        self, name: str, arguments: Sequence[str], *, stderr: Path, merged: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start `docker run` and return its process, which prints what the container prints.

        `arguments` are its options, the image and the arguments for that; `stderr` and `merged`
        are as for `spawn`.
        """
        words = ["docker", *self.run_words(name), "--network=host", *arguments]
        return spawn(words, stderr=stderr, merged=merged)


def _facts(uri: str) -> ImageFacts | None:
    image = inspect_image(uri, timeout_s=_ASK_S)
    if image is None:
        return None
    machine = str(image.get("Architecture", ""))
    return ImageFacts(
        architecture=ARCHITECTURES.get(machine, machine),
        entry_point=tuple(image["Config"].get("Entrypoint") or ()),
        command=tuple(image["Config"].get("Cmd") or ()),
    )


def obstacle() -> str | None:
    """Return why no container can run here and what to do, or None if an engine answers."""
    if sys.platform != "linux":
        return (
            "containers are run here by the Runtime Interface Emulator, which is a Linux program: "
            "run the local AWS on Linux"
        )
    try:
        asked = docker("version", "--format", "{{.Server.Version}}", timeout_s=_ASK_S)
    except DockerError as error:
        return str(error)
    return f"Docker does not answer: {_last_line(asked)}" if asked.returncode else None


def _last_line(ended: subprocess.CompletedProcess[str]) -> str:
    lines = f"{ended.stdout}\n{ended.stderr}".strip().splitlines()
    return lines[-1] if lines else "docker said nothing"
