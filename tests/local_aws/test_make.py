"""What make hands on: a path by the name of a variable of the shell's, a body in any words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"

# Both look for a program on PATH, as the real ones do.
SETUP = "#!/bin/sh\ncommand -v awk >/dev/null\n"
LOCAL_AWS = """\
#!/bin/sh
command -v awk >/dev/null || exit 3
exec python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "$@"
"""


# Terraform, and lambda-release with what Terraform was initialised with last.
TERRAFORM = """\
#!/bin/sh
case "$2" in init) echo "$*" > state ;; esac
echo "terraform $*" >> said
"""
LAMBDA_RELEASE = """\
#!/bin/sh
echo "lambda-release $*, of $(sed 's/.*environments.//; s/[.].*//' state 2>/dev/null)" >> said
"""


@dataclass(frozen=True, kw_only=True)
class Made:
    arguments: list[str]
    said: str
    code: int


@dataclass(frozen=True, kw_only=True)
class Project:
    folder: Path

    def bootstrapped(self) -> None:
        """Give each environment a state of its own, as `make bootstrap` does."""
        (self.folder / "terraform").mkdir()
        (self.folder / "terraform" / "backend.tf").touch()

    def said(self) -> list[str]:
        """Return what Terraform and lambda-release were told since the last time."""
        file = self.folder / "said"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [line.replace("terraform -chdir=terraform ", "terraform ") for line in lines]

    def make(self, *words: str) -> Made:
        path = os.pathsep.join([os.fspath(self.folder / "bin"), os.environ["PATH"]])
        # `make test` runs this, and is no parent of these: a child make tells of its folder.
        without = {"BODY", "METHOD", "ENVIRONMENT", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
        environment = {name: each for name, each in os.environ.items() if name not in without}
        ended = subprocess.run(
            ["make", *words],
            cwd=self.folder,
            env={**environment, "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Made(
            arguments=json.loads(ended.stdout) if ended.stdout.startswith("[") else [],
            said=ended.stderr,
            code=ended.returncode,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    shutil.copy(MAKEFILE, tmp_path)
    programs = {
        "scripts/setup.sh": SETUP,
        ".venv/bin/local-aws": LOCAL_AWS,
        ".venv/bin/lambda-release": LAMBDA_RELEASE,
        "bin/terraform": TERRAFORM,
    }
    for name, text in programs.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return Project(folder=tmp_path)


def test_path_is_the_requests_and_programs_are_still_found(project: Project) -> None:
    made = project.make("invoke", "FUNCTION=chat", "PATH=/chat/health")

    assert (made.code, made.said) == (0, "")
    assert made.arguments == ["invoke", "chat", "--path", "/chat/health"]


@pytest.mark.parametrize(
    "body",
    ['{"url": "https://x.y/?a=1&b=2"}', 'it\'s $HOME $(x, `id` "q" \\ # c', "two\nlines", "$$"],
)
def test_a_body_and_a_method_arrive_word_for_word(project: Project, body: str) -> None:
    made = project.make("invoke", "FUNCTION=f", "PATH=/a?b=$c", "METHOD=PUT", f"BODY={body}")

    assert made.arguments == [
        *("invoke", "f", "--path", "/a?b=$c", "--method", "PUT", "--body", body)
    ]


def test_a_trace_takes_the_same_words_and_needs_none_of_them(project: Project) -> None:
    assert project.make("trace-request").arguments == ["trace-request"]
    assert project.make("trace-request", "FUNCTION=chat", "PATH=/a", "BODY={}").arguments == [
        *("trace-request", "chat", "--path", "/a", "--body", "{}")
    ]


@pytest.mark.parametrize("words", [("PATH=/chat",), ("FUNCTION=chat",)])
def test_without_a_function_or_a_path_the_usage_is_told(
    project: Project, words: tuple[str, ...]
) -> None:
    made = project.make("invoke", *words)

    assert made.code == 2
    assert "make invoke FUNCTION=chat PATH=/chat" in made.said


INIT = "terraform init -input=false -reconfigure -backend-config=environments/{}.s3.tfbackend"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["release"], "release"),
        (["release", "FUNCTION=chat", "VERSION=8"], "release chat --version 8"),
        (["rollback", "FUNCTION=chat"], "rollback chat"),
    ],
)
def test_a_release_and_a_rollback_are_of_the_environment_that_is_named(
    project: Project, words: list[str], told: str
) -> None:
    project.bootstrapped()
    for environment in ("staging", "production"):
        assert project.make(*words, f"ENVIRONMENT={environment}").code == 0
        assert project.said() == [
            INIT.format(environment),
            f"lambda-release {told}, of {environment}",
        ]

    unnamed = project.make(*words)
    assert "ENVIRONMENT is missing" in unnamed.said
    assert (unnamed.code, project.said()) == (2, [])


def test_where_there_is_one_state_a_release_needs_no_environment(project: Project) -> None:
    assert project.make("release").code == 0
    assert project.said() == ["lambda-release release, of "]


@pytest.mark.parametrize("target", ["plan", "apply"])
def test_where_each_environment_has_its_state_what_is_live_is_pinned(
    project: Project, target: str
) -> None:
    assert project.make(target, "ENVIRONMENT=dev").code == 0
    assert project.said()[1:] == [f"terraform {target} -var-file=environments/dev.tfvars"]

    project.bootstrapped()
    assert project.make(target, "ENVIRONMENT=staging").code == 0
    assert project.said() == [
        INIT.format("staging"),
        "lambda-release pin, of staging",
        f"terraform {target} -var-file=environments/staging.tfvars -var-file=release.tfvars.json",
    ]
