"""What every workflow of the project keeps to, beside what the linters say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from workflows.act import used_actions

if TYPE_CHECKING:
    from pathlib import Path

_PINNED = re.compile(r"^\s*(?:- )?uses: (?:\./\S+|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$")


@pytest.fixture(scope="session")
def workflows(project: Path) -> dict[str, dict[Any, Any]]:
    """The workflows, by file name."""
    files = sorted(project.glob(".github/workflows/*.yml"))
    return {file.name: yaml.safe_load(file.read_text("utf-8")) for file in files}


def test_every_action_is_pinned_by_a_full_hash_and_tells_its_version(project: Path) -> None:
    files = [*project.glob(".github/workflows/*.yml"), *project.glob(".github/actions/*/*.yml")]
    uses = [
        (file.name, line)
        for file in files
        for line in file.read_text("utf-8").splitlines()
        if "uses:" in line
    ]

    assert len(uses) > 10
    assert [(name, line) for name, line in uses if not _PINNED.match(line)] == []


def test_an_action_has_one_version_in_all_workflows(project: Path) -> None:
    used = {(action, ref) for _, action, ref in used_actions(project)}

    assert len(used) == len({action for action, _ in used})


def test_no_step_goes_on_after_a_command_whose_output_it_prints(project: Path) -> None:
    files = [*project.glob(".github/workflows/*.yml"), *project.glob(".github/actions/*/*.yml")]
    # `echo "x=$(false)"` succeeds, where `x=$(false)` ends the step.
    swallowed = re.compile(r"\becho\b[^|;&]*\$\(")
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]

    assert [line for line in lines if swallowed.search(line)] == []


def test_permissions_are_given_to_jobs_and_not_to_workflows(
    workflows: dict[str, dict[Any, Any]],
) -> None:
    for name, workflow in workflows.items():
        assert workflow["permissions"] == {}, name
        for job in workflow["jobs"].values():
            assert job["permissions"], name


def test_nobodys_fork_gets_credentials_or_a_token_that_writes(
    workflows: dict[str, dict[Any, Any]],
) -> None:
    for name, workflow in workflows.items():
        triggers = workflow[True]  # YAML 1.1 takes `on` for a truth
        assert not {"pull_request_target", "workflow_run"} & set(triggers), name
        if "pull_request" not in triggers:
            continue
        for job in workflow["jobs"].values():
            if "write" in job["permissions"].values():
                assert (
                    "github.event.pull_request.head.repo.full_name == github.repository"
                    in (job["if"])
                ), name


def test_no_deployment_is_cancelled_and_each_environment_has_one_at_a_time(
    workflows: dict[str, dict[Any, Any]],
) -> None:
    jobs = workflows["deploy.yml"]["jobs"]
    deployments = {name: job for name, job in jobs.items() if "with" in job}

    assert set(deployments) == {"staging", "production"}
    for name, job in deployments.items():
        assert job["with"]["environment"] == name
        assert job["concurrency"] == {"group": f"deploy-{name}", "cancel-in-progress": False}
    assert deployments["production"]["needs"] == "staging"


def test_no_workflow_has_a_secret(workflows: dict[str, dict[Any, Any]], project: Path) -> None:
    for name in workflows:
        assert "secrets." not in (project / ".github/workflows" / name).read_text("utf-8")
