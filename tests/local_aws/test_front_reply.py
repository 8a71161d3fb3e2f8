"""What functions return as HTTP replies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from local_aws.front.reply import from_function_error, from_payload

if TYPE_CHECKING:
    from local_aws.front.reply import Reply


def reply(result: object) -> Reply:
    return from_payload(json.dumps(result).encode())


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        # The two examples of "Lambda function response for format 2.0".
        (b'"Hello from Lambda!"', b"Hello from Lambda!"),
        (b'{ "message": "Hello from Lambda!" }', b'{ "message": "Hello from Lambda!" }'),
        (b"[1, 2]", b"[1, 2]"),
        (b"null", b"null"),
    ],
)
def test_without_a_status_code_the_result_is_the_body_of_a_200(payload: bytes, body: bytes) -> None:
    made = from_payload(payload)

    assert (made.status, made.body) == (200, body)
    assert made.headers == (("content-type", "application/json"),)


def test_a_response_gives_status_headers_cookies_and_body() -> None:
    made = reply(
        {
            "statusCode": 201,
            "headers": {"Content-Type": "application/json", "X-Count": 3, "X-Yes": True},
            "cookies": ["a=1; Secure", "b=2"],
            "body": "{}",
        }
    )

    assert (made.status, made.body, made.why) == (201, b"{}", "")
    assert made.headers == (
        ("content-type", "application/json"),
        ("x-count", "3"),
        ("x-yes", "true"),
        ("set-cookie", "a=1; Secure"),
        ("set-cookie", "b=2"),
    )


def test_a_base64_body_is_decoded() -> None:
    made = reply({"statusCode": 200, "isBase64Encoded": True, "body": "AAH/"})

    assert made.body == b"\x00\x01\xff"


def test_a_body_without_content_type_is_plain_text() -> None:
    assert reply({"statusCode": "204"}).headers == (("content-type", "text/plain;charset=UTF-8"),)


def test_headers_of_the_connection_are_the_servers() -> None:
    made = reply({"statusCode": 200, "headers": {"Content-Length": "99", "Connection": "upgrade"}})

    assert made.headers == (("content-type", "text/plain;charset=UTF-8"),)


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({"statusCode": "ok"}, "statusCode"),
        ({"statusCode": True}, "statusCode"),
        ({"statusCode": 99}, "statusCode"),
        ({"statusCode": None}, "statusCode"),
        ({"statusCode": 200, "body": {"a": 1}}, "json.dumps"),
        ({"statusCode": 200, "body": "!", "isBase64Encoded": True}, "base64"),
        ({"statusCode": 200, "headers": ["a"]}, "headers is a list"),
        ({"statusCode": 200, "headers": {"a": ["b"]}}, "the header a"),
        ({"statusCode": 200, "headers": {"a": "b\r\nc: d"}}, "line break"),
        ({"statusCode": 200, "cookies": "a=1"}, "cookies"),
    ],
)
def test_a_malformed_response_is_a_500_that_says_why_only_in_the_log(
    result: object, why: str
) -> None:
    made = reply(result)

    assert (made.status, made.body) == (500, b'{"message":"Internal Server Error"}')
    assert why in made.why


def test_a_payload_that_is_not_json_is_a_500() -> None:
    assert from_payload(b"<html>").status == 500


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        ({"errorType": "KeyError", "errorMessage": "'a'"}, 500, "Internal Server Error"),
        (
            {"errorMessage": "2026-11-21T09:00:00Z 1234 Task timed out after 3.00 seconds"},
            503,
            "Service Unavailable",
        ),
        ({"errorType": "Sandbox.Timedout"}, 503, "Service Unavailable"),
        (None, 500, "Internal Server Error"),
    ],
)
def test_a_function_error_is_a_500_and_a_time_out_a_503(
    error: object, status: int, said: str
) -> None:
    made = from_function_error(json.dumps(error).encode())

    assert (made.status, json.loads(made.body)) == (status, {"message": said})
    assert made.why
