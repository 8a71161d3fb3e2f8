"""`local-aws invoke` and `trace-request`: a function by itself, or that of the local AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from local_aws import instance
from local_aws.invoke import invoke
from local_aws.web import WebServer
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """\
import json

def handler(event, context):
    print("asked for", event["rawPath"])
    if event["rawPath"] == "/fail":
        raise ValueError("wrong")
    body = {"route": event["routeKey"], "body": event.get("body")}
    return {"statusCode": 201, "headers": {"x-a": "b"}, "body": json.dumps(body)}
"""


@dataclass(frozen=True, kw_only=True)
class Project:
    folder: Path

    def add(self, name: str, **described: str) -> None:
        function = self.folder / "backend" / name
        function.mkdir(parents=True)
        (function / "index.py").write_text(SOURCE)
        plain = {"handler": "index.handler", "requirements": ""}
        (function / "function.json").write_text(json.dumps(plain | described))

    def invoke(self, *words: str) -> tuple[int, str, str]:
        return self.run("invoke", *words)

    def run(self, *words: str) -> tuple[int, str, str]:
        ended = subprocess.run(
            [sys.executable, "-m", "local_aws.cli", *words, "--project", self.folder],
            env={**os.environ, "DOCKER_HOST": f"unix://{self.folder}/nothing.sock"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(folder=tmp_path)
    made.add("echo")
    return made


def test_a_function_is_built_and_answers_by_itself(project: Project) -> None:
    code, answer, said = project.invoke("echo", "--path", "/a", "--body", "{}")

    assert code == 0
    head, _, body = answer.partition("\n\n")
    assert head.splitlines()[:2] == ["201 Created", "x-a: b"]
    assert json.loads(body) == {"route": "POST /a", "body": "{}"}
    assert f"echo by itself, from {project.folder}/lambda_packages/echo.zip" in said


def test_an_error_of_the_function_fails_with_its_words_and_its_log(project: Project) -> None:
    code, answer, said = project.invoke("echo", "--path", "/fail")

    assert code == 1
    assert answer.startswith("500 Internal Server Error\n")
    assert "the function failed with ValueError: wrong" in said
    assert "asked for /fail" in said


def test_a_function_that_fails_is_traced_and_the_command_fails(project: Project) -> None:
    code, told, said = project.run("trace-request", "echo", "--path", "/fail", "--body", "{}")

    assert code == 1
    assert told.startswith("ms since the request was sent\n     0.0 → HTTP  POST /fail HTTP/1.1\n")
    assert "raised ValueError('wrong')" in told
    assert "\033" not in told
    assert "the function failed with ValueError: wrong" in said
    assert "asked for /fail" in said


def test_a_function_that_is_not_there_is_refused_with_those_that_are(project: Project) -> None:
    code, answer, said = project.invoke("ecko", "--path", "/")

    assert (code, answer) == (1, "")
    assert said == "error: there is no function ecko; there are echo\n"


def test_a_container_function_needs_docker_and_says_what_to_do(project: Project) -> None:
    project.add("contained", dependencies="image")

    code, answer, said = project.invoke("contained", "--path", "/")

    assert (code, answer) == (1, "")
    assert "contained is a container image, which is built and run by Docker: no Docker" in said
    assert "DOCKER_HOST" in said


def test_where_a_local_aws_runs_its_function_answers(project: Project) -> None:
    asked: list[Any] = []

    def lambda_api(environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        asked.append((request.path, json.loads(request.get_data())))
        return Response(json.dumps({"statusCode": 418}))(environ, start_response)

    arn = "arn:aws:lambda:us-east-1:123456789012:function:python-lambda-echo:live"
    work_dir = project.folder / ".local_aws"
    state = work_dir / "terraform" / "terraform.tfstate"
    said: list[str] = []
    with (
        instance.claim(work_dir) as claim,
        WebServer(lambda_api, what="a Lambda API") as server,
    ):
        state.parent.mkdir()
        state.write_text(json.dumps({"outputs": {"echo_function_alias_arn": {"value": arn}}}))
        claim.tell(instance.Instance(pid=1, api_url=server.url, endpoint_url=server.url))
        invoked = invoke(
            "echo", b'{"a": 1}', project=project.folder, work_dir=work_dir, say=said.append
        )

    assert (invoked.reply.status, invoked.failure) == (418, "")
    assert asked == [(f"/2015-03-31/functions/{arn}/invocations", {"a": 1})]
    assert said[0].startswith("echo of the local AWS that runs (process 1,")
    assert not (project.folder / "lambda_packages").exists()
