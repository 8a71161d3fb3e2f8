"""That the bootstrap's roles may do what Terraform does with the stack, and functions what they do.

Which calls Terraform makes its provider tells, while the stack is applied to the local AWS.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from applied_stack import calls_told_to
from terraform.iam import ALLOWED, Request

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from applied_stack import AppliedStack
    from terraform.applied_bootstrap import Bootstrap
    from terraform.iam import Policies, Simulator

ACCOUNT = "123456789012"
HERE = f"us-east-1:{ACCOUNT}"
# What the shared stack's names start with, and what those of an environment do.
STACK = "python-lambda"
STAGING = "python-lambda-staging"

Asked = tuple[str, str]

# By the provider's name of a service: how its actions begin, and a resource as its calls have them.
_SERVICES = {
    "CloudWatch": ("cloudwatch", f"arn:aws:cloudwatch:{HERE}:alarm:{STAGING}-chat-errors"),
    "CloudWatch Logs": ("logs", f"arn:aws:logs:{HERE}:log-group:/aws/lambda/{STAGING}-chat"),
    "ECR": ("ecr", f"arn:aws:ecr:{HERE}:repository/{STAGING}-inference"),
    "EventBridge": ("events", f"arn:aws:events:{HERE}:rule/{STAGING}-nightly"),
    "IAM": ("iam", f"arn:aws:iam::{ACCOUNT}:role/{STAGING}-chat"),
    "Lambda": ("lambda", f"arn:aws:lambda:{HERE}:function:{STAGING}-chat"),
    "SNS": ("sns", f"arn:aws:sns:{HERE}:{STAGING}-alarms"),
    "SQS": ("sqs", f"arn:aws:sqs:{HERE}:{STAGING}-work"),
}
# Where the call is about another kind of resource, or about none in particular.
_DASHBOARD = f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{STAGING}"
_RESOURCES = {
    "cloudwatch:DeleteDashboards": _DASHBOARD,
    "cloudwatch:DescribeAlarms": "*",
    "cloudwatch:GetDashboard": _DASHBOARD,
    "cloudwatch:GetMetricData": "*",
    "cloudwatch:PutDashboard": _DASHBOARD,
    "ecr:GetAuthorizationToken": "*",
    "logs:DescribeLogGroups": "*",
}
_CONTEXT = {
    action: {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/bootstrap/{STAGING}"}
    for action in ("iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePolicy")
}
# What takes away what an apply makes: the stack stays while other tests use it.
_OPPOSITE = {
    "cloudwatch:PutDashboard": "cloudwatch:DeleteDashboards",
    "cloudwatch:PutMetricAlarm": "cloudwatch:DeleteAlarms",
    "ecr:CreateRepository": "ecr:DeleteRepository",
    "ecr:PutLifecyclePolicy": "ecr:DeleteLifecyclePolicy",
    "ecr:SetRepositoryPolicy": "ecr:DeleteRepositoryPolicy",
    "iam:CreateRole": "iam:DeleteRole",
    "iam:PutRolePolicy": "iam:DeleteRolePolicy",
    "lambda:AddPermission": "lambda:RemovePermission",
    "lambda:CreateAlias": "lambda:DeleteAlias",
    "lambda:CreateFunction": "lambda:DeleteFunction",
    "logs:CreateLogGroup": "logs:DeleteLogGroup",
    "sns:CreateTopic": "sns:DeleteTopic",
    "sns:Subscribe": "sns:Unsubscribe",
    "apigateway:POST": "apigateway:DELETE",
}
# What AWS asks beside: for the tags that everything gets, a function's role and its image.
_BESIDE = {
    "cloudwatch:TagResource",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "ecr:TagResource",
    "iam:TagRole",
    "lambda:PublishVersion",
    "lambda:TagResource",
    "logs:TagResource",
    "sns:TagResource",
}
# So does a stage that is made with tags, by an action that is in no list: docs/surprises.md.
_TAGGED_STAGE = ("apigateway:TagResource", "arn:aws:apigateway:us-east-1::/apis/abcdefghij/stages")
# What scripts/lambda_release calls.
_RELEASE = {
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "lambda:GetAlias",
    "lambda:GetFunctionConfiguration",
    "lambda:InvokeFunction",
    "lambda:ListVersionsByFunction",
    "lambda:UpdateAlias",
}
_MAKES = re.compile(r":(Create|Put|Add|Set.*Policy|Subscribe|POST)")
# Settings, which go with what they are set on.
_SETTINGS = {"logs:PutRetentionPolicy"}

# A record of the log begins with its time; a field may go over several lines.
_RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\dT)", re.MULTILINE)
_FIELD = re.compile(r'(rpc\.service|rpc\.method|http\.method|http\.url)=("[^"]*"|\S+)')


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call that the provider made."""

    service: str
    operation: str
    verb: str
    path: str

    def asked(self) -> Asked | None:
        """Return the action and the resource that AWS asks the caller's policies about, if any."""
        if self.service == "STS":
            return None  # everybody may ask who they are
        if self.service == "ApiGatewayV2":
            path = unquote(self.path.removeprefix("/v2"))
            return f"apigateway:{self.verb}", f"arn:aws:apigateway:us-east-1::{path}"
        assert self.service in _SERVICES, f"say here what calls of {self.service} ask for"
        prefix, resource = _SERVICES[self.service]
        action = f"{prefix}:{self.operation}"
        return action, _RESOURCES.get(action, resource)


def asked_by(log: Path) -> set[Asked]:
    """Return what AWS asked policies about for the calls that a provider told."""
    found = set()
    for record in _RECORD.split(log.read_text(encoding="utf-8")):
        if "HTTP Request Sent:" in record:
            fields = {name: value.strip('"') for name, value in _FIELD.findall(record)}
            call = Call(
                service=fields["rpc.service"],
                operation=fields["rpc.method"],
                verb=fields["http.method"],
                path=urlsplit(fields["http.url"]).path,
            )
            found.add(call.asked())
    return {each for each in found if each is not None}


@pytest.fixture(scope="module")
def resources(bootstrap: Bootstrap) -> dict[str, dict[str, Any]]:
    """What the bootstrap has made, by address."""
    return bootstrap.resources()


def about(actions: Iterable[str]) -> set[Asked]:
    """Return the actions with what they are asked about."""
    arns = dict(_SERVICES.values())
    return {(action, _RESOURCES.get(action, arns[action.partition(":")[0]])) for action in actions}


def policies_of(resources: dict[str, dict[str, Any]], role: str) -> Policies:
    """Return the policies that are attached to a role, by ARN."""
    attached = {
        values["policy_arn"]
        for address, values in resources.items()
        if address.startswith("aws_iam_role_policy_attachment.") and values["role"] == role
    }
    return {
        values["arn"]: json.loads(values["policy"])
        for values in resources.values()
        if values.get("arn") in attached
    }


def refused(
    asked: Iterable[Asked],
    simulator: Simulator,
    policies: Policies,
    boundaries: Policies | None = None,
) -> list[str]:
    """Return which of the actions are not allowed."""
    ordered = sorted(asked)
    answers = simulator.answers(
        [
            Request(
                action=action,
                resource=resource,
                policies=policies,
                boundaries=boundaries,
                context=_CONTEXT.get(action, {}),
            )
            for action, resource in ordered
        ]
    )
    return [
        f"{action} on {resource}"
        for (action, resource), answer in zip(ordered, answers, strict=True)
        if answer != ALLOWED
    ]


def test_a_deploy_role_may_make_every_call_of_an_apply_a_destroy_and_a_release(
    applied_stack: AppliedStack, resources: dict[str, dict[str, Any]], simulator: Simulator
) -> None:
    asked = asked_by(applied_stack.apply_log)
    made = {each for each in asked if _MAKES.search(each[0]) and each[0] not in _SETTINGS}
    policies = policies_of(resources, "python-lambda-deploy-staging")

    assert ("lambda:CreateFunction", _SERVICES["Lambda"][1]) in asked
    assert {action for action, _ in made} <= set(_OPPOSITE), "say here what takes it away"
    removed = {(_OPPOSITE[action], resource) for action, resource in made}
    beside = {_TAGGED_STAGE} | about(_BESIDE | _RELEASE)
    assert refused(asked | removed | beside, simulator, policies) == []


def test_the_plan_role_may_make_every_call_of_a_plan(
    applied_stack: AppliedStack,
    resources: dict[str, dict[str, Any]],
    simulator: Simulator,
    tmp_path: Path,
) -> None:
    log = tmp_path / "plan.log"
    planned = applied_stack.run("plan", input=False, lock=False, variables=calls_told_to(log))
    assert planned.exit_code == 0, planned.output

    asked = asked_by(log)

    assert ("lambda:GetFunction", _SERVICES["Lambda"][1]) in asked
    assert refused(asked, simulator, policies_of(resources, "python-lambda-plan")) == []


def test_what_the_stack_grants_its_functions_is_within_the_boundary(
    applied_stack: AppliedStack, resources: dict[str, dict[str, Any]], simulator: Simulator
) -> None:
    boundary = json.loads(resources['aws_iam_policy.boundary["staging"]']["policy"])
    iam = applied_stack.boto3("iam")
    for role in iam.list_roles()["Roles"]:
        names = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        documents = {
            name: iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
            for name in names
        }
        # As it would be in an environment.
        granted = json.loads(json.dumps(documents).replace(f"{STACK}-", f"{STAGING}-"))
        asked = {
            (action, resource)
            for document in granted.values()
            for statement in document["Statement"]
            for action in statement["Action"]
            for resource in statement["Resource"]
        }

        assert asked, f"{role['RoleName']} is granted nothing"
        assert refused(asked, simulator, granted, {"boundary": boundary}) == []
