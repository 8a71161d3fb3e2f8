"""From a Dockerfile to an answered request: the deployed inference, asked as its callers ask it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from backend.lambda_events import http_event
from local_aws.container import Image, start_image
from local_aws.docker import Docker
from local_aws.emulator import Function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from applied_stack import AppliedStack
    from local_aws.stack import Stack

pytestmark = pytest.mark.usefixtures("base_images")

_URLS = {"urls": ["https://en.wikipedia.org/wiki/Phishing", "https://myetherwallet-login.com/"]}
_LIMIT_S = 60


def test_front_emulator_and_uvicorn_give_the_same_answer(
    applied_stack: AppliedStack, project: Path, tmp_path: Path
) -> None:
    body = json.dumps(_URLS)
    answers = [_post(f"{applied_stack.front_url}{path}") for path in ("/inference", "/inference/")]
    function = Function(handler="", name="inference", timeout_s=29)
    image = Image(uri=applied_stack.outputs["inference_package"]["uri"])
    with Docker() as docker:
        emulator = start_image(function, image, docker, work_dir=tmp_path)
        try:
            event = http_event("POST", "/inference", body)
            replied = json.loads(emulator.invoke(json.dumps(event).encode()).payload)
        finally:
            emulator.close()
    with _uvicorn(project) as url:
        answers += [json.loads(replied["body"]), _post(f"{url}/inference")]

    verdicts = [result["verdict"] for result in answers[0]["results"]]
    assert verdicts == ["not_phishing", "phishing"]
    assert answers == [answers[0]] * 4


def test_health_and_model_tell_what_is_deployed(applied_stack: AppliedStack, project: Path) -> None:
    front = f"{applied_stack.front_url}/inference"
    health = httpx.get(f"{front}/health", timeout=_LIMIT_S).json()
    card = httpx.get(f"{front}/model", timeout=_LIMIT_S).json()

    committed = project / "backend/inference/inference/trained/model_card.json"
    assert card == json.loads(committed.read_text("utf-8"))
    assert health["model"] == card["version"]
    assert health["lock"] == applied_stack.outputs["inference_package"]["lock"]
    assert health["function_version"] == applied_stack.outputs["inference_function_version"]


def test_a_wrong_body_is_refused_with_the_field(applied_stack: AppliedStack) -> None:
    answer = httpx.post(
        f"{applied_stack.front_url}/inference", json={"url": "ftp://x.example/"}, timeout=_LIMIT_S
    )
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "url"


def test_only_a_change_of_what_the_image_holds_plans_another_one(
    applied_stack: AppliedStack, checkout: Path, same_state: Callable[[Path], Stack]
) -> None:
    stack = same_state(checkout)
    inference = checkout / "backend/inference"
    image = "module.inference.module.image[0].terraform_data.image[0]"

    def plan() -> str:
        memory = {"inference_lambda_memory": "2048"}
        planned = applied_stack.run("plan", root=stack.root, input=False, var=memory)
        assert planned.exit_code == 0, planned.output
        return planned.output

    _append(inference / "README.md", "Another line.\n")
    _append(checkout / "tests/backend/test_inference_app.py", "# Another line.\n")
    unchanged = plan()
    _append(inference / "index.py", "# Another line.\n")
    changed = plan()

    assert f"{image} must be replaced" not in unchanged
    # The memory, and with it the alias and what watches its version.
    assert re.search(r"Plan: 0 to add, \d to change, 0 to destroy", unchanged), unchanged
    assert f"{image} must be replaced" in changed
    assert "image_uri" in changed


def _append(file: Path, text: str) -> None:
    file.write_text(file.read_text("utf-8") + text, "utf-8")


def _post(url: str) -> Any:
    answer = httpx.post(url, json=_URLS, timeout=_LIMIT_S)
    assert answer.status_code == 200, answer.text
    return answer.json()


@contextmanager
def _uvicorn(project: Path) -> Iterator[str]:
    """Serve the application as its README says, and give its address."""
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "inference.app:app", "--port", "0"],
        cwd=project / "backend/inference",
        env=os.environ | {"PYTHONPATH": os.fspath(project / "backend/shared/src")},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stderr is not None
        yield next(
            found[1] for line in server.stderr if (found := re.search(r"(http://127\S+)", line))
        )
    finally:
        server.terminate()
        server.communicate(timeout=_LIMIT_S)
