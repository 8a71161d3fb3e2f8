"""An HTTP API's CORS configuration, and the headers that it puts into replies.

Source: "Configure CORS for HTTP APIs in API Gateway", in the API Gateway guide.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import TYPE_CHECKING

from local_aws.front.reply import Reply

if TYPE_CHECKING:
    from local_aws.front.event import Request

_PREFIX = "access-control-"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cors:
    """What another origin's pages may do."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_s: int | None = None
    allow_credentials: bool = False

    def preflight(self, request: Request) -> Reply | None:
        """Return the reply to a preflight request; None: it is none, let a route answer it."""
        if request.method != "OPTIONS" or not (
            request.header("origin") and request.header("access-control-request-method")
        ):
            return None
        headers = self._headers(request.header("origin"))
        if headers:
            headers += [
                (f"{_PREFIX}{name}", value)
                for name, value in (
                    ("allow-methods", ",".join(self.allow_methods)),
                    ("allow-headers", ",".join(self.allow_headers)),
                    ("max-age", "" if self.max_age_s is None else str(self.max_age_s)),
                )
                if value
            ]
        return Reply(status=HTTPStatus.NO_CONTENT, headers=tuple(headers), body=b"")

    def applied(self, request: Request, reply: Reply) -> Reply:
        """Return the reply with the API's CORS headers in place of the function's."""
        kept = [(name, value) for name, value in reply.headers if not name.startswith(_PREFIX)]
        origin = request.header("origin")
        headers = (*kept, *(self._headers(origin) if origin else ()))
        return Reply(status=reply.status, headers=headers, body=reply.body, why=reply.why)

    def _headers(self, origin: str) -> list[tuple[str, str]]:
        if "*" in self.allow_origins:
            allowed = "*"
        elif any(fnmatchcase(origin, pattern) for pattern in self.allow_origins):
            allowed = origin
        else:
            return []
        headers = [(f"{_PREFIX}allow-origin", allowed)]
        if self.allow_credentials:
            headers.append((f"{_PREFIX}allow-credentials", "true"))
        if self.expose_headers:
            headers.append((f"{_PREFIX}expose-headers", ",".join(self.expose_headers)))
        return headers
