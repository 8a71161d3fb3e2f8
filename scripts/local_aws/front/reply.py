"""What a function returned as the HTTP reply that API Gateway makes of it, payload format 2.0.

Source: "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway", in the API Gateway
guide, under "Lambda function response format".
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# The connection is the server's business, not the function's.
_HOP_BY_HOP = frozenset(
    {"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"}
)
# A 1xx would leave the caller waiting for the reply proper.
_STATUSES = range(200, 600)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An HTTP reply. `why`, for the log, says what the caller must not be told."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    why: str = ""


class MalformedError(Exception):
    """The function returned what API Gateway cannot make a reply of."""


def message(status: HTTPStatus, *, why: str = "") -> Reply:
    """Return API Gateway's own reply, such as 404 with `{"message":"Not Found"}`."""
    text = {413: "Request Entity Too Large"}.get(status, status.phrase)
    return Reply(
        status=status,
        headers=(("content-type", "application/json"),),
        body=json.dumps({"message": text}, separators=(",", ":")).encode(),
        why=why,
    )


def from_payload(payload: bytes) -> Reply:
    """Return the reply of what the function returned; 500 when it is malformed."""
    try:
        result = json.loads(payload)
        if isinstance(result, dict) and "statusCode" in result:
            return _from_response(result)
    except (ValueError, MalformedError) as error:
        return message(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            why=f"the function's response is malformed: {error}",
        )
    return Reply(
        status=HTTPStatus.OK,
        headers=(("content-type", "application/json"),),
        body=result.encode() if isinstance(result, str) else payload,
    )


def from_function_error(payload: bytes) -> Reply:
    """Return the reply to an error of the function: 503 when it timed out, else 500."""
    try:
        error = json.loads(payload)
    except ValueError:
        error = {}
    text = str(error.get("errorMessage", "")) if isinstance(error, dict) else ""
    kind = str(error.get("errorType", "")) if isinstance(error, dict) else ""
    if "Task timed out after" in text or kind == "Sandbox.Timedout":
        return message(HTTPStatus.SERVICE_UNAVAILABLE, why=f"the function timed out: {text}")
    why = ": ".join(part for part in (kind, text) if part) or "no message"
    return message(HTTPStatus.INTERNAL_SERVER_ERROR, why=f"the function failed with {why}")


def _from_response(response: Mapping[str, Any]) -> Reply:
    headers = [
        (name.lower(), _header_value(name, value))
        for name, value in _mapping(response, "headers").items()
        if name.lower() not in _HOP_BY_HOP
    ]
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain;charset=UTF-8"))
    return Reply(
        status=_status(response["statusCode"]),
        headers=(*headers, *(("set-cookie", cookie) for cookie in _cookies(response))),
        body=_body(response),
    )


def _status(value: object) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value not in _STATUSES:
        raise MalformedError(f"statusCode is {value!r}, not a number from 200 to 599")
    return value


def _body(response: Mapping[str, Any]) -> bytes:
    body = response.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedError(f"body is {_kind(body)}, not a string: json.dumps it")
    if not response.get("isBase64Encoded"):
        return body.encode("utf-8", errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("isBase64Encoded is true, and body is not base64") from error


def _cookies(response: Mapping[str, Any]) -> list[str]:
    cookies = response.get("cookies") or []
    if not isinstance(cookies, list) or not all(isinstance(cookie, str) for cookie in cookies):
        raise MalformedError("cookies is not a list of strings")
    return [_one_line("a cookie", cookie) for cookie in cookies]


def _mapping(response: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = response.get(name) or {}
    if not isinstance(value, dict):
        raise MalformedError(f"{name} is {_kind(value)}, not an object")
    return value


def _header_value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise MalformedError(f"the header {name} is {_kind(value)}, not a string")
    return _one_line(f"the header {name}", str(value))


def _one_line(what: str, value: str) -> str:
    if not value.isascii() or "\r" in value or "\n" in value:
        raise MalformedError(f"{what} holds a line break or a character outside ASCII")
    return value


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", type(None): "null"}.get(
        type(value), type(value).__name__
    )
