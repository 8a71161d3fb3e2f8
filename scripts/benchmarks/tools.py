"""This tool and its peers: which commands each is built with, as its own documentation says.

Where a choice is left, the peer gets the one that makes it faster: pinned versions, so that it
resolves nothing; hashes where it takes them; no bytecode.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from benchmarks import _sam_zip, _terraform_aws_lambda, _without_bytecode
from benchmarks.measure import Command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.workloads import Workload

OURS = "lambda-build"
OURS_WITHOUT_BYTECODE = "lambda-build, no bytecode"
OURS_SMALLEST = "lambda-build --smallest, no bytecode"

_TARGET_PYTHON = "3.11"

_TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: source/
      Handler: index.handler
      Runtime: python3.11
      Architectures: [x86_64]
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Folders of one tool for one workload, on one file system so that links are possible."""

    root: Path

    @property
    def source(self) -> Path:
        """The function's folder: a copy, which is changed."""
        return self.root / "source"

    @property
    def output(self) -> Path:
        """Everything that a build leaves behind, except caches."""
        return self.root / "output"

    @property
    def caches(self) -> Path:
        """Everything that a tool keeps for the next build."""
        return self.root / "caches"

    @property
    def archive(self) -> Path:
        """The ZIP."""
        return self.output / "function.zip"


class Tool(Protocol):
    """Something that builds a function's ZIP."""

    @property
    def name(self) -> str:
        """What the tables call it."""

    @property
    def version(self) -> str:
        """The versions of what it runs."""

    @property
    def has_bytecode(self) -> bool:
        """Whether its ZIP holds bytecode; only equals are compared."""

    def prepare(self, place: Place, workload: Workload) -> None:
        """Write what is written once by hand, such as a template."""

    def commands(self, place: Place, workload: Workload) -> Sequence[Command]:
        """Return the commands of one build."""

    def environment(self, place: Place) -> Mapping[str, str]:
        """Return the variables that make the tool's caches its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LambdaBuild:
    """This project's tool."""

    has_bytecode: bool = False
    is_smallest: bool = False

    @property
    def name(self) -> str:  # noqa: D102 - Tool says it
        if self.is_smallest:
            return OURS_SMALLEST
        return OURS if self.has_bytecode else OURS_WITHOUT_BYTECODE

    @property
    def version(self) -> str:  # noqa: D102
        return f"lambda-build {version('terraform-python-lambda')}"

    def prepare(self, place: Place, workload: Workload) -> None:  # noqa: D102
        pass

    def commands(self, place: Place, workload: Workload) -> Sequence[Command]:  # noqa: ARG002, D102
        program: list[str | Path] = [Path(sys.executable).with_name("lambda-build")]
        if not self.has_bytecode:
            program = [sys.executable, _without_bytecode.__file__]
        arguments = [*program, "package", "--source", place.source, "--output", place.archive]
        if self.is_smallest:
            arguments.append("--smallest")
        return [Command(arguments=arguments, folder=place.root)]

    def environment(self, place: Place) -> Mapping[str, str]:  # noqa: D102
        return {
            "LAMBDA_BUILD_CACHE": str(place.caches / "lambda-build"),
            "UV_CACHE_DIR": str(place.caches / "uv"),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class UvZip:
    """`uv pip install --target`, the source copied in, and Info-ZIP."""

    name: str = "uv + zip"
    has_bytecode: bool = False

    @property
    def version(self) -> str:  # noqa: D102
        return f"uv {version('uv')}, Info-ZIP -6"

    def prepare(self, place: Place, workload: Workload) -> None:  # noqa: D102
        pass

    def commands(self, place: Place, workload: Workload) -> Sequence[Command]:  # noqa: D102
        # What is installed already stays: that is uv's way to do less the second time.
        tree = place.output / "tree"
        install = Command(
            arguments=[
                *(Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--no-deps"),
                *("--only-binary", ":all:", "--require-hashes", "--requirement", workload.lock),
                *("--python", sys.executable, "--python-version", _TARGET_PYTHON),
                *("--python-platform", "x86_64-manylinux_2_17", "--no-compile-bytecode"),
                *("--target", tree),
            ],
            folder=place.root,
        )
        return [install, *_copied_and_zipped(place, tree)]

    def environment(self, place: Place) -> Mapping[str, str]:  # noqa: D102
        return {"UV_CACHE_DIR": str(place.caches / "uv")}


@dataclass(frozen=True, kw_only=True, slots=True)
class PipZip:
    """`pip install --target` into an empty folder, the source copied in, and Info-ZIP."""

    python: Path
    name: str = "pip + zip"
    has_bytecode: bool = False

    @property
    def version(self) -> str:  # noqa: D102
        return f"pip {_version_in(self.python, 'pip')}, Info-ZIP -6"

    def prepare(self, place: Place, workload: Workload) -> None:  # noqa: D102
        pass

    def commands(self, place: Place, workload: Workload) -> Sequence[Command]:  # noqa: D102
        # pip installs nothing over what is there, so the folder has to be a new one each time.
        tree = place.output / "tree"
        install = Command(
            arguments=[
                *(self.python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"),
                *("--only-binary", ":all:", "--require-hashes", "--requirement", workload.lock),
                *("--implementation", "cp", "--python-version", _TARGET_PYTHON),
                *("--platform", "manylinux2014_x86_64", "--target", tree),
            ],
            folder=place.root,
        )
        remove = Command(arguments=["rm", "-rf", tree], folder=place.root)
        return [remove, install, *_copied_and_zipped(place, tree)]

    def environment(self, place: Place) -> Mapping[str, str]:  # noqa: D102
        return {"PIP_CACHE_DIR": str(place.caches / "pip")}


@dataclass(frozen=True, kw_only=True, slots=True)
class SamBuild:
    """`sam build --cached`, and the ZIP that `sam deploy` makes of what it built."""

    python: Path
    name: str = "sam build"
    has_bytecode: bool = False

    @property
    def version(self) -> str:  # noqa: D102
        return f"aws-sam-cli {_version_in(self.python, 'aws-sam-cli')}"

    def prepare(self, place: Place, workload: Workload) -> None:  # noqa: D102
        (place.root / "template.yaml").write_text(_TEMPLATE, "utf-8")
        (place.source / "requirements.txt").write_text(workload.pinned, "utf-8")

    def commands(self, place: Place, workload: Workload) -> Sequence[Command]:  # noqa: ARG002, D102
        built = place.output / "build"
        build: list[str | Path] = [
            *(self.python.with_name("sam"), "build", "--cached", "--template", "template.yaml"),
            *("--build-dir", built, "--cache-dir", place.caches / "sam"),
        ]
        archive: list[str | Path] = [
            self.python,
            _sam_zip.__file__,
            built / "Function",
            place.archive,
        ]
        return [
            Command(arguments=build, folder=place.root),
            Command(arguments=archive, folder=place.root),
        ]

    def environment(self, place: Place) -> Mapping[str, str]:  # noqa: D102
        return {**_pip_of(self.python, place), "SAM_CLI_TELEMETRY": "0"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TerraformAwsLambda:
    """terraform-aws-lambda's package.py, called as its module calls it, without Terraform."""

    python: Path
    program: Path
    name: str = "terraform-aws-lambda"
    has_bytecode: bool = False

    @property
    def version(self) -> str:  # noqa: D102
        return f"its package.py, pip {_version_in(self.python, 'pip')}"

    def prepare(self, place: Place, workload: Workload) -> None:  # noqa: D102
        (place.source / "requirements.txt").write_text(workload.pinned, "utf-8")

    def commands(self, place: Place, workload: Workload) -> Sequence[Command]:  # noqa: ARG002, D102
        arguments: list[str | Path] = [
            *(self.python, _terraform_aws_lambda.__file__, self.program),
            *("source", "output", place.archive),
        ]
        return [Command(arguments=arguments, folder=place.root)]

    def environment(self, place: Place) -> Mapping[str, str]:  # noqa: D102
        return _pip_of(self.python, place)


def _copied_and_zipped(place: Place, tree: Path) -> list[Command]:
    """Return the commands that any shell script around an installer ends with."""
    return [
        Command(arguments=["cp", "-r", f"{place.source}/.", tree], folder=place.root),
        Command(arguments=["rm", "-f", place.archive], folder=place.root),
        Command(arguments=[_zip(), "-q", "-r", "-6", place.archive, "."], folder=tree),
    ]


def _pip_of(python: Path, place: Place) -> dict[str, str]:
    """Return the variables with which `python3.11 -m pip` is that environment's."""
    path = os.pathsep.join([os.fspath(python.parent), os.environ["PATH"]])
    return {"PATH": path, "PIP_CACHE_DIR": os.fspath(place.caches / "pip")}


def _zip() -> str:
    found = shutil.which("zip")
    if found is None:
        raise FileNotFoundError("Info-ZIP's zip is not there; on Debian: apt-get install zip")
    return found


def _version_in(python: Path, name: str) -> str:
    library = python.parent.parent / "lib"
    found = next(library.glob(f"python3.*/site-packages/{name.replace('-', '_')}-*.dist-info"))
    return found.name.removesuffix(".dist-info").rpartition("-")[2]
