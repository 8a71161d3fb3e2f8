"""Terraform's configurations as these tests use them: copied, run, and read a little."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_build.process import die_with_parent
from local_aws.providers import find_providers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_LIMIT_S = 900

# What terraform/bootstrap writes for one account: tests are of what all accounts share.
_OF_A_BOOTSTRAP = ("backend.tf", "bootstrap.auto.tfvars", "*.s3.tfbackend", "terraform.tfvars")

_BLOCK = re.compile(
    r'^(?P<kind>variable|output) "(?P<name>\w+)" \{\n(?P<body>.*?)^\}', re.MULTILINE | re.DOTALL
)
_ARGUMENT = re.compile(r"^  (?P<name>\w+) *(?:=|\{)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Terraform:
    """Terraform with providers that are at hand, and nothing of the caller's AWS account."""

    environment: Mapping[str, str]

    def __call__(
        self, *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end, within a time limit, stdout and stderr in one."""
        return subprocess.run(
            ["terraform", *arguments],
            cwd=cwd,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_S,
            check=False,
            preexec_fn=die_with_parent,
        )

    def init(self, root: Path) -> None:
        """Install what a root needs; fails the test when that fails."""
        done = self("init", "-no-color", "-input=false", "-backend=false", cwd=root)
        assert done.returncode == 0, done.stdout


def terraform_for(folder: Path) -> Terraform:
    """Return a Terraform that keeps what is its own in `folder`."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))
    }
    plugins = folder / "plugins"
    plugins.mkdir()
    return Terraform(
        environment={
            **kept,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "eu-central-1",
            "CHECKPOINT_DISABLE": "1",
            # Where the registry is used, each provider is fetched once for all roots.
            "TF_PLUGIN_CACHE_DIR": str(plugins),
            **find_providers(folder).environment,
        }
    )


def copy_of(project: Path, folder: Path) -> Path:
    """Copy terraform/ into `folder`, beside links to what it reads, and return it.

    Nothing that Terraform writes (providers, locks, state) then lands in the checkout.
    """
    shutil.copytree(
        project / "terraform",
        folder / "terraform",
        ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfplan", *_OF_A_BOOTSTRAP),
    )
    for beside in ("backend", "scripts"):
        folder.joinpath(beside).symlink_to(project / beside)
    return folder / "terraform"


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """A variable or an output, by name, with the arguments that its block has, in order."""

    kind: str
    name: str
    arguments: tuple[str, ...]
    body: str


def declarations(module: Path) -> Iterator[Declaration]:
    """Yield the variables and outputs of a module; it must be formatted as `terraform fmt` does."""
    for file in sorted(module.glob("*.tf")):
        for block in _BLOCK.finditer(file.read_text(encoding="utf-8")):
            yield Declaration(
                kind=block["kind"],
                name=block["name"],
                arguments=tuple(found["name"] for found in _ARGUMENT.finditer(block["body"])),
                body=block["body"],
            )


def examples(readme: Path) -> list[str]:
    """Return the Terraform code of a README."""
    text = readme.read_text(encoding="utf-8")
    return re.findall(r"^```hcl\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def listed(readme: Path) -> list[str]:
    """Return the names in the tables of a README's inputs (or variables) and outputs."""
    text = readme.read_text(encoding="utf-8")
    sections = re.findall(
        r"^## (?:Inputs|Variables|Outputs)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    return re.findall(r"^\| `(\w+)` \|", "".join(sections), re.MULTILINE)
