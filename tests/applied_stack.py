"""The stack, applied by python-terraform to the local AWS: the one place that knows that library.

python-terraform 0.10.1 is from 2019: of its methods `cmd` is used, which takes any command, and
`output` (docs/surprises.md).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
from local_aws.providers import find_providers
from local_aws.stack import Stack, image_functions, image_placeholders
from python_terraform import IsFlagged, Terraform

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from local_aws.providers import Providers

_LIMIT_S = 900  # an apply takes a minute or two where nothing else runs


class TerraformFailedError(Exception):
    """Terraform ended with an exit code that was not expected; the message is what it said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What a run of Terraform said."""

    exit_code: int
    output: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AppliedStack:
    """A stack that stands in the local AWS."""

    root: Path
    environment: Mapping[str, str]
    endpoint_url: str
    front_url: str
    providers: str
    containers_off: str
    """Why its container functions cannot run; empty: they can."""

    @property
    def apply_log(self) -> Path:
        """What the providers told while the stack was applied: each call of AWS."""
        return self.root.parent / "apply.log"

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, by name."""
        with mock.patch.dict(os.environ, self.environment):
            outputs = Terraform(working_dir=os.fspath(self.root)).output()
        return {name: output["value"] for name, output in outputs.items()}

    def run(
        self,
        command: str,
        *arguments: str,
        root: Path | None = None,
        variables: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Run:
        """Run a Terraform command in the stack's root, or in another one, within a time limit.

        `variables` are added to its environment.
        """
        # python-terraform has no time limit, and its `synchronous=False` ends up as a flag:
        # coreutils' timeout in place of the executable gives it one.
        terraform = Terraform(
            working_dir=os.fspath(root or self.root), terraform_bin_path="timeout"
        )
        environment = {**self.environment, **(variables or {})}
        with mock.patch.dict(os.environ, environment), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it calls Logger.warn
            exit_code, out, error = terraform.cmd(
                f"--kill-after=10 {_LIMIT_S} terraform {command}",
                *arguments,
                no_color=IsFlagged,
                **options,
            )
        return Run(exit_code=exit_code, output=out + error)

    def plan_exit_code(self, *arguments: str) -> int:
        """Return 0 when a plan has no changes, 2 when it has some, 1 when it fails."""
        return self.run("plan", *arguments, input=False, detailed_exitcode=IsFlagged).exit_code

    def boto3(self, service: str) -> Any:
        """Return a client of the local AWS."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )


def apply_stack(
    project: Path, folder: Path, exits: ExitStack, *, variables: Mapping[str, str] | None = None
) -> AppliedStack:
    """Start an AWS, apply the stack to it, and leave both to `exits` to undo.

    `variables` are added to Terraform's environment.
    """
    told = serve(folder, exits)
    off = image_placeholders(image_functions(project)) if told["containers_off"] else {}
    environment = {**told["environment"], **(variables or {}), **off}
    providers = find_providers(folder)
    stack = Stack(project=project, work_dir=folder, environment=environment, providers=providers)
    stack.prepare()
    applied = _in_aws(stack.root, told, environment, providers)
    _expect_success(applied.run("init", input=False))
    told_to = calls_told_to(applied.apply_log)
    _expect_success(
        applied.run("apply", input=False, auto_approve=IsFlagged, parallelism=20, variables=told_to)
    )
    return applied


def calls_told_to(log: Path) -> dict[str, str]:
    """Return variables by which Terraform's providers write each call of AWS into `log`."""
    return {"TF_LOG_PROVIDER": "DEBUG", "TF_LOG_PATH": os.fspath(log)}


def serve_root(root: Path, folder: Path, exits: ExitStack) -> AppliedStack:
    """Start an AWS for another root than the stack's, and initialise that; nothing is applied."""
    told = serve(folder, exits)
    stack = _in_aws(root, told, told["environment"], find_providers(folder))
    _expect_success(stack.run("init", input=False))
    return stack


def _in_aws(
    root: Path, told: Mapping[str, Any], environment: Mapping[str, str], providers: Providers
) -> AppliedStack:
    return AppliedStack(
        root=root,
        environment={**environment, **providers.environment, "CHECKPOINT_DISABLE": "1"},
        endpoint_url=told["environment"]["AWS_ENDPOINT_URL"],
        front_url=told["front_url"],
        providers=str(providers),
        containers_off=told["containers_off"],
    )


def serve(folder: Path, exits: ExitStack) -> dict[str, Any]:
    """Start an AWS in a process of its own, and return what it tells."""
    server = exits.enter_context(
        subprocess.Popen(
            [sys.executable, Path(__file__).with_name("serve_local_aws.py"), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    # Popen's own exit closes stdin, which ends the server, and waits for it.
    assert server.stdout is not None
    told: dict[str, Any] = json.loads(server.stdout.readline())
    return told


def _expect_success(run: Run) -> None:
    if run.exit_code:
        raise TerraformFailedError(run.output)
