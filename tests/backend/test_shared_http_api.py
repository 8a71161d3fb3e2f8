from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from backend.lambda_events import http_event
from lambda_shared.answers import Answer
from lambda_shared.errors import BadGatewayError, BadRequestError
from lambda_shared.http_api import serve
from lambda_shared.invocation import Deadline, FakeContext

from backend import lambda_events

if TYPE_CHECKING:
    from lambda_shared.events import HttpRequest

CONTEXT = FakeContext(aws_request_id="r-1")


def echo(request: HttpRequest, deadline: Deadline) -> Answer:
    return Answer(body={"echo": request.body.decode()})


def fail(request: HttpRequest, deadline: Deadline) -> Answer:
    raise RuntimeError("the secret")


def fail_behind(request: HttpRequest, deadline: Deadline) -> Answer:
    raise BadGatewayError("It failed.", note="Mend the table.")


def refuse(request: HttpRequest, deadline: Deadline) -> Answer:
    raise BadRequestError("It is wrong.", field="name")


ROUTES = {
    "POST /echo": echo,
    "GET /fail": fail,
    "POST /fail": fail,
    "GET /behind": fail_behind,
    "GET /refuse": refuse,
}


def ask(event: object) -> tuple[int, dict[str, Any]]:
    reply: dict[str, Any] = serve(event, CONTEXT, ROUTES)
    json.dumps(reply).encode()
    return reply["statusCode"], json.loads(reply["body"])


def test_a_route_answers_its_request() -> None:
    assert ask(http_event("POST", "/echo", "hello")) == (200, {"echo": "hello"})


def test_a_path_without_a_route_is_not_found() -> None:
    status, body = ask(http_event("GET", "/nowhere"))
    assert (status, body["error"]["code"]) == (404, "not_found")


def test_another_method_is_told_which_ones_are_allowed() -> None:
    reply: dict[str, Any] = serve(http_event("DELETE", "/fail"), CONTEXT, ROUTES)
    assert reply["statusCode"] == 405
    assert reply["headers"]["allow"] == "GET, POST"


def test_an_unexpected_exception_is_500_and_only_the_log_has_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, body = ask(http_event("GET", "/fail"))
    assert status == 500
    assert body["request_id"] == "r-1"
    assert "secret" not in json.dumps(body)
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "the secret"


def test_the_log_has_one_line_for_a_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ask(http_event("POST", "/echo", "s3cr3t"))
    (record,) = caplog.records
    fields = vars(record)
    assert {name: fields[name] for name in ("method", "path", "status", "api_request_id")} == {
        "method": "POST",
        "path": "/echo",
        "status": 200,
        "api_request_id": "JKJaXmPLvHcESHA=",
    }
    assert "s3cr3t" not in json.dumps(fields, default=str)


def test_what_the_operator_can_mend_is_logged_as_an_error_with_the_note(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert ask(http_event("GET", "/behind"))[0] == 502
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "Mend the table." in record.getMessage()


def test_a_callers_mistake_is_not_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert ask(http_event("GET", "/refuse"))[0] == 400
    assert [record.levelno for record in caplog.records] == [logging.INFO]


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (lambda_events.PAYLOAD_1_0, "payload format 1.0"),
        (lambda_events.SQS, "Amazon SQS"),
        (lambda_events.S3, "Amazon S3"),
        (lambda_events.EVENTBRIDGE, "Amazon EventBridge"),
        ({}, "an unknown trigger"),
    ],
)
def test_events_of_other_triggers_are_answered_and_warned_of(
    event: object, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    status, body = ask(event)
    assert (status, body["error"]["code"]) == (400, "unsupported_event")
    assert name in body["error"]["message"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_the_messages_of_an_sqs_event_go_back_to_their_queue() -> None:
    assert serve(lambda_events.SQS, CONTEXT, ROUTES)["batchItemFailures"] == [
        {"itemIdentifier": "one"},
        {"itemIdentifier": "two"},
    ]


@pytest.mark.parametrize(
    ("remaining_ms", "left_s"), [(10_000, 9.5), (900_000, 28), (400, 0), (-5, 0)]
)
def test_the_deadline_is_before_lambdas_time_out_and_before_the_api_gives_up(
    remaining_ms: int, left_s: float
) -> None:
    deadline = Deadline.of(FakeContext(remaining_ms=remaining_ms))
    assert max(0, left_s - 5) <= deadline.seconds_left() <= left_s
