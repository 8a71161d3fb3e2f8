"""Terraform on another machine, against the same state: what is not changed plans no change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from applied_stack import AppliedStack
    from local_aws.stack import Stack


@pytest.fixture
def another_python(tmp_path: Path) -> Path:
    """A folder for PATH whose python3 is another patch release of 3.11, where there is one."""
    candidates = [Path(folder, "python3.11") for folder in os.get_exec_path()]
    candidates += sorted(Path.home().glob(".pyenv/versions/3.11.*/bin/python3.11"))
    versions = {path: _version(path) for path in candidates if path.exists()}
    running = "{}.{}.{}".format(*sys.version_info[:3])
    others = [path for path, version in versions.items() if version not in {"", running}]
    folder = tmp_path / "bin"
    folder.mkdir()
    chosen = others[0] if others else Path(sys._base_executable)  # type: ignore[attr-defined]
    print(f"plans with Python {_version(chosen)}; the stack was applied with {running}")
    (folder / "python3").symlink_to(chosen)
    return folder


@pytest.fixture
def strict_umask() -> Iterator[None]:
    """A umask that lets nobody else read."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("strict_umask")
def test_a_plan_elsewhere_with_another_umask_and_python_has_no_changes(
    applied_stack: AppliedStack,
    checkout: Path,
    same_state: Callable[[Path], Stack],
    another_python: Path,
    tmp_path: Path,
) -> None:
    for path in checkout.rglob("*"):
        os.utime(path, (946684800, 946684800))
    stack = same_state(checkout)
    plan = applied_stack.run(
        "plan",
        "-detailed-exitcode",
        root=stack.root,
        input=False,
        variables={
            "PATH": f"{another_python}{os.pathsep}{os.environ['PATH']}",
            "LAMBDA_BUILD_CACHE": os.fspath(tmp_path / "cache"),
            "TZ": "Pacific/Auckland",
        },
    )
    assert plan.exit_code == 0, plan.output
    assert (checkout / ".local_aws/lambda_packages/chat_function.zip").exists()


def test_another_pinned_version_is_refused_until_it_is_locked_and_then_runs(
    applied_stack: AppliedStack, checkout: Path, same_state: Callable[[Path], Stack], project: Path
) -> None:
    stack = same_state(checkout)
    requirements = checkout / "backend/chat/requirements.txt"
    requirements.write_text(
        requirements.read_text("utf-8").replace(">=1.34.0", "==1.40.0"), "utf-8"
    )

    refused = applied_stack.run("apply", root=stack.root, input=False, auto_approve=True)
    assert refused.exit_code == 1
    assert "boto3==1.40.0" in refused.output
    assert "    make lock" in refused.output

    lock_build = project / ".venv/bin/lambda-build"
    subprocess.run([lock_build, "lock", "chat"], cwd=checkout, check=True, capture_output=True)
    try:
        applied = applied_stack.run("apply", root=stack.root, input=False, auto_approve=True)
        assert applied.exit_code == 0, applied.output
        health = httpx.get(f"{applied_stack.front_url}/chat/health", timeout=60).json()
        assert health["boto3"]["version"] == "1.40.0"
    finally:
        # The stack that the other tests see is the project's own.
        shutil.copy(stack.root / "terraform.tfstate", applied_stack.root)
        again = applied_stack.run("apply", input=False, auto_approve=True)
    assert again.exit_code == 0, again.output


def _version(python: Path) -> str:
    asked = subprocess.run(
        [python, "-I", "-c", "import platform; print(platform.python_version())"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip()
