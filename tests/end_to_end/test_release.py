"""A release as a deployment does it: pin, plan, apply, release; and the ways that it fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from applied_stack import AppliedStack, serve_root
from python_terraform import IsFlagged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROOT = """\
terraform {
  required_providers {
    archive  = { source = "hashicorp/archive" }
    aws      = { source = "hashicorp/aws" }
    external = { source = "hashicorp/external" }
  }
}

variable "release" {
  type = map(object({
    version                    = string
    additional_version_weights = optional(map(number))
  }))
  default = {}
}

module "hello" {
  source = "./modules/zip_function"

  name    = "hello"
  package = { source = "src", requirements = "" }
  release = lookup(var.release, "hello", null)
}

module "api" {
  source = "./modules/http_api"

  name   = "hello"
  routes = { "GET /hello" = { function = module.hello.function } }
}

module "alarms" {
  source = "./modules/alarms"

  name      = "hello"
  functions = { hello = module.hello.function }
  apis      = { api = module.api.id }
}

output "functions" {
  value = {
    hello = {
      function_name = module.hello.function.name
      alias_name    = module.hello.function.alias_name
      check         = { route = "GET /hello" }
      alarms        = concat(module.alarms.function_alarms.hello, module.alarms.api_alarms.api)
    }
  }
}
"""

_CODE = """\
def handler(event, context):
    assert event["requestContext"]["http"]["method"] == "GET"
    return {{"statusCode": 200, "body": {!r}}}
"""

_PINNED = "release.tfvars.json"
_PATIENCE_S = 120.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """A root with a function behind an API, and the tools that deploy it."""

    aws: AppliedStack

    def apply(self, answer: str, *, pinned: bool) -> None:
        """Deploy code that answers so."""
        code = self.aws.root / "src/index.py"
        code.write_text(_CODE.format(answer), encoding="utf-8")
        files: dict[str, Any] = {"var_file": _PINNED} if pinned else {}
        applied = self.aws.run("apply", input=False, auto_approve=IsFlagged, **files)
        assert applied.exit_code == 0, applied.output

    def plans_nothing(self) -> bool:
        """Pin what is live, and return whether a plan leaves everything as it is."""
        self.tool("pin")
        planned = self.aws.run("plan", input=False, var_file=_PINNED)
        assert planned.exit_code == 0, planned.output
        return "No changes." in planned.output

    @contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start the release tool; at the end of this it has ended, or is killed."""
        command = [sys.executable, "-m", "lambda_release", *arguments]
        command += ["--terraform", os.fspath(self.aws.root)]
        with subprocess.Popen(
            command,
            env={**os.environ, **self.aws.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def tool(self, *arguments: str, exit_code: int = 0) -> str:
        """Run the release tool, expect that exit code, and return what it said."""
        with self.start(*arguments) as process:
            out, error = process.communicate(timeout=_PATIENCE_S)
        assert process.returncode == exit_code, error
        return out + error

    def ask(self) -> str:
        """Return what a caller of the API gets."""
        answer = httpx.get(f"{self.aws.front_url}/hello", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.text

    def weights(self) -> dict[str, float]:
        """Return the shares of other versions than the one that is live."""
        alias = self.aws.boto3("lambda").get_alias(FunctionName="hello", Name="live")
        weights: dict[str, float] = alias.get("RoutingConfig", {}).get(
            "AdditionalVersionWeights", {}
        )
        return weights

    def wait_for_share(self, process: subprocess.Popen[str]) -> None:
        """Return when a release has given the new version its share."""
        until = time.monotonic() + _PATIENCE_S
        while not self.weights():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)

    def alarm(self, state: str) -> None:
        """Set the state of the function's alarm, as CloudWatch does by its metric."""
        self.aws.boto3("cloudwatch").set_alarm_state(
            AlarmName="hello-errors", StateValue=state, StateReason="3 datapoints were 1"
        )


@pytest.fixture(scope="module")
def deployment(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The root in an AWS of its own, whose first version is live."""
    folder = tmp_path_factory.mktemp("release")
    root = folder / "root"
    (root / "src").mkdir(parents=True)
    (root / "modules").symlink_to(project / "terraform/modules")
    (root / "main.tf").write_text(_ROOT, encoding="utf-8")
    with ExitStack() as exits:
        deployment = Deployment(aws=serve_root(root, folder, exits))
        deployment.apply("one", pinned=False)
        yield deployment


# One after another, as deployments are: each begins with what the one before has left.


def test_a_deployment_publishes_a_version_and_the_release_moves_callers_to_it(
    deployment: Deployment,
) -> None:
    assert deployment.ask() == "one"

    deployment.tool("pin")
    deployment.apply("two", pinned=True)
    assert deployment.ask() == "one", "the apply moves nobody"

    said = deployment.tool("release", "--watch-s", "1", "--interval-s", "1")

    assert "hello: version 2 is live" in said
    assert {deployment.ask() for _ in range(20)} == {"two"}
    assert deployment.plans_nothing()


def test_an_alarm_at_a_tenth_takes_the_new_version_back(deployment: Deployment) -> None:
    deployment.tool("pin")
    deployment.apply("three", pinned=True)

    with deployment.start("release", "--watch-s", "3600", "--interval-s", "0.2") as process:
        deployment.wait_for_share(process)
        answers = {deployment.ask()}
        while len(answers) == 1:  # a tenth goes to the new version
            answers.add(deployment.ask())
        deployment.alarm("ALARM")
        _, error = process.communicate(timeout=_PATIENCE_S)

    assert answers == {"two", "three"}
    assert process.returncode == 7, error
    assert "hello-errors rang: 3 datapoints were 1" in error
    assert re.search(r"watching: hello 0 errors in [1-9]\d* requests", error), error
    assert {deployment.ask() for _ in range(20)} == {"two"}
    deployment.alarm("OK")
    assert "was taken back" in deployment.tool("release"), "the next one does not undo that"


def test_a_release_that_was_killed_is_gone_on_with_and_no_plan_touches_it(
    deployment: Deployment,
) -> None:
    with deployment.start("release", "hello", "--version", "3", "--watch-s", "3600") as process:
        deployment.wait_for_share(process)

    assert deployment.weights() == {"3": 0.1}
    assert deployment.plans_nothing()

    deployment.tool("release", "hello", "--version", "3", "--watch-s", "1")
    assert deployment.ask() == "three"


def test_a_rollback_is_at_once_and_no_plan_undoes_it(deployment: Deployment) -> None:
    assert "hello: version 2 is live" in deployment.tool("rollback", "hello")
    assert deployment.ask() == "two"
    assert deployment.plans_nothing()
    pinned = json.loads((deployment.aws.root / _PINNED).read_text(encoding="utf-8"))
    assert pinned == {"release": {"hello": {"version": "2"}}}
