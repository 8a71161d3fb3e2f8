"""Bedrock through the real botocore, against a loopback server."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING

import pytest
from backend.converse_server import Response, converse_error, converse_response
from chat.bedrock import BedrockModel
from chat.conversation import Conversation, Message, Reply, Role, Usage
from chat.model import (
    ConversationTooLargeError,
    ModelAccessDeniedError,
    ModelFailedError,
    ModelNotFoundError,
    ModelRefusedError,
    ModelThrottledError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from chat.settings import ModelId
from lambda_shared.invocation import Deadline

if TYPE_CHECKING:
    from backend.converse_server import ConverseServer
    from lambda_shared.errors import HttpError

PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"
HELLO = Conversation(messages=(Message(role=Role.USER, content="Hello"),))

pytestmark = pytest.mark.usefixtures("bedrock")


def within(seconds: float) -> Deadline:
    return Deadline(at=time.monotonic() + seconds)


def reply_to(conversation: Conversation, *, seconds: float = 30) -> Reply:
    return BedrockModel(ModelId(PROFILE)).reply_to(conversation, within(seconds))


def test_a_conversation_is_sent_as_converse_wants_it(bedrock: ConverseServer) -> None:
    conversation = Conversation(
        messages=(
            Message(role=Role.USER, content="Hello"),
            Message(role=Role.ASSISTANT, content="Hi"),
            Message(role=Role.USER, content="Wie geht's? 🎈"),
        ),
        system="Be brief.",
        max_tokens=100,
        temperature=0.5,
    )
    reply_to(conversation)
    (request,) = bedrock.requests
    assert request.model_id == PROFILE
    assert request.body == {
        "messages": [
            {"role": "user", "content": [{"text": "Hello"}]},
            {"role": "assistant", "content": [{"text": "Hi"}]},
            {"role": "user", "content": [{"text": "Wie geht's? 🎈"}]},
        ],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 100, "temperature": 0.5},
    }


def test_what_is_not_asked_for_is_left_to_the_model(bedrock: ConverseServer) -> None:
    reply_to(HELLO)
    assert set(bedrock.requests[0].body) == {"messages"}


def test_a_reply_has_the_text_the_model_without_account_and_the_usage() -> None:
    assert reply_to(HELLO) == Reply(
        message=Message(role=Role.ASSISTANT, content="Hello!"),
        model="eu.amazon.nova-lite-v1:0",
        stop_reason="end_turn",
        usage=Usage(input_tokens=11, output_tokens=7, total_tokens=18),
    )


def test_blocks_of_text_are_one_text_and_other_blocks_are_skipped(bedrock: ConverseServer) -> None:
    bedrock.respond_with(
        converse_response(
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
            {"text": "Hello"},
            {"aBlockOfNextYear": {"text": "?"}},
            {"text": ", you!"},
        )
    )
    assert reply_to(HELLO).message.content == "Hello, you!"


def test_a_model_that_stopped_before_any_text_says_why(bedrock: ConverseServer) -> None:
    bedrock.respond_with(converse_response(stop_reason="guardrail_intervened"))
    reply = reply_to(HELLO)
    assert (reply.message.content, reply.stop_reason) == ("", "guardrail_intervened")


_INVALID_MODEL = "The provided model identifier is invalid."
_ON_DEMAND = (
    "Invocation of model ID amazon.nova-lite-v1:0 with on-demand throughput isn\u2019t supported."
)
_DENIED = "User: arn:aws:sts::123456789012:assumed-role/chat/chat is not authorized"


@pytest.mark.parametrize(
    ("response", "error", "noted"),
    [
        (
            converse_error(403, "AccessDeniedException", _DENIED),
            ModelAccessDeniedError,
            "bedrock:InvokeModel",
        ),
        (
            converse_error(403, "ExpiredTokenException", "The security token is expired"),
            ModelAccessDeniedError,
            "expired",
        ),
        (
            converse_error(404, "ResourceNotFoundException", "No such model"),
            ModelNotFoundError,
            "BEDROCK_MODEL_ID",
        ),
        (
            converse_error(400, "ValidationException", _INVALID_MODEL),
            ModelNotFoundError,
            "BEDROCK_MODEL_ID",
        ),
        (
            converse_error(400, "ValidationException", _ON_DEMAND),
            ModelNotFoundError,
            "inference profile",
        ),
        (
            converse_error(400, "ValidationException", "Operation not allowed"),
            ModelRefusedError,
            "Operation not allowed",
        ),
        (
            converse_error(408, "ModelTimeoutException", "Too slow"),
            ModelTimeoutError,
            "max_tokens",
        ),
        (
            converse_error(429, "ThrottlingException", "Too many tokens"),
            ModelThrottledError,
            "quotas",
        ),
        (Response(status=429, body=b"busy"), ModelThrottledError, "quotas"),
        (
            converse_error(429, "ModelNotReadyException", "Loading"),
            ModelUnavailableError,
            "loading",
        ),
        (converse_error(424, "ModelErrorException", "Broken"), ModelFailedError, "Broken"),
        (
            converse_error(500, "InternalServerException", "Oh"),
            ModelFailedError,
            "InternalServerException",
        ),
        (
            converse_error(503, "ServiceUnavailableException", "Later"),
            ModelUnavailableError,
            "unavailable",
        ),
        (Response(status=503, body=b"<html>Proxy</html>"), ModelUnavailableError, "503"),
        (Response(status=504, body=b""), ModelTimeoutError, "504"),
        (Response(status=500, body=b"\xff\xfe"), ModelFailedError, "cannot be read"),
        (Response(body=b"<html>"), ModelFailedError, "not Converse's"),
        (Response(body=b"{}"), ModelFailedError, "not Converse's"),
        (Response(body=b"[1, 2]"), ModelFailedError, ""),
        (Response(body=b'{"output": 7}'), ModelFailedError, ""),
        (Response(body=b'{"output": {"message": {"content": [7]}}}'), ModelFailedError, ""),
        (Response(hangs_up=True), ModelUnavailableError, "VPC"),
    ],
)
def test_each_failure_of_bedrock_has_its_error_with_a_note_for_the_operator(
    response: Response, error: type[HttpError], noted: str, bedrock: ConverseServer
) -> None:
    bedrock.respond_with(response)
    with pytest.raises(error) as caught:
        reply_to(HELLO)
    note = caught.value.note
    assert note is not None
    assert noted in note
    assert "123456789012" not in caught.value.message
    assert "arn:" not in caught.value.message


@pytest.mark.parametrize(
    "said",
    [
        "Input is too long for requested model.",
        "The model returned the following errors: prompt is too long: 903884 > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        "too many total text bytes: 30000000 > 25000000",
        "This model's maximum context length is 202752 tokens.",
    ],
)
def test_a_conversation_that_the_model_cannot_read_is_the_callers_to_shorten(
    said: str, bedrock: ConverseServer
) -> None:
    bedrock.respond_with(converse_error(400, "ValidationException", said))
    with pytest.raises(ConversationTooLargeError) as caught:
        reply_to(HELLO)
    assert caught.value.field == "messages"


def test_more_tokens_than_the_model_can_say_are_the_callers_to_lower(
    bedrock: ConverseServer,
) -> None:
    said = "The maximum tokens you requested exceeds the model limit of 10000."
    bedrock.respond_with(converse_error(400, "ValidationException", said))
    with pytest.raises(ConversationTooLargeError) as caught:
        reply_to(HELLO)
    assert caught.value.field == "max_tokens"


def test_nobody_listening_is_unavailable(
    bedrock: ConverseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:1")
    with pytest.raises(ModelUnavailableError):
        reply_to(HELLO)


def test_a_dead_connection_is_hidden_by_one_more_attempt(bedrock: ConverseServer) -> None:
    bedrock.respond_with(Response(hangs_up=True), converse_response({"text": "Hello!"}))
    assert reply_to(HELLO).message.content == "Hello!"


def test_no_more_than_two_attempts_are_made(bedrock: ConverseServer) -> None:
    bedrock.respond_with(converse_error(503, "ServiceUnavailableException", "Later"))
    with pytest.raises(ModelUnavailableError):
        reply_to(HELLO)
    assert len(bedrock.requests) == 2


@pytest.mark.parametrize("slow", [Response(silent=True), Response(dripping=True)])
def test_a_slow_server_is_cut_off_at_the_deadline(slow: Response, bedrock: ConverseServer) -> None:
    bedrock.respond_with(slow)
    began = time.monotonic()
    with pytest.raises(ModelTimeoutError):
        reply_to(HELLO, seconds=1)
    # Late is what the client's own limit would be: 30 s, and none for what drips.
    assert 0.9 < time.monotonic() - began < 20


def test_after_a_call_that_was_cut_off_the_next_one_is_answered(bedrock: ConverseServer) -> None:
    model = BedrockModel(ModelId(PROFILE))
    model.reply_to(HELLO, within(30))  # so that the client is there, and the silence is asked for
    bedrock.respond_with(Response(silent=True), converse_response({"text": "Hello!"}))
    with pytest.raises(ModelTimeoutError):
        model.reply_to(HELLO, within(1))
    assert model.reply_to(HELLO, within(30)).message.content == "Hello!"


def test_a_call_that_was_cut_off_is_not_tried_again_behind_our_back(
    bedrock: ConverseServer,
) -> None:
    before = set(threading.enumerate())
    model = BedrockModel(ModelId(PROFILE))
    model.reply_to(HELLO, within(30))
    bedrock.respond_with(Response(silent=True))
    with pytest.raises(ModelTimeoutError):
        model.reply_to(HELLO, within(1))
    (abandoned,) = (
        thread for thread in set(threading.enumerate()) - before if thread.name == "converse"
    )
    bedrock.hang_up()
    abandoned.join(timeout=60)
    assert not abandoned.is_alive()
    assert len(bedrock.requests) == 2


def test_without_time_left_bedrock_is_not_even_asked(bedrock: ConverseServer) -> None:
    with pytest.raises(ModelTimeoutError):
        reply_to(HELLO, seconds=0)
    assert bedrock.requests == []


def test_the_client_is_made_once(bedrock: ConverseServer) -> None:
    model = BedrockModel(ModelId(PROFILE))
    model.reply_to(HELLO, within(30))
    client = model._client
    model.reply_to(HELLO, within(30))
    assert model._client is client


def test_not_even_at_debug_does_the_log_have_what_is_said(
    bedrock: ConverseServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bedrock.respond_with(converse_response({"text": "the model's s3cr3t"}))
    reply_to(Conversation(messages=(Message(role=Role.USER, content="the user's s3cr3t"),)))
    logged = json.dumps([vars(record) for record in caplog.records], default=str)
    assert "input_tokens" in logged
    assert "s3cr3t" not in logged


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("eu.amazon.nova-lite-v1:0", "eu.amazon.nova-lite-v1:0"),
        (PROFILE, "eu.amazon.nova-lite-v1:0"),
    ],
)
def test_a_models_public_name_is_without_region_and_account(text: str, public: str) -> None:
    assert ModelId(text).public_name == public


@pytest.mark.parametrize("text", ["", "a model", "model\n", "x" * 2049, "mödel", "/x"])
def test_what_cannot_be_a_model_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no model id"):
        ModelId(text)
