"""The stand-in for Bedrock, through boto3."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from local_aws.bedrock import BedrockStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from types_boto3_bedrock_runtime import BedrockRuntimeClient

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.example.model-v1:0"


@pytest.fixture(scope="module")
def stand_in() -> Iterator[BedrockStandIn]:
    with BedrockStandIn() as server:
        yield server


@pytest.fixture(scope="module")
def bedrock(stand_in: BedrockStandIn) -> BedrockRuntimeClient:
    client: BedrockRuntimeClient = boto3.client(
        "bedrock-runtime",
        endpoint_url=stand_in.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )
    return client


def said(role: str, text: str) -> Any:
    return {"role": role, "content": [{"text": text}]}


def test_it_answers_that_it_is_a_stand_in_and_repeats_the_last_message(
    bedrock: BedrockRuntimeClient,
) -> None:
    answer = bedrock.converse(
        modelId=PROFILE,
        messages=[said("user", "Hi"), said("assistant", "Yes?"), said("user", "What is 2 + 2?")],
        system=[{"text": "Be brief."}],
        inferenceConfig={"maxTokens": 500, "temperature": 0.5},
    )

    assert answer["output"]["message"] == said(
        "assistant",
        "I am a stand-in for Amazon Bedrock on this machine, not a model. "
        "I got 3 messages; the last, of 14 characters, says: What is 2 + 2?",
    )
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"] == {"inputTokens": 9, "outputTokens": 33, "totalTokens": 42}


def test_the_same_request_gets_the_same_answer(bedrock: BedrockRuntimeClient) -> None:
    first, second = (
        bedrock.converse(modelId="example", messages=[said("user", "é" * 500)])["output"]
        for _ in range(2)
    )

    assert first == second
    assert len(first["message"]["content"][0]["text"]) < 300


def test_max_tokens_cuts_the_answer_and_says_so(bedrock: BedrockRuntimeClient) -> None:
    answer = bedrock.converse(
        modelId="example", messages=[said("user", "Hi")], inferenceConfig={"maxTokens": 3}
    )

    assert answer["output"]["message"]["content"][0]["text"] == "I am a stand"
    assert (answer["stopReason"], answer["usage"]["outputTokens"]) == ("max_tokens", 3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"messages": []}, "must start with a user message"),
        ({"messages": [said("assistant", "Hi")]}, "must start with a user message"),
        ({"messages": [said("user", "a"), said("user", "b")]}, "must alternate"),
        ({"messages": [said("user", " ")]}, "is blank"),
        ({"messages": [{"role": "user", "content": []}]}, "is empty"),
        ({"inferenceConfig": {"temperature": 1.5}}, "temperature"),
    ],
)
def test_what_bedrock_would_refuse_is_a_validation_exception(
    bedrock: BedrockRuntimeClient, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ClientError, match=reason) as refused:
        bedrock.converse(**{"modelId": "example", "messages": [said("user", "Hi")], **changes})

    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDeniedException", 403),
        ("ModelTimeoutException", 408),
        ("ResourceNotFoundException", 404),
        ("ServiceUnavailableException", 503),
        ("ThrottlingException", 429),
    ],
)
def test_a_model_id_asks_for_an_error(
    bedrock: BedrockRuntimeClient, code: str, status: int
) -> None:
    with pytest.raises(ClientError) as provoked:
        bedrock.converse(modelId=f"stand-in.{code}", messages=[said("user", "Hi")])

    assert provoked.value.response["Error"]["Code"] == code
    assert provoked.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_an_error_that_converse_does_not_have_names_those_that_it_has(
    bedrock: BedrockRuntimeClient,
) -> None:
    with pytest.raises(ClientError, match="ThrottlingException"):
        bedrock.converse(modelId="stand-in.Boom", messages=[said("user", "Hi")])


def test_other_operations_are_not_there(bedrock: BedrockRuntimeClient) -> None:
    with pytest.raises(ClientError, match="only knows Converse"):
        bedrock.invoke_model(modelId="example", body=b"{}")


@pytest.mark.parametrize("body", ["no json", "[]", '{"messages": 3}', '{"messages": [3]}'])
def test_a_body_that_no_client_would_send_is_refused_too(
    stand_in: BedrockStandIn, body: str
) -> None:
    connection = http.client.HTTPConnection(urlsplit(stand_in.endpoint_url).netloc, timeout=60)
    try:
        connection.request("POST", "/model/example/converse", body)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "ValidationException")
    finally:
        connection.close()
