"""Whether a function's policy lets API Gateway in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from local_aws.front.permission import permits, source_arn
from local_aws.front.routes import Route

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:chat:live"
SOURCE = "arn:aws:execute-api:eu-west-1:123456789012:a1/$default/POST/chat"


def policy(**changes: object) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": ARN,
        "Condition": {"ArnLike": {"AWS:SourceArn": SOURCE}},
        **changes,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def source(pattern: str) -> dict[str, dict[str, str]]:
    return {"ArnLike": {"AWS:SourceArn": f"arn:aws:execute-api:eu-west-1:123456789012:{pattern}"}}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Condition": {}},
        {"Condition": source("a1/*/POST/chat")},
        {"Condition": source("a1/*/*")},
        {"Condition": source("a1/*")},
        {"Condition": {**source("a1/*"), "StringEquals": {"AWS:SourceAccount": "123456789012"}}},
        {"Principal": "*"},
        {"Action": "lambda:*"},
    ],
)
def test_a_statement_that_covers_the_route_lets_it_in(changes: dict[str, Any]) -> None:
    assert permits(policy(**changes), function_arn=ARN, source_arn=SOURCE)


@pytest.mark.parametrize(
    "changes",
    [
        {"Condition": source("a1/*/GET/chat")},
        {"Condition": source("b2/*")},
        {"Condition": {**source("a1/*"), "StringEquals": {"AWS:SourceAccount": "210987654321"}}},
        {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}},
        {"Resource": "arn:aws:lambda:eu-west-1:123456789012:function:chat"},
        {"Principal": {"Service": "s3.amazonaws.com"}},
        {"Action": "lambda:GetFunction"},
        {"Effect": "Deny"},
    ],
)
def test_a_statement_for_something_else_does_not(changes: dict[str, Any]) -> None:
    assert not permits(policy(**changes), function_arn=ARN, source_arn=SOURCE)


def test_without_a_policy_nobody_is_let_in() -> None:
    assert not permits(None, function_arn=ARN, source_arn=SOURCE)


@pytest.mark.parametrize(
    ("key", "tail"),
    [
        ("POST /chat", "POST/chat"),
        ("ANY /pets/{id}", "POST/pets/{id}"),
        ("$default", "$default"),
    ],
)
def test_api_gateway_presents_the_method_and_the_routes_own_path(key: str, tail: str) -> None:
    presented = source_arn(
        ARN, api_id="a1", stage="dev", method="POST", route=Route(key=key, integration=None)
    )

    assert presented == f"arn:aws:execute-api:eu-west-1:123456789012:a1/dev/{tail}"
