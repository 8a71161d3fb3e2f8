"""Running a command as a whole process tree, and what that took.

Time is of the whole tree, by a monotonic clock. Memory is measured in runs of its own, because
looking takes time.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PROC = Path("/proc")
_BETWEEN_LOOKS_S = 0.005
_TAIL_CHARACTERS = 1000


class RunError(Exception):
    """A measured command failed, or took longer than it may."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A program with its arguments, and the folder that it runs in."""

    arguments: Sequence[str | Path]
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Time:
    """What a build took: seconds by the clock, and seconds of all processors together."""

    wall_s: float
    cpu_s: float


def timed(commands: Sequence[Command], environment: Mapping[str, str], *, limit_s: float) -> Time:
    """Run commands one after the other and return what they took; RunError when one fails."""
    cpu_s = 0.0
    started = time.perf_counter()
    for command in commands:
        cpu_s += _run(command, environment, limit_s)
    return Time(wall_s=time.perf_counter() - started, cpu_s=cpu_s)


def peak_memory(
    commands: Sequence[Command], environment: Mapping[str, str], *, limit_s: float
) -> int:
    """Run commands and return the most bytes of memory that their processes held at once.

    It is the sum of the proportional set sizes of the tree (pages that processes share count
    once), looked at every 5 ms. A control group's peak would count the page cache of what was
    written, and getrusage knows only the largest process.
    """
    with _Looker() as looker:
        for command in commands:
            _run(command, environment, limit_s, looker)
    return looker.peak


@dataclass(kw_only=True, slots=True)
class _Looker:
    """Looks at the memory of one session of processes after the other, in a thread."""

    peak: int = 0
    session: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        while not self._stopped.wait(_BETWEEN_LOOKS_S):
            if self.session:
                self.peak = max(self.peak, sum(_held_bytes(pid) for pid in _pids(self.session)))


def _run(
    command: Command,
    environment: Mapping[str, str],
    limit_s: float,
    looker: _Looker | None = None,
) -> float:
    """Run a command to its end and return the processors' seconds of it and all its children."""
    words = [os.fspath(word) for word in command.arguments]
    with tempfile.TemporaryFile() as said:
        # A session of its own: its processes are found, and ended, also when their parent is gone.
        process = subprocess.Popen(
            words,
            cwd=command.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        if looker is not None:
            looker.session = process.pid
        late = threading.Timer(limit_s, _end, [process.pid])
        late.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _end(process.pid)
            raise
        finally:
            overdue = late.finished.is_set()
            late.cancel()
            if looker is not None:
                looker.session = 0
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            why = (
                f"took more than {limit_s:.0f} s" if overdue else f"exit code {process.returncode}"
            )
            text = said.read().decode(errors="replace").strip()[-_TAIL_CHARACTERS:]
            raise RunError(f"{shlex.join(words)}: {why}\n{text}")
    return usage.ru_utime + usage.ru_stime


def _end(session: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


def _pids(session: int) -> Iterator[int]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # pid (name) state ppid pgrp session …; a name may hold anything
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if int(fields[3]) == session:
                    yield int(entry.name)


def _held_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
