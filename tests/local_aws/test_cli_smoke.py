"""The smoke test, before an AWS that is a few lines of Python."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from local_aws.cli import Console, _told
from local_aws.smoke import check
from local_aws.web import WebServer
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT = {"message": {"role": "assistant", "content": "I am a stand-in"}}


@dataclass
class Fake:
    """Front, Lambda API and stack in one."""

    server: Any = None
    replies: dict[str, tuple[int, object]] = field(
        default_factory=lambda: {
            "GET /chat/health": (200, {"boto3": {"version": "1.0"}}),
            "POST /chat": (200, CHAT),
            "malformed": (400, {"message": "not JSON"}),
            "invoke": (200, {"statusCode": 200, "body": json.dumps(CHAT)}),
        }
    )
    changes: bool = False
    obstacle: str | None = None
    containers: list[Any] = field(default_factory=list)
    containers_off: str = ""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        key = f"{request.method} {request.path}"
        if request.path.endswith("/invocations"):
            key = "invoke"
        elif request.method == "POST" and request.get_data() == b'{"messages": [':
            key = "malformed"
        status, body = self.replies.get(key, (404, {"message": "Not Found"}))
        return Response(json.dumps(body), status)(environ, start_response)

    def up(self) -> Any:
        return SimpleNamespace(
            aws=SimpleNamespace(
                endpoint_url=self.server.url,
                environment={
                    "AWS_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": "local",
                    "AWS_SECRET_ACCESS_KEY": "local",
                },
                functions=lambda: [
                    SimpleNamespace(name="chat", runtime="python3.11", obstacle=self.obstacle),
                    *self.containers,
                ],
            ),
            front=SimpleNamespace(served=lambda: [SimpleNamespace(url=self.server.url)]),
            stack=SimpleNamespace(
                has_changes=lambda: self.changes,
                outputs=lambda: {"chat_function_alias_arn": "chat:live"},
            ),
            stand_in=True,
            containers_off=self.containers_off,
        )


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    with WebServer(made, what="the fake") as made.server:
        yield made


def test_when_all_is_well_every_check_says_so(fake: Fake) -> None:
    outcomes = list(check(fake.up()))

    assert len(outcomes) == 7
    assert [outcome.failure for outcome in outcomes] == [""] * 7


@pytest.mark.parametrize(
    ("changes", "failing", "told"),
    [
        ({"GET /chat/health": (503, {"message": "no"})}, "GET /chat/health answers 200", "503"),
        ({"GET /chat/health": (200, {})}, "GET /chat/health answers 200", "boto3's version"),
        ({"malformed": (200, CHAT)}, "POST /chat with a malformed body answers 400", "200 instead"),
        ({"GET /no/such/route": (200, {})}, "a route that is not there answers 404", "instead"),
        (
            {"invoke": (200, {"statusCode": 500, "body": "{}"})},
            "lambda.invoke by boto3 runs the alias",
            "500 instead of 200",
        ),
        (
            {"POST /chat": (200, {"message": {"role": "assistant", "content": "Hi"}})},
            "POST /chat answers 200",
            "not the stand-in's",
        ),
    ],
)
def test_what_comes_back_wrong_is_told(
    fake: Fake, changes: dict[str, Any], failing: str, told: str
) -> None:
    fake.replies |= changes

    failures = {each.name: each.failure for each in check(fake.up()) if each.failure}

    assert list(failures) == [failing]
    assert told in failures[failing]


def test_a_plan_that_is_not_empty_and_a_function_that_cannot_run_are_told(fake: Fake) -> None:
    fake.changes, fake.obstacle = True, "Python 3.11 is not on this machine"

    failures = {each.name: each.failure for each in check(fake.up()) if each.failure}

    assert failures == {
        "every function can run on this machine": "chat: Python 3.11 is not on this machine",
        "a second terraform plan is empty": (
            "it would change what was just applied; the changes are listed above"
        ),
    }


INFERENCE = SimpleNamespace(name="inference", runtime="container image", obstacle=None)
JUDGED = {"results": [{"url": "https://example.com/", "probability": 0.1}]}


def test_where_containers_run_their_routes_are_checked(fake: Fake) -> None:
    fake.containers = [INFERENCE]
    fake.replies |= {
        "POST /inference": (200, JUDGED),
        "POST /inference/": (200, {"results": [{"url": "another", "probability": 0.1}]}),
        "GET /inference/health": (503, {}),
    }

    failures = {each.name: each.failure for each in check(fake.up()) if each.failure}

    assert list(failures) == [
        "POST /inference and /inference/ answer 200, from a container",
        "GET /inference/health answers 200",
    ]
    told = list(failures.values())
    assert "another" in told[0]
    assert "503" in told[1]


def test_where_no_container_runs_it_says_what_was_not_checked(fake: Fake) -> None:
    fake.containers = [SimpleNamespace(name="inference", runtime="container image", obstacle="no")]
    fake.containers_off = "no Docker engine answers"
    results = io.StringIO()
    console = Console(results, io.StringIO())

    outcomes = [_told(console, outcome) for outcome in check(fake.up())]

    assert [outcome.failure for outcome in outcomes] == [""] * len(outcomes)
    assert (
        "- GET /inference/health answers 200: not checked, no Docker engine answers\n"
        in results.getvalue()
    )


def test_a_line_tells_how_each_check_went(fake: Fake) -> None:
    fake.changes = True
    results = io.StringIO()
    console = Console(results, io.StringIO())

    for outcome in check(fake.up()):
        _told(console, outcome)

    assert "✓ GET /chat/health answers 200" in results.getvalue()
    assert "✗ a second terraform plan is empty" in results.getvalue()
    assert "\n    it would change what was just applied" in results.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's children")
def test_a_process_that_is_left_behind_is_told() -> None:
    script = """\
import subprocess
from local_aws.smoke import left_behind
print(left_behind().failure)
child = subprocess.Popen(["sleep", "600"])
print(left_behind().failure)
child.kill()
child.wait()
"""
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )

    # Not its name: for a moment after it was started it is still Python's.
    assert said.stdout.startswith("\nstill there: ")
