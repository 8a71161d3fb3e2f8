"""AWS's Runtime Interface Emulator, from the wheel aws-sam-cli, brought once into the cache."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_build import uv
from lambda_build.cache import directory_written_aside, locked, temporary_folder

if TYPE_CHECKING:
    from lambda_build.cache import Cache

LOCK = Path(__file__).with_name("emulator.lock")

NAME = "aws-lambda-rie"


def provide_emulator(architecture: str, cache: Cache) -> Path:
    """Return the emulator's program for a machine, by Lambda's name; the first call fetches it.

    Raises ToolError when it cannot be fetched.
    """
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    folder = cache.root / "emulator" / f"{NAME}-{architecture}-{digest}"
    if not folder.is_dir():
        with locked(folder.with_name(f".{folder.name}.lock")):
            if not folder.is_dir():
                _bring(folder, architecture)
    return folder / NAME


def _bring(folder: Path, architecture: str) -> None:
    with temporary_folder() as wheel, directory_written_aside(folder) as aside:
        uv.install_target(
            LOCK,
            wheel,
            # No library of it is installed, so any Python will do.
            python="3.11",
            architecture=architecture,
            no_deps=True,  # the 60 libraries of the SAM command line are of no use here
        )
        program = aside / NAME
        shutil.copyfile(wheel / "samcli" / "local" / "rapid" / f"{NAME}-{architecture}", program)
        program.chmod(0o755)
