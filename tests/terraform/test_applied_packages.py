"""The ways that a package takes to Lambda: archive_file's ZIP or the build's, directly or by S3."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from python_terraform import IsFlagged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from applied_stack import AppliedStack, Run

BUCKET = "packages"
NAME = "packaged"

# Everything is small here, so the size above which the build zips is what is changed.
ARCHIVE_FILE = {"archive_above_mb": 50}
BUILD = {"archive_above_mb": 0}
THROUGH_BUCKET = {"through_bucket": True}

_ROOT = """\
terraform {
  required_providers {
    archive  = { source = "hashicorp/archive" }
    aws      = { source = "hashicorp/aws" }
    external = { source = "hashicorp/external" }
  }
}

variable "archive_above_mb" {
  type    = number
  default = null
}

variable "through_bucket" {
  type    = bool
  default = false
}

variable "release" {
  type    = object({ version = string })
  default = null
}

# Its name is known at plan, also before it is made.
resource "aws_s3_bucket" "packages" {
  bucket = "packages"
}

module "packaged" {
  source = "./modules/zip_function"

  name    = "packaged"
  release = var.release
  package = {
    source           = "src"
    requirements     = ""
    archive_above_mb = var.archive_above_mb
    bucket           = var.through_bucket ? aws_s3_bucket.packages.bucket : null
  }
}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Packaged:
    """A root with one function, whose code and settings each test chooses."""

    aws: AppliedStack
    root: Path

    @property
    def zip(self) -> Path:
        """The file that is deployed, whoever has zipped it."""
        return self.root / f"lambda_packages/{NAME}_function.zip"

    def write_code(self, answer: str) -> None:
        """Make the code that answers so."""
        code = f"def handler(event, context):\n    return {answer!r}\n"
        self.root.joinpath("src/index.py").write_text(code, encoding="utf-8")

    def terraform(self, command: str, *arguments: str, **settings: Any) -> Run:
        """Run Terraform with these variables."""
        flags: dict[str, Any] = {"var": settings} if settings else {}  # a saved plan has its own
        if command in {"apply", "destroy"}:
            flags |= {"auto_approve": IsFlagged, "parallelism": 20}
        return self.aws.run(command, *arguments, root=self.root, input=False, **flags)

    def apply(self, answer: str, **settings: Any) -> str:
        """Apply code that answers so, and return the newest version."""
        self.write_code(answer)
        applied = self.terraform("apply", **settings)
        assert applied.exit_code == 0, applied.output
        listed = self.aws.boto3("lambda").list_versions_by_function(FunctionName=NAME)
        newest: str = listed["Versions"][-1]["Version"]
        return newest

    def assert_no_changes(self, **settings: Any) -> None:
        """Plan, and expect nothing of it."""
        planned = self.terraform("plan", **settings)
        assert planned.exit_code == 0, planned.output
        assert "No changes." in planned.output, planned.output

    def ask(self) -> str:
        """Return what callers get: the alias's answer."""
        invoked = self.aws.boto3("lambda").invoke(FunctionName=f"{NAME}:live")
        answer: str = json.loads(invoked["Payload"].read())
        return answer

    def keys(self) -> list[str]:
        """Return the keys of the objects in the bucket."""
        listed = self.aws.boto3("s3").list_objects_v2(Bucket=BUCKET)
        return [found["Key"] for found in listed.get("Contents", [])]


@pytest.fixture(scope="module")
def packaged(
    applied_stack: AppliedStack, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Packaged]:
    """The root, initialised; what stands in AWS at the end is destroyed."""
    root = tmp_path_factory.mktemp("packaged")
    (root / "src").mkdir()
    (root / "modules").symlink_to(project / "terraform/modules")
    (root / "main.tf").write_text(_ROOT, encoding="utf-8")
    packaged = Packaged(aws=applied_stack, root=root)
    initialised = packaged.terraform("init")
    assert initialised.exit_code == 0, initialised.output
    yield packaged
    destroyed = packaged.terraform("destroy")
    assert destroyed.exit_code == 0, destroyed.output


def test_with_a_bucket_the_function_runs_what_went_through_it(packaged: Packaged) -> None:
    packaged.apply("through S3", **BUILD, **THROUGH_BUCKET)

    assert packaged.ask() == "through S3"
    [key] = packaged.keys()
    uploaded = packaged.aws.boto3("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert uploaded == packaged.zip.read_bytes()
    # As on another machine, whose compressor or Python makes other bytes of the same inputs.
    packaged.assert_no_changes(**ARCHIVE_FILE, **THROUGH_BUCKET)
    assert packaged.zip.read_bytes() != uploaded


def test_a_saved_plan_uploads_no_other_zip_to_the_bucket(packaged: Packaged) -> None:
    packaged.apply("planned", **BUILD, **THROUGH_BUCKET)
    before = packaged.keys()
    assert len(before) == 1, "objects of earlier code go"
    packaged.write_code("after it")
    saved = str(packaged.root / "saved.tfplan")
    planned = packaged.terraform("plan", f"-out={saved}", **BUILD, **THROUGH_BUCKET)
    assert planned.exit_code == 0, planned.output
    packaged.zip.write_bytes(packaged.zip.read_bytes() + b"somebody built again")

    applied = packaged.terraform("apply", saved)

    assert applied.exit_code == 1
    assert "is not the file that was planned" in " ".join(applied.output.split())
    assert packaged.keys() == before
    assert packaged.ask() == "planned"


def test_a_release_serves_its_version_whatever_is_published(packaged: Packaged) -> None:
    old = packaged.apply("old", **BUILD)
    held = {**BUILD, "release": {"version": old}}
    new = packaged.apply("new", **held)

    assert new != old
    assert packaged.ask() == "old"
    packaged.assert_no_changes(**held)


def test_the_builds_zip_is_deployed_and_archive_files_in_its_place_is_no_change(
    packaged: Packaged,
) -> None:
    packaged.apply("zipped by the build", **BUILD)
    built = packaged.zip.read_bytes()

    # By the alias, which follows the newest version again, now that no release holds it.
    assert packaged.ask() == "zipped by the build"
    packaged.assert_no_changes(**ARCHIVE_FILE)
    assert packaged.zip.read_bytes() != built
