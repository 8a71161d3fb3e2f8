"""Container functions where nothing can run them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3
from local_aws.server import LocalAws

if TYPE_CHECKING:
    from pathlib import Path


def test_an_image_is_deployed_and_invoking_it_says_what_is_missing(tmp_path: Path) -> None:
    reason = "no Docker engine answers: start it"
    with LocalAws(tmp_path, containers=reason) as local:
        session = boto3.Session("local", "local", region_name="us-east-1")
        role = session.client("iam", endpoint_url=local.endpoint_url).create_role(
            RoleName="containers-off", AssumeRolePolicyDocument="{}"
        )
        functions = session.client("lambda", endpoint_url=local.endpoint_url)
        functions.create_function(
            FunctionName="off",
            Role=role["Role"]["Arn"],
            PackageType="Image",
            Code={"ImageUri": f"registry.invalid/any@sha256:{'0' * 64}"},
        )
        answer = functions.invoke(FunctionName="off")
        listed = {each.name: each.obstacle for each in local.functions()}
        failures = local.bring_images()
    error = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled"
    assert error["errorType"] == "LocalAws.RuntimeUnavailable"
    assert error["errorMessage"].endswith(reason)
    assert listed["off"] == error["errorMessage"]
    assert failures == []
