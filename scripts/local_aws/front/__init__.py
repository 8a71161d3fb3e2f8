"""API Gateway's HTTP APIs on this machine: HTTP → payload 2.0 event → Lambda Invoke → reply.

Routes, integrations, stages and CORS are those that Terraform made, read from the mock's
apigatewayv2; functions are invoked over HTTP through its Lambda API, by the ARN that the
integration names. Not applied here, and said in the log where a route asks for it: authorizers,
throttling, and integrations that are not Lambda proxies of payload format 2.0.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
import time
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request as WsgiRequest
from werkzeug.wrappers import Response as WsgiResponse

from local_aws.front.apis import HttpApi, HttpApis, choose
from local_aws.front.event import Request
from local_aws.front.functions import Clients, Functions
from local_aws.front.reply import Reply, message
from local_aws.front.routes import match
from local_aws.web import HEADERS, WebServer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# "Quotas for configuring and running an HTTP API", in the API Gateway guide.
_BODY_LIMIT = 10 * 1024 * 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """An HTTP API and where it is served."""

    name: str
    url: str
    routes: tuple[str, ...]


class Front:
    """Serves the HTTP APIs that the mock at `endpoint_url` holds, at `url`.

    A single API is served at the root; of several, each at `/API_ID` and, as on AWS, under a
    host name that starts with its id.
    """

    def __init__(self, endpoint_url: str, *, port: int = 0, region: str = "us-east-1") -> None:
        clients = Clients(endpoint_url, region)
        self._apis = HttpApis(clients.api_gateway())
        self._functions = Functions(clients)
        self._server = WebServer(self._application, what="the HTTP API front", port=port)

    @property
    def url(self) -> str:
        """Return `http://127.0.0.1:PORT`."""
        return self._server.url

    def served(self) -> tuple[Served, ...]:
        """Return each HTTP API that there is now, and where it answers."""
        apis = self._apis.now()
        return tuple(
            Served(
                name=api.name,
                url=self.url if len(apis) == 1 else f"{self.url}/{api.id}",
                routes=tuple(sorted(route.key for route in api.routes)),
            )
            for api in apis
        )

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()

    def _application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        started = time.monotonic()
        request_id = secrets.token_hex(12)
        try:
            request = read_request(environ, request_id)
        except RequestEntityTooLarge:
            reply = message(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why="more than 10 MB")
        else:
            reply = self._answer(request)
        _log.log(
            logging.WARNING if reply.why else logging.INFO,
            "%s %s -> %d in %.0f ms%s",
            environ["REQUEST_METHOD"],
            environ["REQUEST_URI"],
            reply.status,
            (time.monotonic() - started) * 1000,
            f" ({reply.why})" if reply.why else "",
        )
        headers = [*reply.headers, ("apigw-requestid", request_id)]
        return WsgiResponse(reply.body, status_line(reply.status), headers)(environ, start_response)

    def _answer(self, request: Request) -> Reply:
        """Return the reply to a request: API, stage and route, then the function."""
        try:
            chosen = choose(self._apis.now(), host=request.header("host"), path=request.path)
        except (BotoCoreError, ClientError) as error:
            return message(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                why=f"the local AWS does not tell its HTTP APIs: {error}",
            )
        if chosen is None:
            return message(HTTPStatus.NOT_FOUND, why=self._which())
        api, path = chosen
        request = replace(request, path=path)
        if api.cors is None:
            return self._routed(api, request)
        return api.cors.preflight(request) or api.cors.applied(request, self._routed(api, request))

    def _routed(self, api: HttpApi, request: Request) -> Reply:
        staged = api.stage_of(request.path)
        if staged is None:
            return message(HTTPStatus.NOT_FOUND, why=f"{api.name} has no stage for this path")
        stage, path = staged
        found = match(api.routes, request.method, path)
        if found is None:
            routes = ", ".join(sorted(route.key for route in api.routes)) or "none"
            return message(
                HTTPStatus.NOT_FOUND, why=f"no route of {api.name} fits; it has: {routes}"
            )
        return self._functions.call(api, stage, found, request)

    def _which(self) -> str:
        urls = ", ".join(f"{api.name} at {api.url}" for api in self.served())
        return f"the path names no HTTP API; there is {urls or 'none yet'}"


def status_line(status: int) -> str:
    """Return the status with its phrase, as API Gateway writes it."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def read_request(environ: WSGIEnvironment, request_id: str) -> Request:
    """Return the request that our web server got; RequestEntityTooLarge above 10 MB."""
    wsgi = WsgiRequest(environ)
    wsgi.max_content_length = _BODY_LIMIT
    path, _, query = environ["REQUEST_URI"].partition("?")
    if not path.startswith("/"):  # a proxy's absolute form
        path = "/" + path.partition("://")[2].partition("/")[2]
    return Request(
        method=wsgi.method,
        path=path,
        query=query,
        headers=environ[HEADERS],
        body=wsgi.get_data(),
        source_ip=environ["REMOTE_ADDR"],
        request_id=request_id,
        time=dt.datetime.now(dt.UTC),
        protocol=environ["SERVER_PROTOCOL"],
    )
