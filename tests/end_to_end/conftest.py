"""Other checkouts of the project, as other people have them."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from local_aws.providers import find_providers
from local_aws.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from applied_stack import AppliedStack


_BUILD_ALONE = """\
variable "query" {{
  type = map(string)
}}

data "external" "build" {{
  program = ["python3", "{project}/scripts/run_lambda_build.py", "terraform"]
  query   = var.query
}}
"""


@pytest.fixture(scope="session")
def build_alone(
    applied_stack: AppliedStack, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A root module that runs the build and nothing else, so that a refusal costs little."""
    root = tmp_path_factory.mktemp("build_alone")
    (root / "main.tf").write_text(_BUILD_ALONE.format(project=project), "utf-8")
    initialised = applied_stack.run("init", root=root, input=False)
    assert initialised.exit_code == 0, initialised.output
    return root


@pytest.fixture
def checkout(project: Path, tmp_path: Path) -> Path:
    """A checkout of the project in another folder, with nothing installed and nothing built."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    folder = tmp_path / "somebody else's checkout"
    for name in listed.stdout.split("\0"):
        if name and (project / name).is_file():
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(project / name, copy)
    return folder


@pytest.fixture
def same_state(applied_stack: AppliedStack) -> Callable[[Path], Stack]:
    """Prepare a checkout's root of the applied stack, as a shared backend would let it see it."""

    def prepare(checkout: Path) -> Stack:
        work_dir = checkout / ".local_aws"
        stack = Stack(
            project=checkout,
            work_dir=work_dir,
            environment=applied_stack.environment,
            providers=find_providers(work_dir),
        )
        stack.prepare()
        shutil.copy(applied_stack.root / "terraform.tfstate", stack.root)
        initialised = applied_stack.run("init", root=stack.root, input=False)
        assert initialised.exit_code == 0, initialised.output
        return stack

    return prepare
