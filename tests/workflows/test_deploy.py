"""The deploy workflow, run by act against the local AWS, in the ways that it ends."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from workflows.world import BUCKET, DEPLOY_ROLE, PLAN_ROLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workflows.act import Run
    from workflows.world import World

PLAN = "deploy environment/plan"
APPLY = "deploy environment/apply"
STATE = "stack/staging.tfstate"
LOCK = f"{STATE}.tflock"

PACK = "Pack the plan and what it reads"
VERIFY = "Verify the bundle, and put its files where they were planned"
BECOME = "Become the role that deploys"
TERRAFORM_APPLY = "Apply what was planned"
RELEASE = "Release the new versions, watched"


@pytest.fixture(scope="session")
def pushed(world: World) -> Run:
    """The first push to main, of an account with nothing but a bucket for states."""
    run = world.act.push()
    assert run.exit_code == 0, run.output
    return run


@pytest.fixture
def deployed(world: World, pushed: Run) -> dict[str, Any]:
    """What answers in staging when a test begins."""
    return world.answer("staging")


def test_a_push_goes_to_staging_and_then_to_production(world: World, pushed: Run) -> None:
    answered = [
        re.search(rf"{name}/{re.escape(APPLY)}\W+version 1 of chat answers", pushed.output)
        for name in ("staging", "production")
    ]

    staging, production = answered
    assert staging
    assert production
    assert staging.start() < production.start()
    assert world.answer("staging") == world.answer("production")


def test_who_plans_may_read_and_who_applies_may_deploy(pushed: Run) -> None:
    roles = re.findall(r"(\w+)/deploy environment/(\w+)\W+stand-in: becomes (\S+)", pushed.output)

    assert roles == [
        ("staging", "plan", PLAN_ROLE),
        ("staging", "apply", DEPLOY_ROLE),
        ("production", "plan", PLAN_ROLE),
        ("production", "apply", DEPLOY_ROLE),
    ]


def test_the_package_that_was_planned_is_the_one_that_runs(world: World, pushed: Run) -> None:
    package = hashlib.sha256(world.package("staging").read_bytes()).digest()
    function = world.boto3("lambda").get_function(
        FunctionName="python-lambda-staging-chat", Qualifier="live"
    )

    assert function["Configuration"]["CodeSha256"] == base64.b64encode(package).decode()


@pytest.mark.usefixtures("docker_engine")
def test_an_image_is_built_in_staging_and_promoted_to_production(world: World, pushed: Run) -> None:
    functions = world.boto3("lambda")
    images = [
        functions.get_function(FunctionName=f"python-lambda-{environment}-inference")["Code"]
        for environment in ("staging", "production")
    ]

    staging, production = (image["ImageUri"].partition("@") for image in images)
    assert staging[0].endswith("/python-lambda-staging-inference")
    assert production[0].endswith("/python-lambda-production-inference")
    assert staging[2] == production[2]
    digest = re.escape(staging[2])
    done = re.findall(rf"(\w+)/{APPLY}\W.*@{digest}  (.+)", pushed.output)
    assert done == [("staging", "pushed"), ("production", "promoted")]


def test_a_summary_tells_what_changes_and_no_values(pushed: Run) -> None:
    assert "## Plan of staging" in pushed.output
    assert "| create | `module.chat.module.function.aws_lambda_function.this` |  |" in pushed.output


def test_an_alarm_at_ten_percent_takes_the_new_version_back(
    world: World, deployed: dict[str, Any]
) -> None:
    world.change_chat("rung")
    before = world.alias("staging")["FunctionVersion"]

    with ringing_when_shared(world):
        run = world.act.push(job="staging", variables={"RELEASE_WATCH_S": "60"})

    assert run.exit_code != 0, run.output
    assert run.step(f"staging/{APPLY}", RELEASE) == "Failure", run.output
    assert "gets 10 % of the requests" in run.output
    assert "the alarm python-lambda-staging-chat-errors rang" in run.output
    alias = world.alias("staging")
    assert alias["FunctionVersion"] == before
    assert not alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")
    assert world.answer("staging") == deployed


@contextmanager
def ringing_when_shared(world: World) -> Iterator[None]:
    """Have chat's alarm ring as soon as a new version has a share of the requests."""
    done = threading.Event()

    def set_state(state: str) -> None:
        world.boto3("cloudwatch").set_alarm_state(
            AlarmName="python-lambda-staging-chat-errors", StateValue=state, StateReason="a test"
        )

    def ring() -> None:
        while not done.wait(0.5):
            if world.alias("staging").get("RoutingConfig", {}).get("AdditionalVersionWeights"):
                set_state("ALARM")
                return

    thread = threading.Thread(target=ring)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        set_state("OK")


def test_a_roll_back_is_undone_neither_by_a_plan_that_is_under_way_nor_by_the_next_deployment(
    world: World, deployed: dict[str, Any], tmp_path: Path
) -> None:
    world.change_chat("to be rolled back")
    newer = world.act.push(job="staging")
    assert newer.exit_code == 0, newer.output
    assert world.answer("staging")["text"] == "to be rolled back"

    roll_back = ".venv/bin/lambda-release rollback chat --terraform terraform >&2 || exit"
    refused = world.act.push(
        job="staging", environment=world.planning_terraform(tmp_path, roll_back)
    )
    assert refused.step(f"staging/{PLAN}", PACK) == "Failure", refused.output
    assert "the plan would move an alias back" in refused.output
    assert not refused.step(f"staging/{APPLY}", TERRAFORM_APPLY)
    assert world.answer("staging") == deployed

    # It publishes nothing, and the newest version is the one that was taken back.
    again = world.act.push(job="staging")
    assert again.exit_code == 0, again.output
    assert "was taken back, rolled back by hand." in again.output
    assert world.answer("staging") == deployed


def test_red_tests_deploy_nothing(world: World, deployed: dict[str, Any]) -> None:
    run = world.act.push(environment={"STAND_IN_TESTS_EXIT_CODE": "1"})

    assert run.exit_code != 0, run.output
    assert run.step("deploy/linters and tests", "Lint and test") == "Failure"
    assert "/deploy environment/" not in run.output


def test_without_roles_there_is_nowhere_to_deploy_to(world: World) -> None:
    run = world.act.push(variables={"AWS_PLAN_ROLE_ARN": ""})

    assert run.exit_code == 0, run.output
    assert run.step("deploy/linters and tests", "Lint and test") == "Success"
    assert "/deploy environment/" not in run.output


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        pytest.param(
            "printf x >> lambda_packages/chat_function.zip",
            "lambda_packages/chat_function.zip was changed",
            id="a-byte-more",
        ),
        pytest.param(
            "rm -r lambda_packages",
            "lambda_packages/chat_function.zip is missing",
            id="no-packages",
        ),
    ],
)
def test_another_artefact_than_was_planned_is_refused_before_there_are_credentials(
    world: World, deployed: dict[str, Any], happens: str, says: str
) -> None:
    world.change_chat(says)

    run = world.act.push(job="staging", environment={"STAND_IN_ON_DOWNLOAD": happens})

    assert run.exit_code != 0, run.output
    assert run.step(f"staging/{APPLY}", VERIFY) == "Failure"
    assert says in run.output
    assert not run.step(f"staging/{APPLY}", BECOME)
    assert world.answer("staging") == deployed


def test_a_stale_plan_is_refused(world: World, deployed: dict[str, Any]) -> None:
    world.change_chat("stale")
    program = Path(__file__).with_name("another_apply.py")
    command = [sys.executable, program, world.endpoint_url, BUCKET, STATE]

    run = world.act.push(
        job="staging",
        environment={"STAND_IN_ON_DOWNLOAD": shlex.join(map(str, command))},
    )

    assert run.exit_code != 0, run.output
    assert run.step(f"staging/{APPLY}", TERRAFORM_APPLY) == "Failure", run.output
    assert "Saved plan is stale" in run.output
    assert world.answer("staging") == deployed


def test_an_apply_that_was_killed_is_finished_by_the_next_one_when_its_lock_is_gone(
    world: World, deployed: dict[str, Any], tmp_path: Path
) -> None:
    world.change_chat("after the kill")
    # It may have been changed, and Terraform did not write down that it was.
    killing = world.killing_terraform(tmp_path, "aws_lambda_function.this: Modifying")

    killed = world.act.push(job="staging", environment=killing)
    assert killed.exit_code != 0
    assert killed.step(f"staging/{APPLY}", TERRAFORM_APPLY) == "Failure"
    assert world.answer("staging") == deployed

    # What it says is what two applies at once are told, too.
    refused = world.act.push(job="staging")
    assert refused.exit_code != 0
    assert refused.step(f"staging/{APPLY}", TERRAFORM_APPLY) == "Failure"
    assert "Error acquiring the state lock" in refused.output
    assert world.answer("staging") == deployed

    _unlock(world, refused)
    finished = world.act.push(job="staging")
    assert finished.exit_code == 0, finished.output
    answer = world.answer("staging")
    assert answer["text"] == "after the kill"
    assert int(answer["function_version"]) > int(deployed["function_version"])


def _unlock(world: World, refused: Run) -> None:
    """Remove the lock that was left behind, as docs/guides/deployment.md says."""
    [lock] = set(re.findall(r"ID:\s+([0-9a-f-]{36})", refused.output))
    environment = {
        **world.act.environment,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    terraform = ["terraform", "-chdir=terraform"]
    for words in (
        [
            "init",
            "-input=false",
            "-reconfigure",
            "-backend-config=environments/staging.s3.tfbackend",
        ],
        ["force-unlock", "-force", lock],
    ):
        subprocess.run(
            [*terraform, *words], cwd=world.act.clone, env=environment, check=True, timeout=120
        )
    assert not world.boto3("s3").list_objects_v2(Bucket=BUCKET, Prefix=LOCK).get("Contents")
