"""Whether a function's resource policy lets API Gateway invoke it for a route.

A missing aws_lambda_permission, or one for the function where the route calls its alias, is a
usual mistake, and AWS only says Internal Server Error: here it is refused alike, and said why.
Source: "Using resource-based policies for Lambda", in the Lambda guide.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from local_aws.front.routes import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_aws.front.routes import Route

_SERVICE = "apigateway.amazonaws.com"
_ACTIONS = ("lambda:InvokeFunction", "lambda:*", "*")


def source_arn(function_arn: str, *, api_id: str, stage: str, method: str, route: Route) -> str:
    """Return the ARN that API Gateway presents for a request, as a policy's SourceArn sees it.

    The path is the route's, with its variables (`/pets/{id}`), the method the request's. The
    function's ARN tells partition, region and account.
    """
    _, partition, _, region, account, *_ = function_arn.split(":")
    tail = route.key if route.key == DEFAULT else f"{method}{route.path}"
    return f"arn:{partition}:execute-api:{region}:{account}:{api_id}/{stage}/{tail}"


def permits(policy: str | None, *, function_arn: str, source_arn: str) -> bool:
    """Return whether the policy (None: there is none) allows API Gateway to invoke the ARN."""
    statements = json.loads(policy)["Statement"] if policy else []
    return any(_allows(statement, function_arn, source_arn) for statement in statements)


def _allows(statement: Mapping[str, Any], function_arn: str, source_arn: str) -> bool:
    return (
        statement.get("Effect") == "Allow"
        and statement.get("Action") in _ACTIONS
        and _principal(statement.get("Principal"))
        # Without a qualifier, a statement speaks of the unpublished version only.
        and statement.get("Resource", "").removesuffix(":$LATEST")
        == function_arn.removesuffix(":$LATEST")
        and _conditions(statement.get("Condition", {}), source_arn)
    )


def _principal(principal: object) -> bool:
    if isinstance(principal, dict):
        return principal.get("Service") == _SERVICE
    return principal in {"*", _SERVICE}


def _conditions(conditions: Mapping[str, Mapping[str, str]], source_arn: str) -> bool:
    account = source_arn.split(":")[4]
    for operator, wanted in conditions.items():
        for key, value in wanted.items():
            match key.lower():
                case "aws:sourcearn" if operator in {"ArnLike", "StringLike"}:
                    granted = fnmatchcase(source_arn, value.replace("[", "[[]"))
                case "aws:sourcearn":
                    granted = source_arn == value
                case "aws:sourceaccount":
                    granted = account == value
                case _:
                    granted = False
            if not granted:
                return False
    return True
