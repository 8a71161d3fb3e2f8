"""What the deploy workflow meets here: act for GitHub, a local AWS, and a small stack."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from applied_stack import serve
from local_aws.providers import find_providers
from local_aws.terraform import find_terraform
from workflows.act import Act, clone_project, commit, runner_environment

if TYPE_CHECKING:
    from contextlib import ExitStack

REGION = "us-east-1"
BUCKET = "python-lambda-state-123456789012"
PLAN_ROLE = "arn:aws:iam::123456789012:role/bootstrap/python-lambda-plan"
DEPLOY_ROLE = "arn:aws:iam::123456789012:role/bootstrap/python-lambda-deploy"


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """A clone of the project, what runs its workflows, and the AWS that they deploy to."""

    act: Act
    endpoint_url: str
    front_url: str

    def boto3(self, service: str) -> Any:
        """Return a client of the AWS."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def answer(self, environment: str) -> dict[str, Any]:
        """Return what chat says of itself in an environment, asked through its API."""
        apis = self.boto3("apigatewayv2").get_apis()["Items"]
        [api] = [api for api in apis if api["Name"] == f"python-lambda-{environment}"]
        with urllib.request.urlopen(f"{self.front_url}/{api['ApiId']}/chat/health") as answer:
            said: dict[str, Any] = json.load(answer)
        return said

    def change_chat(self, text: str) -> None:
        """Commit a version of chat that answers with another text."""
        source = self.act.clone / "backend" / "chat" / "index.py"
        lines = source.read_text("utf-8").splitlines(keepends=True)
        changed = [f'TEXT = "{text}"\n' if line.startswith("TEXT = ") else line for line in lines]
        source.write_text("".join(changed), "utf-8")
        commit(self.act.clone)

    def package(self, environment: str) -> Path:
        """Return chat's package in the artefact of the last plan."""
        artefacts = Path(self.act.environment["STAND_IN_ARTEFACTS"])
        return artefacts / f"bundle-{environment}" / "lambda_packages" / "chat_function.zip"

    def alias(self, environment: str) -> dict[str, Any]:
        """Return what chat's alias serves in an environment."""
        alias: dict[str, Any] = self.boto3("lambda").get_alias(
            FunctionName=f"python-lambda-{environment}-chat", Name="live"
        )
        return alias

    def killing_terraform(self, folder: Path, when: str) -> dict[str, str]:
        """Return the environment of a runner that kills an apply of Terraform when it says so."""
        program = Path(__file__).with_name("killed_terraform.py")
        command = f'exec "{sys.executable}" "{program}" "{find_terraform()}" "$@"'
        return {"PATH": self._path_with_terraform(folder, command), "STAND_IN_KILL_AT": when}

    def planning_terraform(self, folder: Path, command: str) -> dict[str, str]:
        """Return the environment of a runner where a command runs before each plan."""
        lines = [
            f'case " $* " in *" plan "*) {command} ;; esac',
            f'exec "{find_terraform()}" "$@"',
        ]
        return {"PATH": self._path_with_terraform(folder, "\n".join(lines))}

    def _path_with_terraform(self, folder: Path, script: str) -> str:
        terraform = folder / "terraform"
        terraform.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        terraform.chmod(0o755)
        return os.pathsep.join([os.fspath(folder), self.act.environment["PATH"]])


def make_world(project: Path, folder: Path, exits: ExitStack) -> World:
    """Start an AWS that has a bucket for states, and clone the project.

    Without Docker there is no container function.
    """
    told = serve(folder, exits)
    aws, front_url = told["environment"], told["front_url"]
    environment = runner_environment(folder, aws, find_providers(folder).environment)
    act = Act(
        clone=clone_project(project, folder / "clone"),
        work_dir=folder,
        environment={
            **environment,
            "TF_VAR_front_url": front_url,
            "TF_VAR_has_docker": str(not told["containers_off"]).lower(),
        },
        variables={
            "AWS_REGION": REGION,
            "AWS_PLAN_ROLE_ARN": PLAN_ROLE,
            "AWS_DEPLOY_ROLE_ARN": DEPLOY_ROLE,
            "RELEASE_WATCH_S": "1",
        },
    )
    world = World(
        act=act,
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        front_url=front_url,
    )
    world.boto3("s3").create_bucket(Bucket=BUCKET)
    return world
