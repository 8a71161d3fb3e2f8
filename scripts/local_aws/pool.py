"""The environments of one function version: started as needed, used again, ended when idle."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from local_aws.errors import TooManyRequestsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_aws.emulator import Result


class Environment(Protocol):
    """What runs one invocation at a time: an Emulator, or a fake of it."""

    log_stream: str

    @property
    def closed(self) -> bool:
        """Whether it has ended."""

    def invoke(self, event: bytes, *, request_id: str = "", client_context: str = "") -> Result:
        """Return what the function makes of the event."""

    def close(self) -> None:
        """End it."""


@dataclass(slots=True)
class _Place:
    environment: Environment
    idle_since: float = field(default_factory=time.monotonic)


class Pool:
    """Up to `size` environments made by `start`, which may raise; safe for many threads."""

    def __init__(self, start: Callable[[], Environment], *, size: int, wait_s: float = 60) -> None:
        """Have no environment yet; a caller waits up to `wait_s` seconds for one to be free."""
        self._start = start
        self._size = size
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._idle: list[_Place] = []
        self._busy: list[Environment] = []
        self._taken = 0  # busy ones, and those that are being started
        self._drained = False
        self._closed = False

    @contextmanager
    def environment(self) -> Iterator[Environment]:
        """Give an environment to one invocation: the warmest idle one, else a new one.

        Raises TooManyRequestsError when all stay busy for too long.
        """
        environment = self._take()
        try:
            yield environment
        finally:
            self._give_back(environment)

    def end_idle(self, idle_s: float) -> None:
        """End environments that nobody has used for `idle_s` seconds."""
        limit = time.monotonic() - idle_s
        with self._changed:
            old = [place for place in self._idle if place.idle_since <= limit]
            self._idle = [place for place in self._idle if place.idle_since > limit]
        for place in old:
            place.environment.close()

    def drain(self) -> None:
        """End the idle environments now, and the others when their invocation has ended."""
        with self._changed:
            self._drained = True
        self.end_idle(0)

    def close(self) -> None:
        """End every environment, also those at work; a caller that waits is refused."""
        with self._changed:
            self._drained = self._closed = True
            busy = list(self._busy)
            self._changed.notify_all()
        self.end_idle(0)
        for environment in busy:
            environment.close()

    def _take(self) -> Environment:
        gone = []
        with self._changed:
            deadline = time.monotonic() + self._wait_s
            while not self._idle and self._taken >= self._size and not self._closed:
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            found = None
            while self._idle and not found:
                place = self._idle.pop()  # the last used: it leaves the others to grow old
                found = None if place.environment.closed else place.environment
                if not found:
                    gone.append(place.environment)
            if found:
                self._busy.append(found)
            elif self._taken >= self._size or self._closed:
                raise TooManyRequestsError(
                    f"all {self._size} environments have been busy for {self._wait_s:.0f} s"
                )
            self._taken += 1
        for environment in gone:  # it ended by itself; what it left is cleaned up
            environment.close()
        return found or self._started()

    def _started(self) -> Environment:
        try:
            environment = self._start()
        except BaseException:
            with self._changed:
                self._taken -= 1
                self._changed.notify()
            raise
        with self._changed:
            self._busy.append(environment)
            closed = self._closed
        if closed:  # while it started: `close` has not seen it
            environment.close()
        return environment

    def _give_back(self, environment: Environment) -> None:
        with self._changed:
            self._busy.remove(environment)
            self._taken -= 1
            keep = not (self._drained or environment.closed)
            if keep:
                self._idle.append(_Place(environment))
            self._changed.notify()
        if not keep:
            environment.close()
