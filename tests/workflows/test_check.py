"""The check workflow, run by act for pull requests of this repository and of a fork."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from workflows.act import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.world import World

_GH = """\
#!/bin/sh
# Stands in for GitHub's command line: keeps what it was asked, and the comment.
printf '%s\\n' "$@" > "$STAND_IN_COMMENT/arguments"
cp comment/comment.md "$STAND_IN_COMMENT/comment.md"
"""


@pytest.fixture
def gh(world: World, tmp_path: Path) -> dict[str, str]:
    """The environment of a runner that has a stand-in for gh."""
    program = tmp_path / "gh"
    program.write_text(_GH, "utf-8")
    program.chmod(0o755)
    path = os.pathsep.join([os.fspath(tmp_path), world.act.environment["PATH"]])
    return {"PATH": path, "STAND_IN_COMMENT": os.fspath(tmp_path)}


def test_a_pull_request_gets_packages_and_plan_as_one_comment(
    world: World, gh: dict[str, str], tmp_path: Path
) -> None:
    run = world.act.pull_request(repository=REPOSITORY, job="comment", environment=gh)

    assert run.exit_code == 0, run.output
    arguments = (tmp_path / "arguments").read_text("utf-8").splitlines()
    assert arguments[:3] == ["pr", "comment", "7"]
    assert {"--edit-last", "--create-if-none"} <= set(arguments)
    comment = (tmp_path / "comment.md").read_text("utf-8")
    assert comment.startswith("## Packages\n```\nlambda_packages/chat.zip  ")
    assert "## Plan of staging" in comment


def test_a_pull_request_of_a_fork_gets_no_role_and_no_token(
    world: World, gh: dict[str, str], tmp_path: Path
) -> None:
    run = world.act.pull_request(repository="somebody/else", job="comment", environment=gh)

    assert "stand-in: becomes" not in run.output
    assert not (tmp_path / "arguments").exists(), run.output
