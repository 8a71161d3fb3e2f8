"""An HTTP request as the payload 2.0 event of a Lambda proxy integration.

Source: "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway", in the API Gateway
guide. What that page leaves open is as the service was seen to behave, and says so here.
"""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from local_aws.front.routes import Match

# Everything else arrives base64-encoded, forms (application/x-www-form-urlencoded) included.
_TEXT = frozenset({"application/javascript", "application/json", "application/xml"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """An HTTP request as it came: path and query still percent-encoded, headers repeated."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    source_ip: str
    request_id: str  # 24 hexadecimal digits, as a trace id ends
    time: dt.datetime
    protocol: str = "HTTP/1.1"

    def header(self, name: str) -> str:
        """Return a header's value, repeated ones joined by commas; "" when it was not sent."""
        return ",".join(value for key, value in self.headers if key.lower() == name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A stage of an HTTP API."""

    name: str
    variables: Mapping[str, str]


def event(
    request: Request, match: Match, *, api_id: str, account_id: str, stage: Stage
) -> dict[str, Any]:
    """Return the event that the function gets; fields that have nothing to say are absent."""
    # HTTP APIs decode the path before the function sees it, "raw" or not, and leave the query
    # string as it came; REST APIs and function URLs leave both.
    path = unquote(request.path)
    host = request.header("host").partition(":")[0]
    time = request.time.astimezone(dt.UTC)
    optional = {
        "cookies": _cookies(request),
        "queryStringParameters": _joined(parse_qsl(request.query, keep_blank_values=True)),
        "pathParameters": {name: unquote(value) for name, value in match.parameters.items()},
        "stageVariables": dict(stage.variables),
    }
    return {
        "version": "2.0",
        "routeKey": match.route.key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": _joined(_headers(request)),
        "requestContext": {
            "accountId": account_id,
            "apiId": api_id,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent"),
            },
            "requestId": request.request_id,
            "routeKey": match.route.key,
            "stage": stage.name,
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(time.timestamp() * 1000),
        },
        **{name: value for name, value in optional.items() if value},
        **_body(request),
    }


def _headers(request: Request) -> Iterable[tuple[str, str]]:
    """Yield the headers that the function sees: cookies apart, with what the service adds."""
    forwarded = request.header("x-forwarded-for")
    added = {
        "x-amzn-trace-id": f"Root=1-{int(request.time.timestamp()):08x}-{request.request_id}",
        "x-forwarded-for": f"{forwarded}, {request.source_ip}" if forwarded else request.source_ip,
        "x-forwarded-port": request.header("host").partition(":")[2] or "80",
        "x-forwarded-proto": "http",
    }
    for name, value in request.headers:
        if name.lower() not in {"cookie", *added}:
            yield name.lower(), value
    yield from added.items()


def _cookies(request: Request) -> list[str]:
    return [
        cookie.strip()
        for name, value in request.headers
        if name.lower() == "cookie"
        for cookie in value.split(";")
        if cookie.strip()
    ]


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {"isBase64Encoded": False}
    text = _text(request)
    if text is None:
        return {"body": base64.b64encode(request.body).decode("ascii"), "isBase64Encoded": True}
    return {"body": text, "isBase64Encoded": False}


def _text(request: Request) -> str | None:
    kind = request.header("content-type").partition(";")[0].strip().lower()
    if request.header("content-encoding") or not (kind.startswith("text/") or kind in _TEXT):
        return None
    try:
        return request.body.decode("utf-8")
    except UnicodeDecodeError:
        return None  # a JSON string cannot carry it
