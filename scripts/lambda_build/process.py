"""Child programs: run from an argument list, echoed when asked, gone when their parent is."""

from __future__ import annotations

import ctypes
import logging
import os
import shlex
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from lambda_build.errors import ToolError, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends; elsewhere, nothing.

    Terraform kills its external programs with SIGKILL on Ctrl-C: without this their children
    would live on, and one that holds stderr would make Terraform hang. For `preexec_fn`.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def at_once(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, most: int
) -> list[_Result]:
    """Return what a function makes of each item, in order, with up to `most` at a time.

    The first error is raised when what was begun has ended.
    """
    pool = ThreadPoolExecutor(most)
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)


def run(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout_s: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it said; its exit code is the caller's to judge.

    Raises ToolError when the program is not there or takes longer than `timeout_s` seconds.
    """
    words = [os.fspath(word) for word in arguments]
    _log.debug("$ %s", redacted(shlex.join(words)))
    try:
        return subprocess.run(
            words,
            cwd=cwd,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
            preexec_fn=die_with_parent,
        )
    except OSError as error:
        raise ToolError(f"{words[0]} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{words[0]} did not end within {timeout_s:.0f} s") from error
