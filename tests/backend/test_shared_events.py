from __future__ import annotations

import pytest
from backend.lambda_events import http_event
from hypothesis import given
from hypothesis import strategies as st
from lambda_shared.errors import BadRequestError
from lambda_shared.events import (
    HttpRequest,
    Trigger,
    UnsupportedEventError,
    parse_request,
    recognise,
    refuse_messages,
)

from backend import lambda_events


def test_a_payload_2_0_event_becomes_a_request() -> None:
    assert parse_request(http_event("post", "/chat", "text")) == HttpRequest(
        method="POST",
        path="/chat",
        headers={"content-type": "application/json", "host": "api.example.com"},
        body=b"text",
        api_request_id="JKJaXmPLvHcESHA=",
    )


def test_a_base64_body_is_decoded() -> None:
    assert parse_request(http_event(body=b"\xff\x00")).body == b"\xff\x00"


def test_text_is_encoded_as_utf_8() -> None:
    assert parse_request(http_event(body="über")).body == "über".encode()


def test_half_a_surrogate_pair_in_a_body_does_no_harm() -> None:
    assert parse_request(http_event(body="half \ud83c")).body == b"half ?"


def test_a_missing_body_is_an_empty_one() -> None:
    assert parse_request(http_event(body=None)).body == b""


@pytest.mark.parametrize("body", ["not base64!", "!!!!", "YQ", "ü"])
def test_a_body_that_says_it_is_base64_and_is_not_names_the_field(body: str) -> None:
    event = http_event(body=body) | {"isBase64Encoded": True}
    with pytest.raises(BadRequestError, match="not base64") as caught:
        parse_request(event)
    assert caught.value.field == "body"


def test_a_body_that_is_not_text_names_the_field() -> None:
    with pytest.raises(BadRequestError, match="not text") as caught:
        parse_request(http_event() | {"body": {"messages": []}})
    assert caught.value.field == "body"


@pytest.mark.parametrize(
    ("stage", "raw_path", "path"),
    [
        ("$default", "/chat", "/chat"),
        ("prod", "/prod/chat", "/chat"),
        ("prod", "/prod", "/"),
        ("prod", "/chat", "/chat"),
    ],
)
def test_the_path_is_without_the_stage(stage: str, raw_path: str, path: str) -> None:
    assert parse_request(http_event(path=raw_path, stage=stage)).path == path


@pytest.mark.parametrize(
    ("event", "trigger"),
    [
        (lambda_events.PAYLOAD_1_0, Trigger.PAYLOAD_1_0),
        (lambda_events.SQS, Trigger.SQS),
        (lambda_events.S3, Trigger.S3),
        (lambda_events.EVENTBRIDGE, Trigger.EVENTBRIDGE),
        ({}, Trigger.UNKNOWN),
        ({"Records": []}, Trigger.UNKNOWN),
        ({"Records": [{"eventSource": "aws:kinesis"}]}, Trigger.UNKNOWN),
        (None, Trigger.UNKNOWN),
        ([], Trigger.UNKNOWN),
        ("text", Trigger.UNKNOWN),
    ],
)
def test_events_of_other_triggers_are_refused_by_their_names(
    event: object, trigger: Trigger
) -> None:
    assert recognise(event) is trigger
    with pytest.raises(UnsupportedEventError, match=str(trigger)) as caught:
        parse_request(event)
    assert caught.value.trigger is trigger


def test_every_message_of_an_sqs_event_can_be_handed_back() -> None:
    assert refuse_messages(lambda_events.SQS) == {
        "batchItemFailures": [{"itemIdentifier": "one"}, {"itemIdentifier": "two"}]
    }


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_names = st.sampled_from(
    [
        "Records",
        "requestContext",
        "http",
        "method",
        "rawPath",
        "headers",
        "body",
        "isBase64Encoded",
        "stage",
        "eventSource",
        "messageId",
        "requestId",
    ]
)
_events = st.recursive(
    _json,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_names, inner, max_size=6),
    max_leaves=20,
)


@given(_events)
def test_an_event_of_any_shape_is_a_request_or_is_refused(event: object) -> None:
    refuse_messages(event)
    try:
        request = parse_request(event)
    except BadRequestError:
        return
    assert isinstance(request.body, bytes)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(http_event(body=""), _json)))
def test_a_request_with_any_field_broken_is_a_request_or_is_refused(
    broken: dict[str, object],
) -> None:
    try:
        request = parse_request(http_event(body="") | broken)
    except BadRequestError:
        return
    assert isinstance(request.path, str)
