"""What a function runs in on this machine, brought once into a cache.

That is AWS's Runtime Interface Emulator (from the wheel aws-sam-cli) and, for each Python
version, an environment with AWS's runtime client awslambdaric and nothing else. That is stricter
than AWS's managed runtime, which brings a boto3 of AWS's choosing: what works here does not lean
on it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lambda_build import uv
from lambda_build.cache import Cache
from lambda_build.errors import LambdaBuildError
from lambda_build.images.emulator import provide_emulator
from lambda_build.interpreters import find_interpreter
from lambda_build.process import run

from local_aws.errors import RuntimeUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

_RUNTIME_LOCK = Path(__file__).with_name("runtime.lock")

_RUNTIME_NAME = re.compile(r"python3\.(1[1-9]|[2-9]\d)")

# Lambda's names for machines, by the kernel's.
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """A Python that sees only awslambdaric, and the emulator that starts it."""

    python: Path
    emulator: Path


def machine_architecture() -> str:
    """Return Lambda's name for this machine (`x86_64`, `arm64`), or the kernel's if it has none."""
    machine = platform.machine().lower()
    return ARCHITECTURES.get(machine, machine)


def other_machine(architecture: str) -> str | None:
    """Return why this machine cannot run what was built for that one, and what to do, or None."""
    here = machine_architecture()
    if architecture == here:
        return None
    return (
        f"the function is built for {architecture} and this machine is {here}: "
        f'deploy it with architecture = "{here}" to run it here'
    )


def obstacle(runtime: str, architecture: str) -> str | None:
    """Return why this machine cannot run such a function and what to do, or None if it can.

    Looks only; nothing is fetched.
    """
    if sys.platform != "linux":
        return (
            "functions run here in AWS's Runtime Interface Emulator, which is a Linux program: "
            "run the local AWS on Linux, or in a Linux container or virtual machine"
        )
    if reason := other_machine(architecture):
        return reason
    if not _RUNTIME_NAME.fullmatch(runtime):
        return f"functions run here from python3.11 on, and the function's runtime is {runtime!r}"
    minor = runtime.removeprefix("python")
    if find_interpreter(minor) is None:
        return (
            f"the runtime {runtime} needs Python {minor}, which is not on this machine: "
            f"install it (python{minor} on PATH, or in pyenv), for example with\n"
            f"    uv python install {minor}"
        )
    return None


def provide_runtime(runtime: str, architecture: str) -> Runtime:
    """Return what functions of that runtime run in; the first call fetches it.

    Raises RuntimeUnavailableError when this machine cannot run them, or it cannot be fetched.
    """
    if reason := obstacle(runtime, architecture):
        raise RuntimeUnavailableError(reason)
    try:
        return Runtime(
            python=_environment(runtime.removeprefix("python"), architecture),
            emulator=provide_emulator(architecture, Cache.default()),
        )
    except (LambdaBuildError, OSError) as error:
        raise RuntimeUnavailableError(
            f"what {runtime} functions run in cannot be brought into {_cache()}: {error}"
        ) from error


def emulator_alone(architecture: str) -> Path:
    """Return the emulator for functions that bring their own runtime; as above."""
    try:
        return provide_emulator(architecture, Cache.default())
    except (LambdaBuildError, OSError) as error:
        raise RuntimeUnavailableError(
            f"the Runtime Interface Emulator cannot be brought into {_cache()}: {error}"
        ) from error


def _cache() -> Path:
    return Cache.default().root / "emulator"


def _environment(minor: str, architecture: str) -> Path:
    interpreter = find_interpreter(minor)

    def make(aside: Path) -> None:
        # A virtual environment, because its Python ignores what is installed beside the
        # machine's (boto3 often is) and in the user's home.
        words = [str(interpreter), "-I", "-m", "venv", "--without-pip", str(aside)]
        result = run(words, timeout_s=60)
        if result.returncode:
            raise RuntimeUnavailableError(
                f"{interpreter} cannot make a virtual environment (on Debian and Ubuntu: "
                f"apt-get install python{minor}-venv):\n{result.stdout}{result.stderr}"
            )
        packages = aside / "lib" / f"python{minor}" / "site-packages"
        uv.install_target(_RUNTIME_LOCK, packages, python=minor, architecture=architecture)

    digest = hashlib.sha256(_RUNTIME_LOCK.read_bytes() + os.fsencode(str(interpreter))).hexdigest()
    folder = _made_once(_cache() / f"python{minor}-{digest[:16]}", make)
    return folder / "bin" / f"python{minor}"


def _made_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Return `path`, which `make` makes if it is not there yet: aside, then renamed.

    Two processes at once make it once, and a killed one leaves nothing half-made at `path`.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path
        for left_behind in path.parent.glob(".making-*"):
            shutil.rmtree(left_behind, ignore_errors=True)
        with TemporaryDirectory(dir=path.parent, prefix=".making-") as folder:
            aside = Path(folder, path.name)
            make(aside)
            aside.rename(path)
    return path
