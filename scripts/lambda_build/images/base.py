"""What is known of the image that a function is built on: its glibc decides which wheels run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_build.errors import UsageError
from lambda_build.images.reference import Reference
from lambda_build.target import (
    AMAZON_LINUX_2_GLIBC,
    AMAZON_LINUX_2023_GLIBC,
    RUNTIME_GLIBC,
    Base,
    Runtime,
)

if TYPE_CHECKING:
    from pathlib import Path

_GLIBC = re.compile(r"2\.(?:1[7-9]|[2-9]\d)")  # wheels begin at manylinux2014, and so does uv

# AWS's images by their repositories' names: in its own registry, in Docker Hub, and in mirrors of
# the two, which keep the end of the name (Amazon ECR: "Sync an upstream registry").
_LAMBDA_PYTHON = re.compile(r"(?:^|/)(?:lambda/python|aws-lambda-python)$")
_AMAZON_LINUX = re.compile(r"(?:^|/)amazonlinux$")
_AMAZON_LINUX_TAG = re.compile(r"(?P<system>2023|2)(?:[.-].*)?")
_PYTHON_TAG = re.compile(r"(?P<python>3\.\d+)(?:[.-].*)?")

_AMAZON_LINUX_GLIBC = {"2": AMAZON_LINUX_2_GLIBC, "2023": AMAZON_LINUX_2023_GLIBC}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What the name of an image of AWS's tells."""

    glibc: str
    is_runtime: bool


def default_base(runtime: Runtime) -> str:
    """Return AWS's own image of a runtime (AWS: "Using an AWS base image for Python")."""
    return f"public.ecr.aws/lambda/python:{runtime.removeprefix('python')}"


def read_base(
    reference: str, runtime: Runtime, *, like: str, glibc: str, where: str, dockerfile: Path
) -> Base:
    """Return what is known of a base image.

    Its glibc is told by the name, where it is one of AWS's. Any other name stands for what `like`
    names (a mirror's, or a stand-in's; "": nothing), unless `glibc` says what it has. Raises
    UsageError, which names `where`, when nothing tells it.
    """
    if glibc and not _GLIBC.fullmatch(glibc):
        raise UsageError(f'{where}: glibc is {glibc!r}; it is a version from 2.17 on, e.g. "2.34"')
    known = _known(reference, runtime, where)
    if known is None and like and not glibc:  # who tells a glibc means another system
        known = _known(like, runtime, where)
    found = glibc or (known.glibc if known else "")
    if not found:
        raise UsageError(
            f"{where}: nothing tells which glibc the base image {reference} has, and wheels are "
            f"chosen by it.\nAsk it:\n    docker run --rm --entrypoint ldd {reference} --version\n"
            'and say so in function.json, e.g.:\n    "glibc": "2.36"'
        )
    return Base(
        reference=reference,
        glibc=found,
        is_runtime=known is not None and known.is_runtime,
        is_amazon_linux=known is not None and known.glibc == found,
        dockerfile=_words(dockerfile),
    )


def _known(reference: str, runtime: Runtime, where: str) -> _Known | None:
    parsed = Reference.parse(reference)
    if _LAMBDA_PYTHON.search(parsed.repository):
        python = _PYTHON_TAG.fullmatch(parsed.tag)
        if python and f"python{python['python']}" != runtime:
            raise UsageError(
                f"{where}: the base image {reference} has Python {python['python']}, and the "
                f"runtime is {runtime}.\nMake the two agree."
            )
        return _Known(glibc=RUNTIME_GLIBC[runtime], is_runtime=True)
    if _AMAZON_LINUX.search(parsed.repository):
        system = _AMAZON_LINUX_TAG.fullmatch(parsed.tag)
        if system:
            return _Known(glibc=_AMAZON_LINUX_GLIBC[system["system"]], is_runtime=False)
    return None


def _words(dockerfile: Path) -> frozenset[str] | None:
    """Return the words of a function's own Dockerfile, comments apart; None when it has none."""
    try:
        lines = dockerfile.read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{dockerfile} cannot be read: {error.strerror}") from error
    return frozenset(
        word for line in lines if not line.lstrip().startswith("#") for word in line.split()
    )
