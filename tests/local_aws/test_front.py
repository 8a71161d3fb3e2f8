"""The HTTP API front, over moto's apigatewayv2 and a Lambda API that answers as tests say."""

from __future__ import annotations

import http.client
import io
import json
import socket
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from botocore.config import Config
from local_aws.errors import PortTakenError
from local_aws.front import Front
from local_aws.web import WebServer
from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNT = "123456789012"


@dataclass
class Aws:
    """Moto, less Lambda's Invoke: that is what a test says."""

    answer: Callable[[dict[str, Any]], Response] = lambda _: Response("{}")
    invoked: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        *_, arn, last = unquote(environ["PATH_INFO"]).split("/")
        if last != "invocations":
            return self._moto(environ, start_response)
        self.invoked.append(arn)
        self.events.append(json.loads(Request(environ).get_data()))
        return self.answer(self.events[-1])(environ, start_response)

    def returns(self, result: object) -> None:
        """Let the function return this."""
        self.answer = lambda _: Response(json.dumps(result), content_type="application/json")

    def fails(self, status: int, code: str) -> None:
        """Let Lambda refuse the invocation."""
        self.answer = lambda _: Response(
            json.dumps({"Type": "User", "Message": "no"}),
            status,
            headers={"x-amzn-ErrorType": code},
            content_type="application/json",
        )


@dataclass(frozen=True, kw_only=True)
class Clients:
    endpoint_url: str

    def __getattr__(self, service: str) -> Any:
        return boto3.client(
            {"lambda_": "lambda"}.get(service, service),
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(proxies={}),
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Api:
    """An HTTP API with one function behind it, and a client of the front before it."""

    id: str
    arn: str
    front: Front
    aws: Aws
    clients: Clients

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        url = urlsplit(self.front.url)
        connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=20)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            return Answer(status=answer.status, headers=answer.headers, body=answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[Aws, Clients]]:
    served = Aws()
    with WebServer(served, what="the mock") as server:
        yield served, Clients(endpoint_url=server.url)


@pytest.fixture(scope="module")
def function_arn(aws: tuple[Aws, Clients]) -> str:
    """A published function with an alias."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("index.py", "")
    clients = aws[1]
    role = clients.iam.create_role(RoleName="chat", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    clients.lambda_.create_function(
        FunctionName="chat",
        Runtime="python3.11",
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": archive.getvalue()},
        Publish=True,
    )
    alias = clients.lambda_.create_alias(FunctionName="chat", Name="live", FunctionVersion="1")
    return str(alias["AliasArn"])


def made(clients: Clients, arn: str, *keys: str, timeout_ms: int = 30_000, **api: Any) -> str:
    gateway = clients.apigatewayv2
    api_id = gateway.create_api(Name="chat", ProtocolType="HTTP", **api)["ApiId"]
    gateway.create_stage(
        ApiId=api_id, StageName="$default", AutoDeploy=True, StageVariables={"colour": "blue"}
    )
    integration = gateway.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationMethod="POST",
        PayloadFormatVersion="2.0",
        TimeoutInMillis=timeout_ms,
        IntegrationUri=(
            f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
        ),
    )["IntegrationId"]
    for key in keys:
        gateway.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration}")
    return str(api_id)


@pytest.fixture
def permission(aws: tuple[Aws, Clients], function_arn: str) -> Iterator[None]:
    client = aws[1].lambda_
    client.add_permission(
        FunctionName="chat",
        Qualifier="live",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{ACCOUNT}:*/*/*",
    )
    yield
    # The mock deletes a statement only where the unpublished version has it.
    function = get_backend("lambda")[ACCOUNT]["us-east-1"].get_function("chat", "live")
    function.policy.statements.clear()


@pytest.fixture
def make_api(aws: tuple[Aws, Clients], function_arn: str) -> Iterator[Callable[..., Api]]:
    served, clients = aws
    served.returns({"statusCode": 200, "body": "ok"})
    served.events.clear()
    served.invoked.clear()
    ids: list[str] = []
    with Front(clients.endpoint_url) as front:

        def make(*keys: str, **settings: Any) -> Api:
            ids.append(made(clients, function_arn, *keys, **settings))
            return Api(id=ids[-1], arn=function_arn, front=front, aws=served, clients=clients)

        yield make
    for api_id in ids:
        clients.apigatewayv2.delete_api(ApiId=api_id)


@pytest.fixture
def api(make_api: Callable[..., Api], permission: None) -> Api:
    return make_api("POST /chat", "GET /chat/{id}")


def test_a_request_reaches_the_alias_as_an_event_and_its_answer_comes_back(api: Api) -> None:
    api.aws.returns(
        {
            "statusCode": 201,
            "headers": {"content-type": "application/json"},
            "cookies": ["a=1", "b=2"],
            "body": '{"ok": true}',
        }
    )

    answer = api.request(
        "POST", "/chat?a=1&a=2", b'{"x": 1}', content_type="application/json", cookie="c=1; d=2"
    )

    assert (answer.status, answer.json) == (201, {"ok": True})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert api.aws.invoked == [api.arn]
    [event] = api.aws.events
    assert (event["routeKey"], event["body"]) == ("POST /chat", '{"x": 1}')
    assert event["queryStringParameters"] == {"a": "1,2"}
    assert event["cookies"] == ["c=1", "d=2"]
    assert event["stageVariables"] == {"colour": "blue"}
    assert event["requestContext"]["accountId"] == ACCOUNT
    assert event["requestContext"]["apiId"] == api.id
    assert event["requestContext"]["requestId"] == answer.headers["apigw-requestid"]


def test_variables_in_the_path_arrive_decoded(api: Api) -> None:
    api.request("GET", "/chat/caf%C3%A9%20noir")

    assert api.aws.events[0]["pathParameters"] == {"id": "café noir"}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/chat"), ("POST", "/chat/"), ("GET", "/unknown")]
)
def test_without_a_route_the_answer_is_404(api: Api, method: str, path: str) -> None:
    answer = api.request(method, path)

    assert (answer.status, answer.json) == (404, {"message": "Not Found"})
    assert api.aws.invoked == []


def test_a_route_that_was_just_made_shows_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_aws.front.apis._FRESH_S", 0.0)
    assert api.request("GET", "/new").status == 404

    gateway = api.clients.apigatewayv2
    target = gateway.get_routes(ApiId=api.id)["Items"][0]["Target"]
    gateway.create_route(ApiId=api.id, RouteKey="GET /new", Target=target)

    assert api.request("GET", "/new").status == 200


def test_without_a_permission_the_answer_is_500_and_the_log_says_why(
    make_api: Callable[..., Api], caplog: pytest.LogCaptureFixture
) -> None:
    answer = make_api("POST /chat").request("POST", "/chat")

    assert (answer.status, answer.json) == (500, {"message": "Internal Server Error"})
    assert 'aws_lambda_permission with that source_arn and qualifier = "live"' in caplog.text


@pytest.mark.parametrize(
    ("refused", "status", "said"),
    [
        ((429, "TooManyRequestsException"), 503, "Service Unavailable"),
        ((413, "RequestTooLargeException"), 413, "Request Entity Too Large"),
        ((404, "ResourceNotFoundException"), 500, "Internal Server Error"),
        ((500, "ServiceException"), 500, "Internal Server Error"),
    ],
)
def test_what_lambda_refuses_becomes_api_gateways_own_answer(
    api: Api, refused: tuple[int, str], status: int, said: str
) -> None:
    api.aws.fails(*refused)

    answer = api.request("POST", "/chat")

    assert (answer.status, answer.json) == (status, {"message": said})
    assert len(api.aws.invoked) == 1


def test_an_error_of_the_function_is_told_to_the_log_and_not_to_the_caller(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.aws.answer = lambda _: Response(
        '{"errorType": "KeyError", "errorMessage": "secret"}',
        headers={"X-Amz-Function-Error": "Unhandled"},
    )

    answer = api.request("POST", "/chat")

    assert (answer.status, answer.json) == (500, {"message": "Internal Server Error"})
    assert "KeyError: secret" in caplog.text


def test_a_function_slower_than_the_integration_allows_is_503(
    make_api: Callable[..., Api], permission: None
) -> None:
    api = make_api("POST /chat", timeout_ms=50)
    silent, waiting = socket.socketpair()
    with silent, waiting:
        waiting.settimeout(2)

        def never(_: object) -> Response:
            waiting.recv(1)  # until the test is over
            return Response("{}")

        api.aws.answer = never
        answer = api.request("POST", "/chat")
        silent.send(b"!")

    assert (answer.status, answer.json) == (503, {"message": "Service Unavailable"})


@pytest.mark.parametrize("size", [10 * 1024 * 1024 + 1, 7 * 1024 * 1024])
def test_a_body_over_api_gateways_or_lambdas_limit_is_413(api: Api, size: int) -> None:
    answer = api.request("POST", "/chat", b"x" * size, content_type="text/plain")

    assert (answer.status, answer.json) == (413, {"message": "Request Entity Too Large"})
    assert api.aws.invoked == []


def test_cors_is_answered_by_the_api_and_not_by_the_function(
    make_api: Callable[..., Api], permission: None
) -> None:
    api = make_api(
        "POST /chat",
        CorsConfiguration={
            "AllowOrigins": ["https://www.example.com"],
            "AllowMethods": ["POST"],
            "AllowHeaders": ["content-type"],
            "MaxAge": 300,
        },
    )
    api.aws.returns({"statusCode": 200, "headers": {"access-control-allow-origin": "*"}})
    asked = {"origin": "https://www.example.com", "access_control_request_method": "POST"}

    preflight = api.request("OPTIONS", "/chat", None, **asked)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "https://www.example.com"
    assert preflight.headers["access-control-allow-methods"] == "POST"
    assert preflight.headers["access-control-allow-headers"] == "content-type"
    assert preflight.headers["access-control-max-age"] == "300"
    assert api.aws.invoked == []

    answer = api.request("POST", "/chat", origin="https://www.example.com")
    assert answer.headers.get_all("access-control-allow-origin") == ["https://www.example.com"]

    foreign = api.request("POST", "/chat", origin="https://evil.example")
    assert "access-control-allow-origin" not in foreign.headers


def test_of_several_apis_the_path_or_the_host_chooses(
    make_api: Callable[..., Api], permission: None
) -> None:
    one, two = make_api("GET /one"), make_api("GET /two")

    assert {served.url for served in one.front.served()} == {
        f"{one.front.url}/{one.id}",
        f"{one.front.url}/{two.id}",
    }
    assert one.request("GET", "/one").status == 404
    assert one.request("GET", f"/{one.id}/one").status == 200
    assert one.request("GET", "/two", host=f"{two.id}.execute-api.localhost").status == 200
    assert [event["rawPath"] for event in one.aws.events] == ["/one", "/two"]


def test_while_the_local_aws_is_away_the_answer_is_500(caplog: pytest.LogCaptureFixture) -> None:
    with WebServer(lambda *_: [], what="a port") as gone:
        port = gone.port
    with Front(f"http://127.0.0.1:{port}") as front:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(front.url).port, timeout=20)
        try:
            connection.request("GET", "/")
            assert connection.getresponse().status == 500
        finally:
            connection.close()
    assert "does not tell its HTTP APIs" in caplog.text


def test_a_taken_port_is_named() -> None:
    with WebServer(lambda *_: [], what="one") as first:
        port = first.port

        with pytest.raises(PortTakenError, match=f"port {port}, wanted for the HTTP API front"):
            Front("http://127.0.0.1:1", port=port)
