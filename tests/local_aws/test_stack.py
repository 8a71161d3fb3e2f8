"""The local Terraform root, and the door to Terraform, real and (where it has to fail) faked."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from local_aws.errors import TerraformError
from local_aws.providers import Providers
from local_aws.stack import Stack, image_functions
from local_aws.terraform import Terraform

if TYPE_CHECKING:
    from collections.abc import Callable

needs_terraform = pytest.mark.skipif(
    shutil.which("terraform") is None, reason="terraform is not on PATH"
)

NO_PROVIDERS = Providers(environment={}, used={})

# terraform_data is Terraform's own: no provider is installed for it.
MAIN = """\
terraform {
  backend "s3" {
    bucket = "the-real-one"
    key    = "state"
    region = "eu-west-1"
  }
}

module "noted" {
  source = "./modules/noted"
  text   = file("${path.root}/../backend/note.txt")
}

output "text" {
  value = module.noted.text
}
"""
MODULE = """\
variable "text" { type = string }

resource "terraform_data" "this" { input = var.text }

output "text" { value = terraform_data.this.output }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "terraform/main.tf": MAIN,
        "terraform/modules/noted/main.tf": MODULE,
        "backend/note.txt": "hello",
    }
    for name, text in files.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "project"


def stack(project: Path, **changes: object) -> Stack:
    settings: dict[str, Any] = {
        "project": project,
        "work_dir": project / ".local_aws",
        "environment": {},
        "providers": NO_PROVIDERS,
        **changes,
    }
    return Stack(**settings)


@needs_terraform
def test_the_stack_is_applied_from_a_root_of_its_own(project: Path) -> None:
    said: list[str] = []
    made = stack(project, say=said.append)

    made.prepare()
    made.init()
    made.apply()

    assert made.outputs() == {"text": "hello"}
    assert any("module.noted.terraform_data.this: create" in line for line in said)
    assert not made.has_changes()
    assert list((project / "terraform").rglob("*tfstate*")) == []

    (project / "backend" / "note.txt").write_text("changed")
    assert made.has_changes()

    made.destroy()
    assert json.loads((made.root / "terraform.tfstate").read_text())["resources"] == []


def names(stack: Stack) -> set[str]:
    return {path.name for path in stack.root.iterdir()}


def test_the_root_follows_the_files_of_the_stack(project: Path) -> None:
    made = stack(project)
    made.prepare()
    assert names(made) == {"main.tf", "modules", "local_backend_override.tf"}

    (project / "terraform" / "main.tf").rename(project / "terraform" / "api.tf")
    (project / "terraform" / "notes.md").write_text("not Terraform's")
    made.prepare()

    assert names(made) == {"api.tf", "modules", "local_backend_override.tf"}
    assert (made.root / "api.tf").read_text() == MAIN


def test_the_root_still_fits_when_the_project_is_moved(project: Path) -> None:
    stack(project).prepare()

    moved = project.rename(project.with_name("moved"))

    assert (moved / ".local_aws" / "terraform" / "main.tf").read_text() == MAIN
    assert (moved / ".local_aws" / "backend" / "note.txt").read_text() == "hello"


def test_an_earlier_state_is_thrown_away_with_the_mock_that_it_described(project: Path) -> None:
    made = stack(project)
    made.prepare()
    for name in ("terraform.tfstate", "terraform.tfstate.backup", "destroy.tfplan"):
        (made.root / name).write_text("old")

    made.prepare()

    assert names(made) == {"main.tf", "modules", "local_backend_override.tf"}


def test_installed_providers_stay_until_they_come_from_elsewhere(project: Path) -> None:
    mirror = Providers(environment={"TF_CLI_CONFIG_FILE": "a"}, used={"aws": "mirror a"})
    stack(project, providers=mirror).prepare()
    root = stack(project).root
    (root / ".terraform").mkdir()
    (root / ".terraform.lock.hcl").write_text("of mirror a")

    stack(project, providers=mirror).prepare()
    assert (root / ".terraform.lock.hcl").read_text() == "of mirror a"

    other = Providers(environment={"TF_CLI_CONFIG_FILE": "b"}, used={"aws": "mirror b"})
    stack(project, providers=other).prepare()
    assert not {".terraform", ".terraform.lock.hcl"} & names(stack(project))


def test_the_registrys_providers_are_those_that_the_project_has_locked(project: Path) -> None:
    lock = project / "terraform" / ".terraform.lock.hcl"
    lock.write_text("of the project")

    stack(project).prepare()
    assert (stack(project).root / lock.name).read_text() == "of the project"

    mirror = Providers(environment={"TF_CLI_CONFIG_FILE": "a"}, used={"aws": "mirror a"})
    stack(project, providers=mirror).prepare()
    assert not (stack(project).root / lock.name).exists()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Terraform]:
    """Make a shell script be Terraform."""

    def make(script: str) -> Terraform:
        program = tmp_path / "bin" / "terraform"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return Terraform(directory=tmp_path, environment={"AWS_REGION": "us-east-1"})

    return make


def test_only_what_belongs_to_the_local_aws_reaches_terraform(
    fake: Callable[[str], Terraform], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    monkeypatch.setenv("TF_CLI_ARGS_apply", "-refresh=false")
    monkeypatch.setenv("TF_VAR_chat_lambda_memory", "1024")

    fake('env > environment; echo "$@" > arguments').apply()

    environment = (tmp_path / "environment").read_text()
    assert "AWS_REGION=us-east-1\n" in environment
    assert "TF_VAR_chat_lambda_memory=1024\n" in environment
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "TF_CLI_ARGS_apply"):
        assert f"{name}=" not in environment
    assert "-input=false" in (tmp_path / "arguments").read_text()


def test_an_error_is_told_as_terraform_tells_it(fake: Callable[[str], Terraform]) -> None:
    error = {
        "type": "diagnostic",
        "diagnostic": {
            "severity": "error",
            "summary": "External Program Execution Failed",
            "detail": "State: exit status 4\nError Message: make lock",
            "address": "module.chat.data.external.build",
            "range": {"filename": "modules/zip_function/build.tf", "start": {"line": 7}},
        },
    }

    with pytest.raises(TerraformError) as told:
        fake(f"cat <<'END'\n{json.dumps(error)}\nEND\nexit 1").apply()

    assert str(told.value) == (
        "terraform apply failed:\n"
        "modules/zip_function/build.tf:7: module.chat.data.external.build: "
        "External Program Execution Failed\n"
        "State: exit status 4\nError Message: make lock"
    )


def test_what_terraform_says_in_plain_words_is_told_too(fake: Callable[[str], Terraform]) -> None:
    with pytest.raises(TerraformError, match=r"terraform init failed:\nno space left"):
        fake("echo no space left >&2; exit 1").init()


def test_without_terraform_the_message_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(TerraformError, match="terraform is not on PATH"):
        Terraform(directory=tmp_path, environment={}).init()


def gone(pid_file: Path) -> bool:
    """Return whether the process whose number the file holds ends within a minute."""
    stat = Path("/proc", pid_file.read_text().strip(), "stat")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if "Z" in stat.read_text().rpartition(")")[2][:3]:
                return True  # ended; whoever adopted it has not looked yet
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(
    fake: Callable[[str], Terraform], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local_aws.terraform._PLAN_S", 2)  # in which a shell starts
    terraform = fake("sleep 600 & echo $! > child; wait")

    with pytest.raises(TerraformError, match="terraform plan took longer than"):
        terraform.has_changes()

    assert gone(tmp_path / "child")


def test_an_interrupted_terraform_ends_in_order_and_leaves_nothing_behind(
    fake: Callable[[str], Terraform], tmp_path: Path
) -> None:
    def interrupted(_line: str) -> None:
        raise KeyboardInterrupt

    script = """\
trap 'echo in order > ended; exit 1' INT
sleep 600 &
echo $! > child
echo '{"type": "change_summary", "@message": "Plan: 1 to add"}'
wait
"""
    terraform = fake(script)
    terraform = Terraform(directory=tmp_path, environment={}, say=interrupted)

    with pytest.raises(KeyboardInterrupt):
        terraform.apply()

    assert (tmp_path / "ended").read_text() == "in order\n"
    assert gone(tmp_path / "child")


def test_an_interrupted_terraform_that_does_not_end_is_killed(
    fake: Callable[[str], Terraform], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local_aws.terraform._GRACE_S", 0.2)

    def interrupted(_line: str) -> None:
        raise KeyboardInterrupt

    fake(
        'trap \'\' INT; echo $$ > child; echo \'{"type": "change_summary", "@message": ""}\'\n'
        "while :; do sleep 600; done"
    )
    with pytest.raises(KeyboardInterrupt):
        Terraform(directory=tmp_path, environment={}, say=interrupted).apply()

    assert gone(tmp_path / "child")


def test_only_what_is_carried_as_an_image_is_an_image(project: Path) -> None:
    variables = "".join(f'variable "{name}_image_uri" {{}}\n' for name in ("a", "b", "elsewhere"))
    (project / "terraform" / "variables.tf").write_text(variables)
    for name, carried in (("a", "image"), ("b", "zip")):
        (project / "backend" / name).mkdir()
        described = json.dumps({"dependencies": carried})
        (project / "backend" / name / "function.json").write_text(described)

    assert image_functions(project) == ["a", "elsewhere"]
