"""Environments with the programs that the benchmark needs, each made once and kept in its cache."""

from __future__ import annotations

import hashlib
import shutil
import sys
from typing import TYPE_CHECKING

from lambda_build.cache import locked
from lambda_build.errors import ToolError
from lambda_build.uv import uv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# pip is both a peer and what sam and package.py call.
PEERS = ("aws-sam-cli==1.170.0", "pip==26.3")
PIP = ("pip==26.3",)
PLOT = ("matplotlib==3.11.2",)


def environment(cache: Path, name: str, requirements: Sequence[str]) -> Path:
    """Return the Python of an environment with these requirements; it is made when missing."""
    said = "\n".join([sys.version, *requirements])
    folder = cache / "environments" / f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    with locked(folder.with_suffix(".lock")):
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            # Compiled now, or the first measured run would pay for it.
            install: tuple[str | Path, ...] = (
                "pip",
                "install",
                "--quiet",
                "--compile-bytecode",
                "--python",
                python,
            )
            commands: list[tuple[str | Path, ...]] = [
                ("venv", "--quiet", "--python", sys.executable, folder),
                (*install, *requirements),
            ]
            for arguments in commands:
                result = uv(*arguments)
                if result.returncode:
                    raise ToolError(f"{', '.join(requirements)}:\n{result.stderr.strip()}")
            ready.touch()
    return python
