"""How requests are answered when they fail, and logged: as every function here does.

The form of errors and of log lines is `lambda_shared`'s; this fits it to an ASGI application.
"""

from __future__ import annotations

import logging
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from lambda_shared.errors import HttpError, MethodNotAllowedError, NotFoundError, answer_error
from lambda_shared.logs import log_with_request_id
from starlette.exceptions import HTTPException
from starlette.routing import Route

from inference.requests import describe_error

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = "request_id"
"""The name in the ASGI scope's state under which a server may give the request's id."""
_ERROR = "error"
_logger = logging.getLogger(__name__)


class InvalidRequestError(HttpError):
    """The request is understood and breaks a rule; names the field."""

    status: ClassVar[HTTPStatus] = HTTPStatus.UNPROCESSABLE_ENTITY
    code: ClassVar[str] = "invalid_request"


class LogRequests:
    """An application around another: a request id, one line in the log, and no silent failure.

    URLs that are asked about are never logged: they may hold somebody's keys.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        state = scope.setdefault("state", {})
        request_id = state.setdefault(REQUEST_ID, str(uuid.uuid4()))
        status: int | None = None

        async def send_and_look(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with log_with_request_id(request_id):
            try:
                await self._app(scope, receive, send_and_look)
            except Exception as caught:
                state[_ERROR] = caught
                if status is not None:
                    raise  # half of an answer is out, and the server has to end it
                response = _respond(caught, request_id)
                await response(scope, receive, send_and_look)
            _log(scope, status, seconds=time.monotonic() - started)


def answer_errors(app: FastAPI) -> None:
    """Make an application answer its errors in the form that every function here has."""

    async def refuse_request(request: Request, error: RequestValidationError) -> JSONResponse:
        field, message = describe_error(error.errors()[0])
        return _answer(request, InvalidRequestError(message, field=field))

    async def refuse_route(request: Request, error: HTTPException) -> JSONResponse:
        return _answer(request, _route_error(app, request, error))

    app.exception_handler(RequestValidationError)(refuse_request)
    app.exception_handler(HTTPException)(refuse_route)


def _route_error(app: FastAPI, request: Request, error: HTTPException) -> HttpError:
    path = request.url.path
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = tuple((error.headers or {}).get("Allow", "").split(", "))
        return MethodNotAllowedError(f"{path} takes {' and '.join(allowed)} only.", allowed=allowed)
    if error.status_code == HTTPStatus.NOT_FOUND:
        routes = (route for route in app.routes if isinstance(route, Route))
        paths = sorted({route.path for route in routes if route.include_in_schema})
        return NotFoundError(f"There is nothing here; there is {', '.join(paths)}.")
    # FastAPI's own: the body is no UTF-8, or its nesting is deeper than Python's stack.
    return InvalidRequestError("body cannot be read as JSON.", field="body")


def _answer(request: Request, error: HttpError) -> JSONResponse:
    state = request.scope["state"]
    state[_ERROR] = error
    return _respond(error, state[REQUEST_ID])


def _respond(error: Exception, request_id: str) -> JSONResponse:
    answer = answer_error(error, request_id=request_id)
    return JSONResponse(answer.body, status_code=answer.status, headers=dict(answer.headers))


def _log(scope: Scope, status: int | None, *, seconds: float) -> None:
    fields = {
        "status": status,
        "duration_ms": round(seconds * 1000),
        "method": scope["method"],
        "path": scope["path"],
    }
    match scope["state"].get(_ERROR):
        case None:
            _logger.info("Answered", extra=fields)
        case HttpError() as error:
            _logger.info("Refused: %s", error, extra=fields)
        case error:
            _logger.error("Failed unexpectedly", extra=fields, exc_info=error)
