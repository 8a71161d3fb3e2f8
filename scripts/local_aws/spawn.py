"""Programs that live as long as the local AWS, and end when it does, however that ends."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from lambda_build.process import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def spawn(
    words: Sequence[str | Path],
    *,
    stderr: Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    merged: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own and return its process, whose stdout is a pipe.

    `environment` is all of its environment (default: this process's); `stderr` is appended to.
    `merged` sends what would go there to stdout too.
    """
    return _parent().submit(_spawn, words, stderr, cwd, environment, merged=merged).result()


@cache
def _parent() -> ThreadPoolExecutor:
    # PDEATHSIG counts the thread that made the process as its parent: made in the thread of a
    # web request, an emulator would be killed when the request has been answered. This one
    # lives as long as the program.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="emulator-parent")


def _spawn(
    words: Sequence[str | Path],
    stderr: Path,
    cwd: Path | None,
    environment: Mapping[str, str] | None,
    *,
    merged: bool,
) -> subprocess.Popen[bytes]:
    with stderr.open("ab") as said:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else said,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  it calls prctl and nothing else
        )
