"""Which route answers a request."""

from __future__ import annotations

import pytest
from local_aws.front.apis import HttpApi, choose
from local_aws.front.event import Stage
from local_aws.front.routes import Integration, Route, match

LIVE = "arn:aws:lambda:us-east-1:123456789012:function:chat:live"


def routes(*keys: str) -> list[Route]:
    return [Route(key=key, integration=None) for key in keys]


# The example of "Create routes for HTTP APIs in API Gateway".
DOCUMENTED = routes(
    "$default", "ANY /{proxy+}", "GET /pets/{proxy+}", "GET /pets/dog/{id}", "GET /pets/dog/1"
)


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1", {}),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST", "/test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        ("GET", "/", "$default", {}),
    ],
)
def test_the_most_specific_route_answers(
    method: str, path: str, key: str, parameters: dict[str, str]
) -> None:
    found = match(DOCUMENTED, method, path)

    assert found is not None
    assert (found.route.key, found.parameters) == (key, parameters)


@pytest.mark.parametrize(
    ("keys", "method", "path", "key"),
    [
        (("ANY /chat", "POST /chat"), "POST", "/chat", "POST /chat"),
        (("ANY /chat", "POST /chat"), "GET", "/chat", "ANY /chat"),
        (("GET /{id}", "ANY /chat"), "GET", "/chat", "ANY /chat"),
        (("GET /{a}/x", "GET /b/{c}"), "GET", "/b/x", "GET /b/{c}"),
        (("GET /a/{b+}", "GET /a/{b}/c"), "GET", "/a/x/c", "GET /a/{b}/c"),
    ],
)
def test_a_literal_goes_before_a_variable_and_a_method_before_any(
    keys: tuple[str, ...], method: str, path: str, key: str
) -> None:
    found = match(routes(*keys), method, path)

    assert found is not None
    assert found.route.key == key


@pytest.mark.parametrize(
    ("key", "method", "path"),
    [
        ("POST /chat", "GET", "/chat"),
        ("POST /chat", "POST", "/chat/"),
        ("POST /chat", "POST", "/chat/more"),
        ("POST /chat", "POST", "/Chat"),
        ("GET /pets/{id}", "GET", "/pets/"),
        ("GET /pets/{id}", "GET", "/pets/1/2"),
        ("GET /pets/{proxy+}", "GET", "/pets"),
    ],
)
def test_without_a_route_that_fits_nothing_is_found(key: str, method: str, path: str) -> None:
    assert match(routes(key), method, path) is None


@pytest.mark.parametrize(
    ("uri", "arn"),
    [
        (
            f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{LIVE}/invocations",
            LIVE,
        ),
        (
            "arn:aws:lambda:us-east-1:123456789012:function:chat",
            "arn:aws:lambda:us-east-1:123456789012:function:chat",
        ),
        ("https://example.com/", None),
    ],
)
def test_an_integration_names_the_function_with_its_qualifier(uri: str, arn: str | None) -> None:
    assert Integration(uri=uri).function_arn == arn


def api(api_id: str, *stages: str) -> HttpApi:
    return HttpApi(
        id=api_id,
        name=api_id,
        routes=(),
        stages=tuple(Stage(name=stage, variables={}) for stage in stages),
        cors=None,
    )


@pytest.mark.parametrize(
    ("host", "path", "chosen"),
    [
        ("a1.execute-api.localhost:8000", "/chat", ("a1", "/chat")),
        ("127.0.0.1:8000", "/b2/chat", ("b2", "/chat")),
        ("127.0.0.1:8000", "/b2", ("b2", "/")),
        ("127.0.0.1:8000", "/chat", None),
    ],
)
def test_of_several_apis_the_host_or_the_path_chooses_one(
    host: str, path: str, chosen: tuple[str, str] | None
) -> None:
    found = choose([api("a1"), api("b2")], host=host, path=path)

    assert (found and (found[0].id, found[1])) == chosen


def test_a_single_api_answers_at_the_root_and_under_its_id() -> None:
    assert choose([api("a1")], host="127.0.0.1", path="/chat") == (api("a1"), "/chat")
    assert choose([api("a1")], host="127.0.0.1", path="/a1/chat") == (api("a1"), "/chat")


@pytest.mark.parametrize(
    ("stages", "path", "staged"),
    [
        (("$default",), "/chat", ("$default", "/chat")),
        (("$default", "dev"), "/dev/chat", ("dev", "/chat")),
        (("dev",), "/chat", None),
    ],
)
def test_the_path_names_the_stage_or_means_the_default_one(
    stages: tuple[str, ...], path: str, staged: tuple[str, str] | None
) -> None:
    found = api("a1", *stages).stage_of(path)

    assert (found and (found[0].name, found[1])) == staged
