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


@dataclass(frozen=True, kw_only=True)
class Made:
    arguments: list[str]
    said: str
    code: int


@dataclass(frozen=True, kw_only=True)
class Project:
    folder: Path

    def make(self, *words: str) -> Made:
        ended = subprocess.run(
            ["make", *words],
            cwd=self.folder,
            env={name: each for name, each in os.environ.items() if name not in {"BODY", "METHOD"}},
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
    for name, text in {"scripts/setup.sh": SETUP, ".venv/bin/local-aws": LOCAL_AWS}.items():
        (tmp_path / name).parent.mkdir(parents=True)
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
