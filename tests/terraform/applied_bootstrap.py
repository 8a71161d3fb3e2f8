"""The account's bootstrap, applied to the local AWS as its README says.

Two lifecycle rules are left out, which the mocked tests assert: the provider waits a minute for
each, and moto forgets how many versions are kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from terraform.terraform_roots import examples

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from terraform.terraform_roots import Terraform

_WITHOUT_LIFECYCLES = """\
resource "aws_s3_bucket_lifecycle_configuration" "state" {
  count = 0
}

resource "aws_s3_bucket_lifecycle_configuration" "packages" {
  count = 0
}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bootstrap:
    """A bootstrap that stands in the local AWS, its state moved into its bucket."""

    root: Path
    terraform: Terraform
    environment: Mapping[str, str]

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Terraform in the bootstrap's root, or in another."""
        return self.terraform(*arguments, cwd=cwd or self.root, environment=self.environment)

    def expect(self, *arguments: str, cwd: Path | None = None) -> str:
        """Return what a run says that has to work."""
        done = self.run(*arguments, cwd=cwd)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def boto3(self, service: str) -> Any:
        """Return a client of the local AWS."""
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def write_backend(self, project: Path) -> str:
        """Write the files of the backend as `make bootstrap` does, and return what that says."""
        return subprocess.run(
            [sys.executable, project / "scripts" / "write_backend.py", self.root.parent],
            input=self.expect("output", "-json", "backend_files"),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return what Terraform has made, by address."""
        state = json.loads(self.expect("show", "-json"))
        found = state["values"]["root_module"]["resources"]
        return {resource["address"]: resource["values"] for resource in found}


def apply_bootstrap(
    project: Path, root: Path, terraform: Terraform, environment: Mapping[str, str]
) -> Bootstrap:
    """Apply the README's example in `root`, a copy, and move the state into its bucket."""
    root.joinpath("lifecycles_override.tf").write_text(_WITHOUT_LIFECYCLES, encoding="utf-8")
    example = examples(root / "README.md")[0]
    root.joinpath("terraform.tfvars").write_text(example, encoding="utf-8")
    made = Bootstrap(root=root, terraform=terraform, environment=environment)
    made.expect("init", "-no-color", "-input=false")
    made.expect("apply", "-no-color", "-input=false", "-auto-approve", "-parallelism=20")
    made.write_backend(project)
    made.expect("init", "-no-color", "-migrate-state", "-force-copy")
    return made
