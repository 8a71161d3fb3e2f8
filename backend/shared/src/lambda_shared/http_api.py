"""An HTTP API's Lambda function: routes in, replies out, and the only place that catches."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from lambda_shared.answers import Answer
from lambda_shared.errors import (
    HttpError,
    MethodNotAllowedError,
    NotFoundError,
    answer_error,
)
from lambda_shared.events import (
    HttpRequest,
    Trigger,
    UnsupportedEventError,
    parse_request,
    refuse_messages,
)
from lambda_shared.invocation import Deadline, LambdaContext
from lambda_shared.logs import configure_logs, log_with_request_id

Route = Callable[[HttpRequest, Deadline], Answer]
"""Answers a request by the deadline, or raises: `HttpError` is answered as it says, else 500."""

_logger = logging.getLogger(__name__)


def serve(event: object, context: LambdaContext, routes: Mapping[str, Route]) -> dict[str, object]:
    """The reply to any event at all, with one line in the log about it.

    `routes` has the HTTP API's own route keys, such as "POST /chat": one route, and no others,
    is called. An event that is no HTTP API request is refused, and an SQS event's messages are
    handed back to their queue.
    """
    started = time.monotonic()
    deadline = Deadline.of(context)
    _configure_logs_once()
    with log_with_request_id(context.aws_request_id):
        request: HttpRequest | None = None
        error: Exception | None = None
        try:
            request = parse_request(event)
            answer = _find_route(request, routes)(request, deadline)
            reply = answer.to_reply()
        except Exception as caught:  # noqa: BLE001 — here everything becomes an answer
            error = caught
            answer = answer_error(caught, request_id=context.aws_request_id)
            reply = answer.to_reply()
        if isinstance(error, UnsupportedEventError) and error.trigger is Trigger.SQS:
            reply |= refuse_messages(event)
        _log(request, answer, error, seconds=time.monotonic() - started)
        return reply


@functools.cache
def _configure_logs_once() -> None:
    configure_logs(os.environ)


def _find_route(request: HttpRequest, routes: Mapping[str, Route]) -> Route:
    route = routes.get(f"{request.method} {request.path}")
    if route is not None:
        return route
    keys = (key.partition(" ") for key in routes)
    allowed = tuple(sorted(method for method, _, path in keys if path == request.path))
    if allowed:
        raise MethodNotAllowedError(
            f"{request.path} takes {' and '.join(allowed)} only.", allowed=allowed
        )
    raise NotFoundError(f"There is nothing here; there is {', '.join(sorted(routes))}.")


def _log(
    request: HttpRequest | None, answer: Answer, error: Exception | None, *, seconds: float
) -> None:
    fields: dict[str, object] = {
        "status": int(answer.status),
        "duration_ms": round(seconds * 1000),
    }
    if request is not None:
        fields |= {
            "method": request.method,
            "path": request.path,
            "api_request_id": request.api_request_id,
        }
    match error:
        case None:
            _logger.info("Answered", extra=fields)
        case HttpError() if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            # The caller's own mistake is no news; what has a note asks for an operator.
            level = logging.INFO if error.note is None else logging.WARNING
            _logger.log(level, "Refused: %s", error.note or error, extra=fields)
        case HttpError():
            _logger.error("Failed: %s", error.note or error, extra=fields, exc_info=error)
        case _:
            _logger.error("Failed unexpectedly", extra=fields, exc_info=error)
