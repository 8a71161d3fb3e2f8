"""Finding a CPython of the target's minor version on this machine."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

from lambda_build.errors import ToolError
from lambda_build.process import run

_ASK = (
    "import sys; "
    "print('%d.%d' % sys.version_info[:2], sys.implementation.name, sys.prefix == sys.base_prefix, "
    # An alpha's or a beta's bytecode is not the release's.
    "sys.version_info.releaselevel in {'final', 'candidate'})"
)


@cache
def find_interpreter(minor: str) -> Path | None:
    """Return a CPython of that minor version (`3.11`), never a virtual environment's; else None.

    Looked for in this order: the Python that runs this, PATH, pyenv's versions, uv's.
    """
    return next((path for path in _candidates(minor) if _is_cpython(path, minor)), None)


def _candidates(minor: str) -> list[Path]:
    name = f"python{minor}"
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"), "versions")
    managed = Path(
        os.environ.get("UV_PYTHON_INSTALL_DIR")
        or Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share"), "uv", "python")
    )
    running = getattr(sys, "_base_executable", sys.executable)
    return [
        *([Path(running)] if minor == "{}.{}".format(*sys.version_info[:2]) else []),
        *(Path(folder, name) for folder in os.get_exec_path()),
        *sorted(pyenv.glob(f"{minor}.*/bin/{name}")),
        *sorted(managed.glob(f"cpython-{minor}.*/bin/{name}")),
    ]


def _is_cpython(path: Path, minor: str) -> bool:
    # Each is asked: a pyenv shim exists for versions that it then refuses to run.
    if not os.access(path, os.X_OK):
        return False
    try:
        answer = run([path, "-I", "-c", _ASK], timeout_s=10)
    except (ToolError, OSError):
        return False
    return answer.returncode == 0 and answer.stdout.split() == [minor, "cpython", "True", "True"]
