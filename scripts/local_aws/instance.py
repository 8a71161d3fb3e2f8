"""Which local AWS runs in a folder: one at a time, known to whoever asks.

The one that runs holds a lock on a file that tells about it. The lock goes with the process,
however that ends, so what the file says is true exactly while the lock is held.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING

from local_aws.errors import AlreadyRunningError, LocalAwsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILE = "running.json"
_POLL_S = 0.05
_AGAIN_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """A local AWS that runs; the URLs are empty until they answer."""

    pid: int
    api_url: str = ""
    endpoint_url: str = ""

    def __str__(self) -> str:
        """Return where it runs, for a person."""
        at = f", HTTP APIs at {self.api_url}, AWS at {self.endpoint_url}" if self.api_url else ""
        return f"process {self.pid}{at}"


class Claim:
    """The right to be the one that runs."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def tell(self, instance: Instance) -> None:
        """Let others know about it."""
        self._file.seek(0)
        self._file.truncate()
        json.dump(asdict(instance), self._file)
        self._file.flush()


@contextlib.contextmanager
def claim(work_dir: Path) -> Iterator[Claim]:
    """Be the one that runs, inside the context; raises AlreadyRunningError."""
    work_dir.mkdir(parents=True, exist_ok=True)
    with (work_dir / _FILE).open("a+", encoding="utf-8") as file:
        try:
            _take(file)
        except BlockingIOError as error:
            raise AlreadyRunningError(
                f"the local AWS of {work_dir} runs already: {running(work_dir) or 'just started'}."
                "\nStop it with Ctrl-C where it was started, or from here:\n    make down"
            ) from error
        claimed = Claim(file)
        claimed.tell(Instance(pid=os.getpid()))
        try:
            yield claimed
        finally:
            file.truncate(0)


def _take(file: IO[str]) -> None:
    """Lock a file for oneself; raises BlockingIOError when somebody else has claimed it.

    Who merely asks what runs holds it too, shared and for a moment.
    """
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # this works among those who ask
            fcntl.flock(file, fcntl.LOCK_UN)
            time.sleep(_POLL_S)
        else:
            return


def running(work_dir: Path) -> Instance | None:
    """Return the local AWS that runs, or None."""
    try:
        file = (work_dir / _FILE).open("r", encoding="utf-8")
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            # It is held. What it says may be half written for a moment.
            with contextlib.suppress(ValueError, TypeError):
                return Instance(**json.loads(file.read()))
            return Instance(pid=0)
    return None


def stop(work_dir: Path, *, timeout_s: float = 60) -> Instance | None:
    """End the local AWS that runs, wait until it is gone, and return it; None: none runs.

    The process is only signalled while it holds the lock, so never one that merely has its number.
    """
    until = time.monotonic() + timeout_s
    again = 0.0
    stopped: Instance | None = None
    while (found := running(work_dir)) is not None:
        stopped, now = found, time.monotonic()
        if now > until:
            raise LocalAwsError(
                f"the local AWS ({found}) does not end within {timeout_s:.0f} s. Kill it:\n"
                f"    kill -9 {found.pid}"
            )
        if found.pid and now > again:
            again = now + _AGAIN_S
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.pid, signal.SIGTERM)
        time.sleep(_POLL_S)
    return stopped
