"""HTTP requests as payload 2.0 events."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from local_aws.front.event import Request, Stage, event
from local_aws.front.routes import Match, Route

REQUEST = Request(
    method="POST",
    path="/my/path",
    query="parameter1=value1&parameter1=value2&parameter2=value",
    headers=[
        ("Host", "id.execute-api.us-east-1.amazonaws.com"),
        ("User-Agent", "agent"),
        ("Cookie", "cookie1; cookie2"),
        ("Content-Type", "text/plain"),
        ("Header1", "value1"),
        ("Header2", "value1"),
        ("header2", "value2"),
    ],
    body=b"Hello from Lambda",
    source_ip="192.0.2.1",
    request_id="0123456789abcdef01234567",
    time=dt.datetime(2020, 3, 12, 19, 3, 58, 390_000, tzinfo=dt.UTC),
)
MATCH = Match(route=Route(key="$default", integration=None), parameters={"parameter1": "value1"})
STAGE = Stage(name="$default", variables={"stageVariable1": "value1", "stageVariable2": "value2"})


def made(request: Request = REQUEST, match: Match = MATCH, stage: Stage = STAGE) -> dict[str, Any]:
    return event(request, match, api_id="api-id", account_id="123456789012", stage=stage)


def test_the_documented_request_becomes_the_documented_event() -> None:
    # "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway", less authentication
    # and authorizer, and with the headers that the service adds.
    assert made() == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my/path",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
        "cookies": ["cookie1", "cookie2"],
        "headers": {
            "host": "id.execute-api.us-east-1.amazonaws.com",
            "user-agent": "agent",
            "content-type": "text/plain",
            "header1": "value1",
            "header2": "value1,value2",
            "x-amzn-trace-id": "Root=1-5e6a879e-0123456789abcdef01234567",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "80",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "id",
            "http": {
                "method": "POST",
                "path": "/my/path",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent",
            },
            "requestId": "0123456789abcdef01234567",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1584039838390,
        },
        "body": "Hello from Lambda",
        "pathParameters": {"parameter1": "value1"},
        "isBase64Encoded": False,
        "stageVariables": {"stageVariable1": "value1", "stageVariable2": "value2"},
    }


def test_what_a_request_does_not_have_is_absent_from_its_event() -> None:
    bare = made(
        replace(REQUEST, query="", headers=[], body=b""),
        Match(route=MATCH.route, parameters={}),
        Stage(name="$default", variables={}),
    )

    assert bare["isBase64Encoded"] is False
    assert bare["rawQueryString"] == ""
    assert not bare.keys() & {
        "body",
        "cookies",
        "pathParameters",
        "queryStringParameters",
        "stageVariables",
    }


def test_the_path_is_decoded_and_the_query_string_is_not() -> None:
    made_of = made(replace(REQUEST, path="/caf%C3%A9/a%20b", query="q=a%20b%26c&empty=&plus=1+2"))

    assert made_of["rawPath"] == "/café/a b"
    assert made_of["requestContext"]["http"]["path"] == "/café/a b"
    assert made_of["rawQueryString"] == "q=a%20b%26c&empty=&plus=1+2"
    assert made_of["queryStringParameters"] == {"q": "a b&c", "empty": "", "plus": "1 2"}


@pytest.mark.parametrize(
    ("content_type", "body", "encoded"),
    [
        ("application/json", b'{"a": 1}', False),
        ("Application/JSON; charset=utf-8", "é".encode(), False),
        ("text/csv", b"a,b", False),
        ("application/xml", b"<a/>", False),
        ("application/x-www-form-urlencoded", b"a=1", True),
        ("image/png", b"\x89PNG", True),
        ("application/json", b"\xff", True),
        ("", b"a", True),
    ],
)
def test_a_body_is_text_or_base64_by_its_content_type(
    content_type: str,
    body: bytes,
    encoded: bool,  # noqa: FBT001
) -> None:
    made_of = made(replace(REQUEST, headers=[("content-type", content_type)], body=body))

    assert made_of["isBase64Encoded"] is encoded
    assert made_of["body"] == (base64.b64encode(body).decode() if encoded else body.decode())


def test_a_compressed_body_is_base64() -> None:
    headers = [("content-type", "application/json"), ("content-encoding", "gzip")]

    assert made(replace(REQUEST, headers=headers))["isBase64Encoded"] is True


def test_the_caller_joins_those_that_forwarded_the_request() -> None:
    headers = [("X-Forwarded-For", "203.0.113.7"), ("Host", "localhost:8000")]

    forwarded = made(replace(REQUEST, headers=headers))["headers"]

    assert forwarded["x-forwarded-for"] == "203.0.113.7, 192.0.2.1"
    assert forwarded["x-forwarded-port"] == "8000"
