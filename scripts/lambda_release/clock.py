"""Time, as a release sees it; a fake for tests stands beside the real one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> datetime:
        """Return the time, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Return after that long."""


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Return after that long."""
        time.sleep(seconds)


@dataclass(kw_only=True, slots=True)
class FakeClock:
    """A clock that nobody waits for; `at_sleep` is called with each time that somebody sleeps."""

    time: datetime
    at_sleep: Callable[[datetime], None] = field(default=lambda _now: None)

    def now(self) -> datetime:
        """Return the time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Go on by that much."""
        self.time += timedelta(seconds=seconds)
        self.at_sleep(self.time)
