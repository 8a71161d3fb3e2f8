"""The stack as it stands in AWS once it is applied."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from python_terraform import IsFlagged

if TYPE_CHECKING:
    from pathlib import Path

    from applied_stack import AppliedStack

FUNCTION = "python-lambda-chat"
INFERENCE = "python-lambda-inference"
ROUTES = {
    "GET /chat/health": FUNCTION,
    "POST /chat": FUNCTION,
    "GET /inference/health": INFERENCE,
    "GET /inference/model": INFERENCE,
    "POST /inference": INFERENCE,
    "POST /inference/": INFERENCE,
}
MODEL = "amazon.nova-lite-v1:0"


@pytest.fixture(scope="module")
def live(applied_stack: AppliedStack) -> dict[str, Any]:
    """The configuration of chat's alias live."""
    configuration: dict[str, Any] = applied_stack.boto3("lambda").get_function_configuration(
        FunctionName=FUNCTION, Qualifier="live"
    )
    return configuration


@pytest.fixture(scope="module")
def api_id(applied_stack: AppliedStack) -> str:
    """The API's id, as its URL has it."""
    url: str = applied_stack.outputs["api_url"]
    return url.removeprefix("https://").partition(".")[0]


def test_the_outputs_tell_what_to_call(applied_stack: AppliedStack) -> None:
    outputs = applied_stack.outputs

    assert outputs["chat_function_name"] == FUNCTION
    assert outputs["chat_function_alias_arn"].endswith(f":function:{FUNCTION}:live")
    assert outputs["chat_log_group"] == f"/aws/lambda/{FUNCTION}"
    assert outputs["api_url"].startswith(f"https://{outputs['api_id']}.execute-api.")
    assert outputs["chat_package"]["lock"].startswith("sha256:")
    assert outputs["inference_function_name"] == INFERENCE
    assert outputs["inference_function_alias_arn"].endswith(f":function:{INFERENCE}:live")
    assert outputs["inference_log_group"] == f"/aws/lambda/{INFERENCE}"


def test_chat_is_what_its_function_json_says(live: dict[str, Any], project: Path) -> None:
    said = json.loads(project.joinpath("backend/chat/function.json").read_text(encoding="utf-8"))

    assert live["Runtime"] == said["runtime"]
    assert live["Handler"] == said["handler"]
    assert live["Architectures"] == [said["architecture"]]
    assert live["Description"] == said["description"]


def test_chat_gets_the_compute_and_the_environment_of_the_stacks_variables(
    live: dict[str, Any],
) -> None:
    assert live["MemorySize"] == 512
    assert live["Timeout"] == 29
    assert live["Environment"]["Variables"] == {"BEDROCK_MODEL_ID": MODEL, "LOG_LEVEL": "INFO"}


def test_the_alias_serves_the_published_version(
    applied_stack: AppliedStack, live: dict[str, Any]
) -> None:
    assert live["Version"] == applied_stack.outputs["chat_function_version"] != "$LATEST"


def test_inference_is_the_image_that_the_outputs_tell(
    applied_stack: AppliedStack, project: Path
) -> None:
    said = json.loads(
        project.joinpath("backend/inference/function.json").read_text(encoding="utf-8")
    )

    function = applied_stack.boto3("lambda").get_function(FunctionName=INFERENCE, Qualifier="live")

    assert function["Code"]["ImageUri"] == applied_stack.outputs["inference_package"]["uri"]
    assert "@sha256:" in function["Code"]["ImageUri"]
    configuration = function["Configuration"]
    assert configuration["PackageType"] == "Image"
    assert configuration["Architectures"] == [said["architecture"]]
    assert configuration["Description"] == said["description"]
    assert configuration["MemorySize"] == 1024
    assert configuration["Environment"]["Variables"] == {"LOG_LEVEL": "INFO"}
    assert configuration["Version"] == applied_stack.outputs["inference_function_version"]


def test_the_repository_of_inference_is_for_that_function(applied_stack: AppliedStack) -> None:
    ecr = applied_stack.boto3("ecr")
    [repository] = ecr.describe_repositories(repositoryNames=[INFERENCE])["repositories"]
    policy = json.loads(ecr.get_repository_policy(repositoryName=INFERENCE)["policyText"])

    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    assert (
        repository["repositoryUri"] == applied_stack.outputs["inference_package"]["repository_url"]
    )
    function = f"arn:aws:lambda:us-east-1:123456789012:function:{INFERENCE}"
    [statement] = policy["Statement"]
    assert statement["Condition"] == {"ArnLike": {"aws:SourceArn": [function, f"{function}:*"]}}


def test_chats_role_allows_its_model_and_its_log_and_nothing_else(
    applied_stack: AppliedStack,
) -> None:
    iam = applied_stack.boto3("iam")
    assert not iam.list_attached_role_policies(RoleName=FUNCTION)["AttachedPolicies"]
    names = iam.list_role_policies(RoleName=FUNCTION)["PolicyNames"]
    statements = [
        statement
        for name in names
        for statement in iam.get_role_policy(RoleName=FUNCTION, PolicyName=name)["PolicyDocument"][
            "Statement"
        ]
    ]

    assert sorted(statements, key=lambda statement: statement["Sid"]) == [
        {
            "Sid": "Logs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": [f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/{FUNCTION}:*"],
        },
        {
            "Sid": "Model",
            "Effect": "Allow",
            "Action": ["bedrock:InvokeModel"],
            "Resource": [f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}"],
        },
    ]


def test_every_log_ends(applied_stack: AppliedStack) -> None:
    groups = applied_stack.boto3("logs").describe_log_groups()["logGroups"]

    assert {group["logGroupName"]: group.get("retentionInDays") for group in groups} == {
        f"/aws/lambda/{FUNCTION}": 30,
        f"/aws/lambda/{INFERENCE}": 30,
        "/aws/vendedlogs/http-api/python-lambda": 30,
    }


def test_routes_lead_to_the_alias_which_lets_each_in_by_name(
    applied_stack: AppliedStack, api_id: str
) -> None:
    gateway = applied_stack.boto3("apigatewayv2")
    routes = gateway.get_routes(ApiId=api_id)["Items"]
    integrations = {
        item["IntegrationId"]: item for item in gateway.get_integrations(ApiId=api_id)["Items"]
    }

    assert sorted(route["RouteKey"] for route in routes) == sorted(ROUTES)
    for route in routes:
        integration = integrations[route["Target"].removeprefix("integrations/")]
        alias = _alias_arn(ROUTES[route["RouteKey"]])
        assert integration["IntegrationUri"].endswith(f"/functions/{alias}/invocations")
        assert integration["PayloadFormatVersion"] == "2.0"

    for function in (FUNCTION, INFERENCE):
        policy = json.loads(
            applied_stack.boto3("lambda").get_policy(FunctionName=function, Qualifier="live")[
                "Policy"
            ]
        )
        assert sorted(
            statement["Condition"]["ArnLike"]["AWS:SourceArn"] for statement in policy["Statement"]
        ) == sorted(
            f"arn:aws:execute-api:us-east-1:123456789012:{api_id}/*/{key.replace(' ', '')}"
            for key, routed in ROUTES.items()
            if routed == function
        )
        assert {statement["Principal"]["Service"] for statement in policy["Statement"]} == {
            "apigateway.amazonaws.com"
        }


def _alias_arn(function: str) -> str:
    return f"arn:aws:lambda:us-east-1:123456789012:function:{function}:live"


def test_the_api_throttles_and_logs(applied_stack: AppliedStack, api_id: str) -> None:
    stage = applied_stack.boto3("apigatewayv2").get_stage(ApiId=api_id, StageName="$default")

    assert stage["AutoDeploy"]
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 20
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 40
    assert ":log-group:/aws/vendedlogs/http-api/" in stage["AccessLogSettings"]["DestinationArn"]
    assert json.loads(stage["AccessLogSettings"]["Format"])["status"] == "$context.status"


def test_a_plan_straight_after_an_apply_is_empty(applied_stack: AppliedStack) -> None:
    assert applied_stack.plan_exit_code() == 0


def test_a_saved_plan_is_refused_when_the_zip_at_its_path_is_not_the_one_planned(
    applied_stack: AppliedStack, tmp_path: Path
) -> None:
    saved = str(tmp_path / "saved.tfplan")
    planned = applied_stack.run("plan", input=False, out=saved, var={"chat_lambda_memory": "640"})
    assert planned.exit_code == 0, planned.output
    archive = applied_stack.root / applied_stack.outputs["chat_package"]["path"]
    planned_bytes = archive.read_bytes()

    try:
        archive.write_bytes(planned_bytes + b"somebody built again")
        applied = applied_stack.run("apply", saved, input=False)
    finally:
        archive.write_bytes(planned_bytes)

    assert applied.exit_code == 1
    assert "chat_function.zip is not the file that was planned" in " ".join(applied.output.split())
    memory = applied_stack.boto3("lambda").get_function_configuration(FunctionName=FUNCTION)
    assert memory["MemorySize"] == 512


def test_planning_to_destroy_builds_nothing(applied_stack: AppliedStack, tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\necho no build is possible here >&2\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    no_build = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    # The trap works: what builds, fails.
    plan = applied_stack.run("plan", input=False, variables=no_build)
    assert "no build is possible here" in plan.output

    listed = applied_stack.run("state list").output.splitlines()
    resources = [address for address in listed if address and ".data." not in f".{address}"]

    destroy = applied_stack.run(
        "plan",
        input=False,
        destroy=IsFlagged,
        refresh=False,
        out=str(tmp_path / "destroy.tfplan"),
        variables=no_build,
    )

    assert destroy.exit_code == 0, destroy.output
    assert f"0 to add, 0 to change, {len(resources)} to destroy" in destroy.output
