"""nektos/act: the project's workflows, run on this machine as they are.

Actions that are fetched from GitHub are stood in for by those of tests/workflows/actions, which say
so; checking out is act's own copy of the repository. What is not in a workflow is told by the
environment: where AWS is, and where Terraform takes its providers from.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HERE = Path(__file__).parent
_PROJECT = _HERE.parents[1]
_LIMIT_S = 900  # half a minute on a machine that has nothing else to do

REPOSITORY = "owner/name"

INSTALL = "go install github.com/nektos/act@v0.2.89"

_STAND_INS = {
    "actions/cache": "nothing",
    "actions/download-artifact": "download",
    "actions/setup-go": "nothing",
    "actions/setup-python": "nothing",
    "actions/upload-artifact": "upload",
    "aws-actions/configure-aws-credentials": "credentials",
    "hashicorp/setup-terraform": "nothing",
}
_ACTS_OWN = {"actions/checkout"}

_USES = re.compile(r"^\s*(?:- )?uses: (?P<action>[\w.-]+/[\w.-]+)@(?P<ref>\S+)", re.MULTILINE)


class ActNotFoundError(Exception):
    """act is not on this machine; the message says how to install it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What a run of a workflow said: of all jobs that ran, by step."""

    exit_code: int
    output: str

    def step(self, job: str, step: str) -> str:
        """Return how a job's step ended: `Success`, `Failure`, or empty where it did not run."""
        ended = rf"^\[{re.escape(job)}\s*\]\s+\W*(Success|Failure) - Main {re.escape(step)}\b"
        found = re.findall(ended, self.output, re.MULTILINE)
        return str(found[-1]) if found else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """act, in a clone of the project.

    `environment` is that of the runner; `variables` are GitHub's, of repository and environment
    alike.
    """

    clone: Path
    work_dir: Path
    environment: Mapping[str, str]
    variables: Mapping[str, str]

    def push(
        self,
        *,
        job: str = "",
        environment: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Run:
        """Run what a push to main runs, or only a job and those that it needs.

        `environment` and `variables` are added to the runner's and GitHub's.
        """
        arguments = ["push", "--workflows", ".github/workflows/deploy.yml"]
        arguments += ["--job", job] if job else []
        return self._run(arguments, environment or {}, variables or {})

    def pull_request(
        self, *, repository: str, job: str, environment: Mapping[str, str] | None = None
    ) -> Run:
        """Run a job, and those that it needs, of a pull request from a repository's branch."""
        event = self.work_dir / "pull_request.json"
        request = {"number": 7, "head": {"repo": {"full_name": repository}}}
        event.write_text(json.dumps({"pull_request": request}), "utf-8")
        arguments = ["pull_request", "--workflows", ".github/workflows/check.yml", "--job", job]
        return self._run([*arguments, "--eventpath", str(event)], environment or {}, {})

    def _run(
        self, arguments: Sequence[str], environment: Mapping[str, str], variables: Mapping[str, str]
    ) -> Run:
        words: list[str | Path] = [
            find_act(),
            *arguments,
            *("--platform", "ubuntu-24.04=-self-hosted", "--pull=false", "--no-cache-server"),
            # Else act asks GitHub's command line for the user's own. What it says is starred out.
            *("--secret", "GITHUB_TOKEN=nobody's-token"),
            *("--concurrent-jobs", "1", "--action-cache-path", self.work_dir / "act"),
            *(
                word
                for name, value in {**self.variables, **variables}.items()
                for word in ("--var", f"{name}={value}")
            ),
            *(
                word
                for action, ref, folder in _replaced(self.clone)
                for word in ("--local-repository", f"{action}@{ref}={folder}")
            ),
        ]
        result = subprocess.run(
            words,
            cwd=self.clone,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        return Run(exit_code=result.returncode, output=result.stdout)


def find_act() -> Path:
    """Return act's path; raises ActNotFoundError."""
    own = _PROJECT / ".tools" / "bin" / "act"
    found = own if own.is_file() else shutil.which("act")
    if found is None:
        raise ActNotFoundError(
            f"act is not on this machine; put it on PATH, or into .tools/bin:\n    {INSTALL}"
        )
    return Path(found)


def used_actions(project: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield each action of somebody else that is used: in which file, its name, its reference."""
    github = project / ".github"
    for file in sorted([*github.glob("workflows/*.yml"), *github.glob("actions/*/action.yml")]):
        for used in _USES.finditer(file.read_text(encoding="utf-8")):
            yield file, used["action"], used["ref"]


def _replaced(project: Path) -> Iterator[tuple[str, str, Path]]:
    for action, ref in sorted({(action, ref) for _, action, ref in used_actions(project)}):
        if action not in _ACTS_OWN:
            yield action, ref, _HERE / "actions" / _STAND_INS[action]


def clone_project(project: Path, folder: Path) -> Path:
    """Return a clone of a project as it is now, with the small stack of tests/workflows/project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    small = _HERE / "project"
    for name in listed.stdout.split("\0"):
        if name and (project / name).is_file() and _is_kept(name):
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(project / name, copy)
    shutil.copytree(small, folder, dirs_exist_ok=True)
    # A runner that keeps the environment: making it takes a quarter of a minute each time.
    (folder / ".venv").symlink_to(project / ".venv")
    commit(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "remote", "add", "origin", f"https://github.com/{REPOSITORY}.git")
    commit(folder)
    return folder


def commit(clone: Path, *command: str) -> None:
    """Commit all that has changed in a clone, or run another command of git there."""
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid")
    commands = [command] if command else [("add", "--all"), ("commit", "--quiet", "--message", ".")]
    for words in commands:
        subprocess.run(["git", *identity, *words], cwd=clone, check=True)


def _is_kept(name: str) -> bool:
    """Whether a file is there in the clone: not the stack and the functions, which are replaced."""
    path = Path(name)
    stack = path.parts[0] == "terraform" and "modules" not in path.parts
    return not stack and path.parts[0] not in {"backend", "docs", "tests"}


def runner_environment(
    folder: Path, aws: Mapping[str, str], providers: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of a runner that has no credentials, and an AWS on this machine."""
    home = folder / "home"
    artefacts = folder / "artefacts"
    for made in (home, artefacts):
        made.mkdir()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "TF_", "GITHUB_", "PYTHON", "VIRTUAL_ENV"))
    }
    return {
        **kept,
        **{
            name: value for name, value in aws.items() if "KEY" not in name and "REGION" not in name
        },
        **providers,
        "HOME": os.fspath(home),
        "LAMBDA_BUILD_CACHE": os.environ.get("LAMBDA_BUILD_CACHE")
        or os.fspath(caches / "lambda-build"),
        "STAND_IN_ARTEFACTS": os.fspath(artefacts),
        "CHECKPOINT_DISABLE": "1",
    }
