"""The account's bootstrap as it stands in AWS once it is applied, and the state it keeps there."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from terraform.applied_bootstrap import Bootstrap

STATE = "python-lambda-state-123456789012"
PACKAGES = "python-lambda-packages-123456789012"
ENVIRONMENTS = ("production", "staging")


def test_the_state_lies_in_the_bucket_that_it_describes(bootstrap: Bootstrap) -> None:
    stored = bootstrap.boto3("s3").get_object(Bucket=STATE, Key="bootstrap.tfstate")

    state = json.load(stored["Body"])
    assert state["outputs"]["state_bucket"]["value"] == STATE
    assert stored["ServerSideEncryption"] == "AES256"
    # Terraform leaves an empty file, and what was there beside it.
    left = bootstrap.root / "terraform.tfstate"
    assert not left.is_file() or not left.read_text(encoding="utf-8").strip()


def test_a_plan_from_the_moved_state_is_empty(bootstrap: Bootstrap) -> None:
    bootstrap.expect("plan", "-no-color", "-input=false", "-detailed-exitcode")


def test_writing_the_backend_again_writes_nothing(project: Path, bootstrap: Bootstrap) -> None:
    assert bootstrap.write_backend(project) == ""


def test_what_is_written_to_be_committed_is_formatted(bootstrap: Bootstrap) -> None:
    bootstrap.expect("fmt", "-check", "-diff", "-recursive", cwd=bootstrap.root.parent)


def test_two_runs_at_once_are_kept_apart_by_a_lock_in_the_bucket(bootstrap: Bootstrap) -> None:
    s3 = bootstrap.boto3("s3")
    lock = {"ID": "held", "Who": "a run that was killed", "Operation": "OperationTypeApply"}
    s3.put_object(Bucket=STATE, Key="bootstrap.tfstate.tflock", Body=json.dumps(lock).encode())
    try:
        refused = bootstrap.run("plan", "-no-color", "-input=false")
        unlocked = bootstrap.run("force-unlock", "-force", "held")
    finally:
        left = s3.list_objects_v2(Bucket=STATE, Prefix="bootstrap.tfstate.tflock").get("Contents")
        s3.delete_object(Bucket=STATE, Key="bootstrap.tfstate.tflock")

    assert refused.returncode == 1
    assert "a run that was killed" in refused.stdout
    assert unlocked.returncode == 0, unlocked.stdout
    assert not left


def test_each_environment_keeps_its_state_under_its_own_key(
    bootstrap: Bootstrap, tmp_path: Path
) -> None:
    written = bootstrap.root.parent
    for name in ("backend.tf", "environments"):
        tmp_path.joinpath(name).symlink_to(written / name)
    tmp_path.joinpath("main.tf").write_text('resource "terraform_data" "this" {}\n')

    for environment in ("staging", "production"):
        file = f"-backend-config=environments/{environment}.s3.tfbackend"
        bootstrap.expect("init", "-no-color", "-input=false", "-reconfigure", file, cwd=tmp_path)
        bootstrap.expect("apply", "-no-color", "-input=false", "-auto-approve", cwd=tmp_path)

    stored = bootstrap.boto3("s3").list_objects_v2(Bucket=STATE, Prefix="stack/")["Contents"]
    assert [each["Key"] for each in stored] == ["stack/production.tfstate", "stack/staging.tfstate"]


@pytest.mark.parametrize("bucket", [STATE, PACKAGES])
def test_a_bucket_is_private_and_encrypted(bootstrap: Bootstrap, bucket: str) -> None:
    s3 = bootstrap.boto3("s3")

    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}
    [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    [statement] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statement["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]


def test_the_state_s_versions_are_kept(bootstrap: Bootstrap) -> None:
    assert bootstrap.boto3("s3").get_bucket_versioning(Bucket=STATE)["Status"] == "Enabled"


def test_the_outputs_say_what_to_tell_github(bootstrap: Bootstrap) -> None:
    outputs = json.loads(bootstrap.expect("output", "-json"))

    assert outputs["github_variables"]["value"] == {
        "repository": {
            "AWS_PLAN_ROLE_ARN": "arn:aws:iam::123456789012:role/bootstrap/python-lambda-plan",
            "AWS_REGION": "us-east-1",
        },
        "environments": {
            name: {
                "AWS_DEPLOY_ROLE_ARN": "arn:aws:iam::123456789012:role/bootstrap/"
                f"python-lambda-deploy-{name}"
            }
            for name in ENVIRONMENTS
        },
    }


def commands_run(bootstrap: Bootstrap, folder: Path, answer: str) -> list[str]:
    """Return what the commands for GitHub send, when each environment answers so."""
    gh = folder / "gh"
    log = folder / "log"
    gh.write_text(f'#!/bin/sh\necho "$*" >>{log}\ncase "$*" in *--jq*) {answer} ;; esac\n')
    gh.chmod(0o755)
    subprocess.run(
        ["sh", "-c", bootstrap.expect("output", "-raw", "github_commands")],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        check=True,
    )
    return [line for line in log.read_text(encoding="utf-8").splitlines() if "--jq" not in line]


def test_the_commands_for_github_replace_no_rules_of_an_environment_that_has_them(
    bootstrap: Bootstrap, tmp_path: Path
) -> None:
    puts = [f"--method PUT repos/{{owner}}/{{repo}}/environments/{name} " for name in ENVIRONMENTS]

    # As GitHub's command line prints the error of an environment that is not there.
    missing = """echo '{"message":"Not Found"}'; exit 1"""
    made = commands_run(bootstrap, tmp_path, missing)
    tmp_path.joinpath("log").unlink()
    unlisted = commands_run(bootstrap, tmp_path, "echo")
    tmp_path.joinpath("log").unlink()
    again = commands_run(bootstrap, tmp_path, "echo true")

    assert [sum(put in line for line in made) for put in puts] == [1, 1]
    assert unlisted == made
    assert again == [line for line in made if "--method PUT" not in line]


def make(folder: Path, *arguments: str) -> str:
    """Return what make would run, or why it would not."""
    done = subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def test_make_plans_from_the_state_of_the_environment_that_is_named(
    project: Path, tmp_path: Path
) -> None:
    shutil.copyfile(project / "Makefile", tmp_path / "Makefile")
    tmp_path.joinpath("terraform").mkdir()

    # Without a bootstrap the state is this machine's, whatever the environment.
    assert "-backend-config" not in make(tmp_path, "plan", "ENVIRONMENT=dev")

    tmp_path.joinpath("terraform", "backend.tf").touch()
    named = make(tmp_path, "plan", "ENVIRONMENT=dev")
    assert "-reconfigure -backend-config=environments/dev.s3.tfbackend" in named
    assert "ENVIRONMENT is missing" in make(tmp_path, "plan")
