"""The inference function's handler. It only adapts: what it does is in the package `inference`."""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import os
from typing import TYPE_CHECKING, Any

# What is made here lives as long as the environment does: looking it through for garbage, now
# and at every later collection, is work for nothing.
gc.disable()

from inference.threads import limit_threads  # noqa: E402

limit_threads(os.environ)  # before NumPy is imported

from inference.app import app, model  # noqa: E402
from inference.http import REQUEST_ID  # noqa: E402
from lambda_shared.errors import HttpError  # noqa: E402
from lambda_shared.events import HttpRequest, parse_request  # noqa: E402
from lambda_shared.http_api import serve  # noqa: E402
from lambda_shared.logs import configure_logs  # noqa: E402
from mangum import Mangum  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_shared.invocation import LambdaContext
    from starlette.types import Receive, Scope, Send


async def _app_with_request_id(scope: Scope, receive: Receive, send: Send) -> None:
    scope["state"] = {REQUEST_ID: scope["aws.context"].aws_request_id}
    await app(scope, receive, send)


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The reply to an HTTP API event (payload format 2.0), or to whatever else is sent here."""
    try:
        request = parse_request(event)
    except HttpError:
        return serve(event, context, {})  # which says what is wrong, as every function here does
    reply: dict[str, Any] = _adapter(_plain_event(event, request), context)
    return reply


def _plain_event(event: Mapping[str, Any], request: HttpRequest) -> dict[str, Any]:
    """The event with only what has been read and checked, in the places where Mangum looks.

    It takes a missing address or header, half of a surrogate pair, or a stage's name in the path
    for granted, and fails outside of the application, where nothing is answered or logged.
    """
    http = event["requestContext"]["http"]
    return {
        "version": "2.0",
        "rawQueryString": "",  # no route reads one
        "headers": dict(request.headers),
        "requestContext": {
            "http": {
                "method": request.method,
                "path": request.path,
                "sourceIp": http.get("sourceIp", ""),
            }
        },
        "body": base64.b64encode(request.body).decode(),
        "isBase64Encoded": True,
    }


asyncio.set_event_loop(asyncio.new_event_loop())  # Mangum runs the one that is there
_adapter: Any = Mangum(_app_with_request_id, lifespan="off")
logging.getLogger("mangum.http").setLevel(logging.WARNING)  # the application logs each request
configure_logs(os.environ)
model()
gc.enable()
gc.freeze()
