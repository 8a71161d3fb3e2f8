"""One invocation, as Lambda's context object tells it: which one, and until when."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol, Self

# An HTTP API waits 30 s for its integration, whatever the function's own time-out is, and its
# clock starts before the function's does: a cold start comes first.
_CALLER_WAITS_S = 28.0
# To make the answer and to hand it over, when the function's own time-out is the nearer one.
_RESERVE_S = 0.5


class LambdaContext(Protocol):
    """What is used of the context object that Lambda gives to a handler."""

    @property
    def aws_request_id(self) -> str:
        """The invocation's id, which is also in Lambda's own log lines."""
        ...

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops the function."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeContext:
    """A context for tests, and for running a handler by hand."""

    aws_request_id: str = "00000000-0000-0000-0000-000000000000"
    remaining_ms: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        """Always the same: time stands still."""
        return self.remaining_ms


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadline:
    """The moment by which a request has to be worked out, on `time.monotonic`'s clock."""

    at: float

    @classmethod
    def of(cls, context: LambdaContext) -> Self:
        """The moment after which nobody would get the answer any more.

        Before Lambda's own time-out, which the caller sees as a 503 without a word, and
        before the HTTP API stops waiting.
        """
        left = context.get_remaining_time_in_millis() / 1000 - _RESERVE_S
        return cls(at=time.monotonic() + min(left, _CALLER_WAITS_S))

    def seconds_left(self) -> float:
        """Seconds until then; none, never less."""
        return max(0.0, self.at - time.monotonic())
