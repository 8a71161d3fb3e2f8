"""From requirements.txt to an answered request: the deployed chat, asked as its callers ask it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from pathlib import Path

    from applied_stack import AppliedStack

_HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


def test_a_chat_over_http_is_answered_by_the_deployed_function(applied_stack: AppliedStack) -> None:
    answer = httpx.post(f"{applied_stack.front_url}/chat", json=_HELLO, timeout=60)
    assert answer.status_code == 200
    body = answer.json()
    assert body["message"]["role"] == "assistant"
    assert "stand-in" in body["message"]["content"]
    assert body["model"] == "amazon.nova-lite-v1:0"
    assert body["usage"].keys() == {"input_tokens", "output_tokens", "total_tokens"}


def test_health_names_the_boto3_and_the_lock_that_were_packaged(
    applied_stack: AppliedStack, project: Path
) -> None:
    health = httpx.get(f"{applied_stack.front_url}/chat/health", timeout=60).json()
    lock = project / "backend/chat/requirements.python3.11-x86_64.lock"
    assert f"boto3=={health['boto3']['version']} " in lock.read_text("utf-8")
    assert health["boto3"]["vendored"] is True
    assert health["lock"] == applied_stack.outputs["chat_package"]["lock"]
    assert health["python"].startswith("3.11.")
    assert health["function_version"] == applied_stack.outputs["chat_function_version"]


def test_a_wrong_body_is_refused_with_the_field(applied_stack: AppliedStack) -> None:
    answer = httpx.post(f"{applied_stack.front_url}/chat", json={"messages": []}, timeout=60)
    assert answer.status_code == 400
    assert "messages" in json.dumps(answer.json())


def test_a_route_that_terraform_did_not_make_is_not_found(applied_stack: AppliedStack) -> None:
    answer = httpx.get(f"{applied_stack.front_url}/elsewhere", timeout=60)
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


def test_the_deployed_chat_answers_lambda_invoke(applied_stack: AppliedStack) -> None:
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "POST /chat",
        "rawPath": "/chat",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "requestId": "by-invoke",
            "http": {"method": "POST", "path": "/chat"},
        },
        "body": json.dumps(_HELLO),
        "isBase64Encoded": False,
    }
    invoked = applied_stack.boto3("lambda").invoke(
        FunctionName=applied_stack.outputs["chat_function_alias_arn"],
        Payload=json.dumps(event),
        LogType="Tail",
    )
    assert "FunctionError" not in invoked
    assert invoked["ExecutedVersion"] == applied_stack.outputs["chat_function_version"]
    assert json.loads(invoked["Payload"].read())["statusCode"] == 200
