"""The whole chat function, from event to reply, as Lambda calls it."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from backend.converse_server import Response, converse_error
from backend.lambda_events import http_event
from chat.conversation import MAX_BODY_BYTES
from chat.model import ChatModel, FakeModel
from hypothesis import given
from hypothesis import strategies as st
from lambda_shared.invocation import FakeContext

from backend import lambda_events

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from backend.converse_server import ConverseServer

HELLO = '{"messages": [{"role": "user", "content": "Hello"}]}'


@pytest.fixture
def index(
    new_environment: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    monkeypatch.setenv("BEDROCK_MODEL_ID", "eu.amazon.nova-lite-v1:0")
    return new_environment("chat")


def ask(index: ModuleType, event: object, *, remaining_ms: int = 30_000) -> dict[str, Any]:
    """The reply, with its body read; and it can be sent."""
    context = FakeContext(aws_request_id="r-1", remaining_ms=remaining_ms)
    reply: dict[str, Any] = index.handler(event, context)
    assert json.dumps(reply, ensure_ascii=False).encode()
    assert reply["headers"]["content-type"] == "application/json"
    return {**reply, "body": json.loads(reply["body"])}


def test_a_chat_is_answered(index: ModuleType, bedrock: ConverseServer) -> None:
    reply = ask(index, http_event(body=HELLO))
    assert reply["statusCode"] == 200
    assert reply["body"] == {
        "message": {"role": "assistant", "content": "Hello!"},
        "model": "eu.amazon.nova-lite-v1:0",
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
    }


def test_a_base64_body_is_the_same_chat(index: ModuleType, bedrock: ConverseServer) -> None:
    assert ask(index, http_event(body=HELLO.encode()))["statusCode"] == 200
    assert bedrock.requests[0].body["messages"][0]["content"] == [{"text": "Hello"}]


@pytest.mark.parametrize(
    ("event", "status", "code", "field"),
    [
        (http_event(body=None), 400, "invalid_request", "body"),
        (http_event(body="{"), 400, "invalid_request", "body"),
        (http_event(body=b"\xff"), 400, "invalid_request", "body"),
        (http_event(body="%") | {"isBase64Encoded": True}, 400, "invalid_request", "body"),
        (http_event(body="{}"), 400, "invalid_request", "messages"),
        (http_event(body=" " * (MAX_BODY_BYTES + 1)), 413, "content_too_large", None),
        (http_event("GET", "/chat"), 405, "method_not_allowed", None),
        (http_event("POST", "/chat/health"), 405, "method_not_allowed", None),
        (http_event("POST", "/"), 404, "not_found", None),
        (http_event("POST", "/chat/"), 404, "not_found", None),
        (lambda_events.PAYLOAD_1_0, 400, "unsupported_event", None),
        (lambda_events.SQS, 400, "unsupported_event", None),
        (lambda_events.S3, 400, "unsupported_event", None),
        (lambda_events.EVENTBRIDGE, 400, "unsupported_event", None),
        ({}, 400, "unsupported_event", None),
    ],
)
def test_what_cannot_be_answered_is_refused_clearly(
    event: object, status: int, code: str, field: str | None, index: ModuleType
) -> None:
    reply = ask(index, event)
    assert reply["statusCode"] == status
    assert reply["body"]["request_id"] == "r-1"
    error = reply["body"]["error"]
    assert (error["code"], error.get("field")) == (code, field)


@pytest.mark.parametrize(
    ("response", "status", "code", "retry_after"),
    [
        (converse_error(429, "ThrottlingException", "arn:x"), 429, "model_throttled", "10"),
        (converse_error(408, "ModelTimeoutException", "arn:x"), 504, "model_timeout", None),
        (converse_error(403, "AccessDeniedException", "arn:x"), 502, "model_access_denied", None),
        (converse_error(404, "ResourceNotFoundException", "arn:x"), 502, "model_not_found", None),
        (converse_error(400, "ValidationException", "arn:x"), 502, "model_refused", None),
        (converse_error(500, "InternalServerException", "arn:x"), 502, "model_failed", None),
        (Response(body=b"arn:x"), 502, "model_failed", None),
        (
            converse_error(503, "ServiceUnavailableException", "arn:x"),
            503,
            "model_unavailable",
            "10",
        ),
    ],
)
def test_a_failure_of_bedrock_is_told_without_its_internals(
    response: Response,
    status: int,
    code: str,
    retry_after: str | None,
    index: ModuleType,
    bedrock: ConverseServer,
) -> None:
    bedrock.respond_with(response)
    reply = ask(index, http_event(body=HELLO))
    assert reply["statusCode"] == status
    assert reply["body"]["error"]["code"] == code
    assert reply["headers"].get("retry-after") == retry_after
    for internal in ("arn:", "Exception", "Traceback", "eu.amazon"):
        assert internal not in json.dumps(reply)


def test_a_slow_model_is_504_before_lambdas_own_time_out(
    index: ModuleType, bedrock: ConverseServer
) -> None:
    ask(index, http_event(body=HELLO))  # boto3 is imported: what is measured is the waiting
    bedrock.respond_with(Response(silent=True))
    began = time.monotonic()
    reply = ask(index, http_event(body=HELLO), remaining_ms=1_500)
    assert reply["statusCode"] == 504
    # Of the 1.5 s half a second is left for the answer; the client would wait for 30 s.
    assert 0.9 < time.monotonic() - began < 20


@pytest.mark.parametrize("model_id", [None, "", "no model id"])
def test_wrong_settings_are_told_to_the_operator_only(
    model_id: str | None,
    index: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if model_id is None:
        monkeypatch.delenv("BEDROCK_MODEL_ID")
    else:
        monkeypatch.setenv("BEDROCK_MODEL_ID", model_id)
    reply = ask(index, http_event(body=HELLO))
    assert reply["statusCode"] == 500
    assert set(reply["body"]["error"]) == {"code", "message"}
    assert "BEDROCK" not in json.dumps(reply)
    assert "BEDROCK_MODEL_ID" in str(caplog.records[-1].exc_info)


def test_health_tells_the_versions(index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3  # noqa: PLC0415 — to compare with

    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
    reply = ask(index, http_event("GET", "/chat/health"))
    assert reply["statusCode"] == 200
    assert reply["body"] == {
        "status": "ok",
        "function_version": "7",
        "python": ".".join(map(str, sys.version_info[:3])),
        "boto3": {"version": boto3.__version__, "vendored": False},
        "lock": None,
    }


def test_health_asks_no_model_and_needs_no_settings(
    index: ModuleType, bedrock: ConverseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BEDROCK_MODEL_ID")
    assert ask(index, http_event("GET", "/chat/health"))["statusCode"] == 200
    assert bedrock.requests == []


def test_health_answers_where_boto3_is_missing_and_a_chat_is_500(
    index: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    health = ask(index, http_event("GET", "/chat/health"))
    assert (health["statusCode"], health["body"]["boto3"]) == (200, None)
    assert ask(index, http_event(body=HELLO))["statusCode"] == 500


def test_the_model_is_kept_for_the_environments_next_request(
    index: ModuleType, bedrock: ConverseServer
) -> None:
    ask(index, http_event(body=HELLO))
    client = index._model()._client
    ask(index, http_event(body=HELLO))
    assert index._model()._client is client


@pytest.fixture(scope="module")
def index_with_fake_model(new_environment: Callable[[str], ModuleType]) -> ModuleType:
    """The function with a model that needs no Bedrock."""
    index = new_environment("chat")
    model: ChatModel = FakeModel()
    index.__dict__["_model"] = lambda: model
    return index


@given(
    body=st.text() | st.binary(),
    method=st.sampled_from(["POST", "GET", "PUT"]),
    path=st.sampled_from(["/chat", "/chat/health", "/"]),
)
def test_no_request_leads_to_a_500(
    index_with_fake_model: ModuleType, body: str | bytes, method: str, path: str
) -> None:
    reply = ask(index_with_fake_model, http_event(method, path, body))
    assert reply["statusCode"] in {200, 400, 404, 405}
