"""Finding a CPython of the target's minor version on this machine."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path

from lambda_build.errors import ToolError
from lambda_build.process import run

_ASK = (
    "import platform, sys; "
    "print('%d.%d' % sys.version_info[:2], sys.implementation.name, sys.prefix == sys.base_prefix, "
    # An alpha's or a beta's bytecode is not the release's.
    "sys.version_info.releaselevel in {'final', 'candidate'}, platform.python_version())"
)


def find_interpreter(minor: str) -> Path | None:
    """Return a CPython of that minor version (`3.11`), never a virtual environment's; else None.

    Looked for in this order: the Python that runs this, PATH, pyenv's versions, uv's.
    """
    found = find_version(minor)
    return None if found is None else found[0]


@cache
def find_version(minor: str) -> tuple[Path, str] | None:
    """Return the same with its full version, e.g. `3.11.7`."""
    running = Path(getattr(sys, "_base_executable", sys.executable))
    if _runs_this(minor) and os.access(running, os.X_OK):
        return running, platform.python_version()  # itself: nothing has to be started
    answers = ((path, _version(path, minor)) for path in _candidates(minor))
    return next(((path, version) for path, version in answers if version), None)


def _runs_this(minor: str) -> bool:
    return (
        minor == "{}.{}".format(*sys.version_info[:2])
        and sys.implementation.name == "cpython"
        and sys.version_info.releaselevel in {"final", "candidate"}
    )


def _candidates(minor: str) -> list[Path]:
    name = f"python{minor}"
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"), "versions")
    managed = Path(
        os.environ.get("UV_PYTHON_INSTALL_DIR")
        or Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share"), "uv", "python")
    )
    return [
        *(Path(folder, name) for folder in os.get_exec_path()),
        *sorted(pyenv.glob(f"{minor}.*/bin/{name}")),
        *sorted(managed.glob(f"cpython-{minor}.*/bin/{name}")),
    ]


def _version(path: Path, minor: str) -> str | None:
    """Return the full version of a CPython of that minor version; None for anything else."""
    # Each is asked: a pyenv shim exists for versions that it then refuses to run.
    if not os.access(path, os.X_OK):
        return None
    try:
        answer = run([path, "-I", "-c", _ASK], timeout_s=10)
    except (ToolError, OSError):
        return None
    words = answer.stdout.split()
    if answer.returncode or words[:-1] != [minor, "cpython", "True", "True"]:
        return None
    return words[-1]
