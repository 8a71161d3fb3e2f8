"""JSON lines for CloudWatch Logs, with the request id in each.

The names are those of Lambda's own JSON log format ("Working with log formats" in AWS's
documentation: timestamp, level, message, logger, requestId, errorType, errorMessage,
stackTrace), so that one query finds these lines and the runtime's.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# What every record has; whatever else a record has came in by `extra=`.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",  # Python 3.12
    "aws_request_id",  # awslambdaric's filter adds these two
    "tenant_id",
}
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_logger = logging.getLogger(__name__)


@contextmanager
def log_with_request_id(request_id: str) -> Iterator[None]:
    """Every line that is logged inside has the request id."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


def configure_logs(environ: Mapping[str, str], *, root: logging.Logger | None = None) -> None:
    """Make the root logger write JSON lines, from the level that LOG_LEVEL says (INFO if none).

    Lambda's runtime has put a handler on the root logger before any of our code runs. It stays
    and gets our formatter: a second handler would write every line twice, and this one knows
    the way to CloudWatch. Where there is none, lines go to standard output.

    A wrong LOG_LEVEL is no reason to answer nobody: INFO is taken, and a warning says so.
    """
    root = root or logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler(sys.stdout))
    for handler in root.handlers:
        # The runtime's handler writes what the formatter gives and nothing after it.
        ends_lines = isinstance(handler, logging.StreamHandler)
        handler.setFormatter(JsonFormatter(end="" if ends_lines else "\n"))
    wanted = environ.get("LOG_LEVEL", "") or "INFO"
    level = wanted.upper()
    root.setLevel(level if level in _LEVELS else "INFO")
    if level not in _LEVELS:
        _logger.warning(
            "LOG_LEVEL is %r, which is no level: INFO is used. Set it to one of %s.",
            wanted,
            ", ".join(_LEVELS),
        )


class JsonFormatter(logging.Formatter):
    """One line of JSON for each record, with the fields that `extra=` gave it."""

    def __init__(self, *, end: str = "") -> None:
        super().__init__()
        self._end = end

    def format(self, record: logging.LogRecord) -> str:
        """The record's line."""
        when = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "timestamp": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if (request_id := _request_id.get()) is not None:
            line["requestId"] = request_id
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["errorType"] = type(error).__name__
            line["errorMessage"] = str(error)
            line["stackTrace"] = "".join(traceback.format_exception(error)).splitlines()
        # ASCII only: whatever was logged, the line can be written.
        return json.dumps(line, default=str) + self._end
