"""The one door to uv, which resolves requirements and builds path requirements into wheels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lambda_build.errors import ToolError
from lambda_build.process import run
from lambda_build.target import Architecture, Target

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path


def uv(
    *arguments: str | Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run uv and return what it said; its exit code is the caller's to judge.

    `environment` adds variables: what must not be shown, such as an index's credentials.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        # Somebody's active environment must not leak into a resolution for another machine.
        if name not in {"VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON", "PYTHONPATH", "PYTHONHOME"}
    }
    told = inherited | {"UV_NO_PROGRESS": "1", "NO_COLOR": "1"} | dict(environment or {})
    result = run([_executable(), *arguments], cwd=cwd, environment=told, timeout_s=timeout_s)
    if result.returncode < 0:  # it said nothing, so nothing of what it said can be quoted
        raise ToolError(f"uv was ended by signal {-result.returncode}")
    return result


def install_target(
    requirements: Path, target: Path, *, python: str, architecture: str, no_deps: bool = False
) -> None:
    """Install hash-locked wheels for another Python or machine into the folder `target`.

    `python` is a minor version such as `3.11`, `architecture` Lambda's name for a machine.
    """
    machine = Target(architecture=Architecture(architecture)).machine
    result = uv(
        *("pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:"),
        *("--requirement", requirements, "--target", target, "--python-version", python),
        *("--python-platform", f"{machine}-manylinux_2_17", "--link-mode", "copy"),
        *(["--no-deps"] if no_deps else []),
    )
    if result.returncode:
        raise ToolError(f"uv cannot install {requirements} into {target}:\n{result.stderr}")


def _executable() -> Path | str:
    # Imported here: `uv` looks its executable up on the disk.
    from uv import find_uv_bin  # noqa: PLC0415

    try:
        return find_uv_bin()
    except FileNotFoundError as error:
        raise ToolError("uv's executable is missing:\n    make setup") from error
