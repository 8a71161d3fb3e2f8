"""Runs lambda-build with whatever python3 (3.11 or later) is at hand, and nothing installed.

Terraform's `data "external"` calls this file, from this project or from anybody's repository:

    python3 scripts/run_lambda_build.py terraform

It needs the standard library only. lambda-build itself runs in this project's `.venv`, where
`make setup` made one, or else in an environment of its own, which is made once for each state of
lambda_build/requirements.lock and kept in the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

_SCRIPTS = Path(__file__).resolve().parent
_LOCK = _SCRIPTS / "lambda_build" / "requirements.lock"
_MAIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from lambda_build.cli import main; main()"

if sys.version_info < (3, 11):  # noqa: UP036 - the reader of the message has an older one
    sys.exit(
        "lambda-build needs Python 3.11 or later, and python3 is {}.{}.\n"
        "Install one, and put it first on PATH.".format(*sys.version_info[:2])
    )

# Only what lambda_build has of the standard library alone.
sys.path.insert(0, os.fspath(_SCRIPTS))
from lambda_build.cache import Cache, locked  # noqa: E402
from lambda_build.errors import LambdaBuildError, ToolError  # noqa: E402
from lambda_build.process import run  # noqa: E402


def _environment() -> Path:
    """Return the Python of an environment that has what lambda-build needs."""
    project = _SCRIPTS.parent / ".venv"
    if _is_ready(project):
        return project / "bin" / "python"
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    key = hashlib.sha256(_LOCK.read_bytes() + python.encode()).hexdigest()[:16]
    own = Cache.default().root / "environments" / key
    with locked(own.with_suffix(".lock")):
        if not _is_ready(own):
            shutil.rmtree(own, ignore_errors=True)
            _make(own)
            (own / ".ready").touch()
    return own / "bin" / "python"


def _is_ready(folder: Path) -> bool:
    # Its python is a link to another, which may have been removed since.
    return (folder / ".ready").exists() and os.access(folder / "bin" / "python", os.X_OK)


def _make(folder: Path) -> None:
    uv = shutil.which("uv")
    if uv:
        python: list[str | Path] = ["--python", folder / "bin" / "python"]
        commands: list[list[str | Path]] = [
            [uv, "venv", "--quiet", "--python", sys.executable, folder],
            [uv, "pip", "install", "--quiet", *python, "--require-hashes", "-r", _LOCK],
        ]
    else:
        pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
        commands = [
            [sys.executable, "-m", "venv", folder],
            [*pip, "--disable-pip-version-check", "--no-deps", "--require-hashes", "-r", _LOCK],
        ]
    for command in commands:
        result = run(command)
        if result.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise ToolError(
                f"the environment that lambda-build runs in could not be made:\n"
                f"{(result.stderr or result.stdout).strip()}\n"
                "Make it by hand where the network is, or install uv or (Debian) python3-venv."
            )


def _main() -> None:
    try:
        python = _environment()
    except LambdaBuildError as error:
        print(f"lambda-build: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    # The same process goes on, so that a signal to it reaches lambda-build.
    arguments = [os.fspath(python), "-I", "-c", _MAIN, os.fspath(_SCRIPTS), *sys.argv[1:]]
    os.execv(python, arguments)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    _main()
