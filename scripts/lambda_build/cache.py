"""Files that are shared by builds at once: found by content, written aside, renamed into place."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_build.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True, slots=True)
class Cache:
    """A folder of wheels, bytecode and resolutions, each named by what it was made from.

    Nothing in it is ever changed: a file is there whole, or it is not there.
    """

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """Return $LAMBDA_BUILD_CACHE, else the `lambda-build` folder of the user's caches."""
        named = os.environ.get("LAMBDA_BUILD_CACHE")
        if named:
            return cls(root=Path(named).expanduser().absolute())
        home = os.environ.get("XDG_CACHE_HOME")
        return cls(root=(Path(home) if home else Path.home() / ".cache") / "lambda-build")

    def wheel(self, sha256: str) -> Path:
        """Return where the wheel with that hash belongs."""
        return self.root / "wheels" / f"{sha256}.whl"

    def resolution(self, digest: str) -> Path:
        """Return where the resolution of requirements with that digest belongs."""
        return self.root / "resolutions" / f"{digest}.lock"

    def project_wheel(self, digest: str) -> Path:
        """Return where the wheel built from a folder with that digest belongs."""
        return self.root / "projects" / f"{digest}.whl"

    def bytecode(self, python: str, digest: str) -> Path:
        """Return where the bytecode that this exact Python makes of those modules belongs."""
        return self.root / "bytecode" / python / f"{digest}.zip"


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block ends well.

    Whoever reads `path` sees the old file, or the whole new one, also when the writer is killed.
    Raises OutputError when the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        aside.chmod(0o644)
        aside.replace(path)
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def directory_written_aside(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` that is renamed to it when the block ends well.

    `path` must not exist. When another process made it meanwhile, theirs stays: a folder that is
    named by its content is the same one.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    try:
        yield aside
        aside.chmod(0o755)
        with suppress(FileExistsError):
            aside.rename(path)
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock while the block runs; the operating system frees it, come what may.

    Raises OutputError when the lock file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cannot_write(path: Path, error: OSError) -> str:
    return (
        f"{path} cannot be written: {error.strerror or error}\n"
        f"Make its folder writable, or choose another one."
    )
