"""A request as one writes it for curl, and the payload 2.0 event that a route of its own makes."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from http.client import responses
from typing import TYPE_CHECKING
from urllib.parse import quote

from local_aws.errors import RequestError
from local_aws.front.event import Request, Stage, event
from local_aws.front.routes import DEFAULT, Match, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_aws.front.reply import Reply

_ACCOUNT_ID = "123456789012"
_API_ID = "local"
# What may stand in a path and a query besides letters and digits (RFC 3986), `%` for what is
# percent-encoded already.
_IN_A_URL = "%/:?@!$&'()*+,;=~-._[]"


def asked(
    path: str,
    *,
    method: str | None = None,
    body: str | None = None,
    headers: Sequence[str] = (),
    host: str = "127.0.0.1",
) -> Request:
    """Return the request that these words ask for; raises RequestError.

    `headers` are lines, `name: value`. A body makes it a POST, and JSON unless a header says
    something else: so a body that is no JSON shows how a function takes that.
    """
    if not path.startswith("/"):
        raise RequestError(f"the path {path!r} does not begin with /, as in /chat/health?full=1")
    lines = [_header(line) for line in headers]
    given = {name for name, _ in lines}
    defaults = {"host": host, "user-agent": "local-aws", "accept": "*/*"}
    if body:
        defaults |= {"content-type": "application/json", "content-length": str(len(body.encode()))}
    encoded, _, query = quote(path, safe=_IN_A_URL).partition("?")
    return Request(
        method=(method or ("POST" if body else "GET")).upper(),
        path=encoded,
        query=query,
        headers=[*((name, text) for name, text in defaults.items() if name not in given), *lines],
        body=(body or "").encode(),
        source_ip="127.0.0.1",
        request_id=secrets.token_hex(12),
        time=dt.datetime.now(dt.UTC),
    )


def event_for(request: Request) -> bytes:
    """Return the event that API Gateway would send for the request, by a route of just that name.

    Which routes there are, and what they let pass, is not looked at.
    """
    route = Route(key=f"{request.method} {request.path}", integration=None)
    stage = Stage(name=DEFAULT, variables={})
    return json.dumps(
        event(
            request,
            Match(route=route, parameters={}),
            api_id=_API_ID,
            account_id=_ACCOUNT_ID,
            stage=stage,
        )
    ).encode()


def is_json(text: str) -> bool:
    """Return whether a text is JSON."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def told(reply: Reply) -> str:
    """Return a reply as `curl --include` shows it: status, headers, body."""
    head = [f"{reply.status} {responses.get(reply.status, '')}".rstrip()]
    head += [f"{name}: {value}" for name, value in reply.headers]
    try:
        body = reply.body.decode()
    except UnicodeDecodeError:
        body = f"({len(reply.body):,} bytes that are no text)"
    return "\n".join([*head, "", body] if body else head)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or "\n" in line or "\r" in line:
        raise RequestError(f"the header {line!r} is not of the form 'name: value'")
    return name.strip().lower(), value.strip()
