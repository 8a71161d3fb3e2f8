from __future__ import annotations

import json
from http import HTTPStatus

import pytest
from lambda_shared.answers import Answer
from lambda_shared.errors import (
    BadGatewayError,
    BadRequestError,
    ContentTooLargeError,
    GatewayTimeoutError,
    HttpError,
    MethodNotAllowedError,
    NotFoundError,
    ServiceUnavailableError,
    TooManyRequestsError,
    answer_error,
)


def test_an_answer_becomes_the_reply_that_api_gateway_takes() -> None:
    answer = Answer(body={"ok": True}, status=HTTPStatus.CREATED, headers={"etag": "1"})
    assert answer.to_reply() == {
        "statusCode": 201,
        "headers": {"content-type": "application/json", "etag": "1"},
        "body": '{"ok": true}',
        "isBase64Encoded": False,
    }


def test_text_in_an_answer_stays_readable() -> None:
    assert Answer(body={"text": "über 🎈"}).to_reply()["body"] == '{"text": "über 🎈"}'


def test_an_answer_can_always_be_sent_as_utf_8() -> None:
    body = Answer(body={"text": "half \ud83c"}).to_reply()["body"]
    assert isinstance(body, str)
    assert json.loads(body.encode()) == {"text": "half ?"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadRequestError("no"), 400),
        (NotFoundError("no"), 404),
        (MethodNotAllowedError("no", allowed=("GET",)), 405),
        (ContentTooLargeError("no"), 413),
        (TooManyRequestsError("no"), 429),
        (BadGatewayError("no"), 502),
        (ServiceUnavailableError("no"), 503),
        (GatewayTimeoutError("no"), 504),
    ],
)
def test_each_error_has_its_status(error: HttpError, status: int) -> None:
    answer = answer_error(error, request_id="r-1")
    assert answer.status == status
    assert answer.body == {"error": {"code": error.code, "message": "no"}, "request_id": "r-1"}


def test_no_two_errors_share_a_status_or_a_code() -> None:
    kinds = HttpError.__subclasses__()
    own = [kind for kind in kinds if kind.__module__ == HttpError.__module__]
    assert len({kind.status for kind in own}) == len({kind.code for kind in own}) == len(own)


def test_an_error_names_the_field_that_is_wrong() -> None:
    answer = answer_error(BadRequestError("no", field="messages[0]"), request_id="r-1")
    assert answer.body["error"] == {
        "code": "invalid_request",
        "message": "no",
        "field": "messages[0]",
    }


def test_an_error_says_when_to_try_again() -> None:
    assert answer_error(
        ServiceUnavailableError("away", retry_after_s=7), request_id="r-1"
    ).headers == {"retry-after": "7"}


def test_a_405_says_which_methods_are_allowed() -> None:
    error = MethodNotAllowedError("no", allowed=("GET", "POST"))
    assert answer_error(error, request_id="r-1").headers == {"allow": "GET, POST"}


def test_the_note_for_the_operator_is_not_answered() -> None:
    answer = answer_error(BadGatewayError("no", note="arn:aws:iam::1:role/x"), request_id="r-1")
    assert "arn" not in json.dumps(answer.to_reply())


def test_any_other_exception_is_answered_with_nothing_but_the_request_id() -> None:
    answer = answer_error(RuntimeError("the secret"), request_id="r-1")
    assert answer.status == 500
    assert answer.body["request_id"] == "r-1"
    assert "secret" not in json.dumps(answer.to_reply())
