"""Lambda events: an HTTP API's become requests, others are recognised by name.

Shapes: "Working with AWS Lambda proxy integrations for HTTP APIs" (payload format 2.0 and
1.0), "Using Lambda with Amazon SQS", "Process Amazon S3 event notifications with Lambda" and
"Amazon EventBridge events", all in AWS's documentation.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeGuard

from lambda_shared.errors import BadRequestError


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """A request as the caller sent it: header names in lower case, the body's real bytes."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    api_request_id: str | None = None
    """API Gateway's own id, by which its access log tells of the request."""


class Trigger(StrEnum):
    """Who sends an event that is no HTTP API request, in AWS's own words."""

    PAYLOAD_1_0 = "API Gateway with payload format 1.0"
    SQS = "Amazon SQS"
    S3 = "Amazon S3"
    EVENTBRIDGE = "Amazon EventBridge"
    UNKNOWN = "an unknown trigger"


class UnsupportedEventError(BadRequestError):
    """The event is not of an HTTP API: somebody connected the wrong trigger."""

    code = "unsupported_event"

    def __init__(self, trigger: Trigger) -> None:
        message = (
            f"This function answers HTTP API requests (payload format 2.0); "
            f"this event looks as if it came from {trigger}."
        )
        super().__init__(
            message,
            note=f"{message} Remove that trigger, or invoke the function with a 2.0 event.",
        )
        self.trigger = trigger


def parse_request(event: object) -> HttpRequest:
    """The request that an event of payload format 2.0 carries.

    Raises:
        UnsupportedEventError: It is another trigger's event.
        BadRequestError: Its body is not what it says it is.
    """
    http = _dig(event, "requestContext", "http")
    method = _dig(http, "method")
    path = _dig(event, "rawPath")
    if not (_is_object(event) and isinstance(method, str) and isinstance(path, str)):
        raise UnsupportedEventError(recognise(event))
    headers = event.get("headers")
    api_request_id = _dig(event, "requestContext", "requestId")
    return HttpRequest(
        method=method.upper(),
        path=_without_stage(path, _dig(event, "requestContext", "stage")),
        headers={name.lower(): str(value) for name, value in headers.items()}
        if _is_object(headers)
        else {},
        body=_body(event),
        api_request_id=api_request_id if isinstance(api_request_id, str) else None,
    )


def recognise(event: object) -> Trigger:
    """The trigger that sends events of this shape."""
    if not _is_object(event):
        return Trigger.UNKNOWN
    if "httpMethod" in event:
        return Trigger.PAYLOAD_1_0
    if "detail-type" in event and "source" in event:
        return Trigger.EVENTBRIDGE
    records = event.get("Records")
    source = _dig(records[0], "eventSource") if _is_array(records) and records else None
    match source:
        case "aws:sqs":
            return Trigger.SQS
        case "aws:s3":
            return Trigger.S3
        case _:
            return Trigger.UNKNOWN


def refuse_messages(event: object) -> dict[str, object]:
    """A partial batch response that hands every message of an SQS event back to its queue.

    Any other reply is success to Lambda, and it would delete messages that nobody has read.
    """
    records = _dig(event, "Records")
    return {
        "batchItemFailures": [
            {"itemIdentifier": identifier}
            for record in (records if _is_array(records) else ())
            if isinstance(identifier := _dig(record, "messageId"), str)
        ]
    }


def _body(event: Mapping[str, object]) -> bytes:
    body = event.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise BadRequestError("The event's body is not text.", field="body")
    if event.get("isBase64Encoded") is not True:
        # A lone surrogate, which JSON can carry and UTF-8 cannot, becomes "?".
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError("The event's body is not base64.", field="body") from error


def _without_stage(path: str, stage: object) -> str:
    # A stage with a name is part of rawPath ("/prod/chat"), $default is not.
    if isinstance(stage, str) and stage != "$default":
        return path.removeprefix(f"/{stage}") or "/"
    return path


def _dig(value: object, *names: str) -> object:
    """What is under the names, or None where something on the way is not an object."""
    for name in names:
        value = value.get(name) if _is_object(value) else None
    return value


def _is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _is_array(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list)
