"""Ctrl-C, SIGTERM and SIGHUP: one KeyboardInterrupt, raised where it can be heard.

Python raises what a signal handler raises wherever the main thread happens to be. In the hooks
around a fork it only prints the exception, and logging's hook then leaves its lock taken: that
Ctrl-C is lost, and every thread that logs hangs. So while a program is started it is held back.
"""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# A second Ctrl-C within this time is impatience: the cleaning up, which takes a second, goes on.
# One after it cuts the cleaning up short.
_PATIENCE_S = 3.0


class _State:
    held = False
    waiting = False
    last = -_PATIENCE_S


@contextmanager
def interruptible() -> Iterator[None]:
    """Let each of the signals that end programs raise KeyboardInterrupt in the main thread."""
    # One that is ignored already stays so: that is what nohup is for.
    ends = [
        each
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(each) is not signal.SIG_IGN
    ]
    before = {each: signal.signal(each, _handle) for each in ends}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def held() -> Iterator[None]:
    """Hold an interruption back until the end of this, which should be short."""
    _State.held = True
    try:
        yield
    finally:
        _State.held = False
        if _State.waiting:
            _State.waiting = False
            raise KeyboardInterrupt


def _handle(_number: int, _frame: object) -> None:
    now = time.monotonic()
    if now - _State.last < _PATIENCE_S:
        return
    _State.last = now
    if _State.held:
        _State.waiting = True
    else:
        raise KeyboardInterrupt
