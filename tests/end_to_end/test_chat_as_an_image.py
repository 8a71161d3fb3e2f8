"""The same function by another word: chat, carried as a container image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from backend.lambda_events import http_event
from local_aws.providers import find_providers
from local_aws.stack import Stack
from python_terraform import IsFlagged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from applied_stack import AppliedStack
    from base_images import BaseImages

_HELLO = json.dumps({"messages": [{"role": "user", "content": "Hello"}]})


@pytest.fixture
def chat_as_image(
    applied_stack: AppliedStack, base_images: BaseImages, checkout: Path
) -> Iterator[str]:
    """Chat of another stack in the same AWS, switched by one word; the name of its function."""
    described = checkout / "backend/chat/function.json"
    text = described.read_text("utf-8")
    described.write_text(text.replace('"dependencies": "zip"', '"dependencies": "image"'), "utf-8")
    work_dir = checkout / ".local_aws"
    stack = Stack(
        project=checkout,
        work_dir=work_dir,
        environment=applied_stack.environment,
        providers=find_providers(work_dir),
    )
    stack.prepare()

    def terraform(command: str, **options: Any) -> None:
        run = applied_stack.run(
            command,
            root=stack.root,
            input=False,
            variables={
                "TF_VAR_project_name": "as-image",
                "TF_VAR_chat_base_image": base_images.lambda_python,
            },
            **options,
        )
        assert run.exit_code == 0, run.output

    terraform("init")
    terraform("apply", auto_approve=IsFlagged, parallelism=20, target="module.chat")
    yield "as-image-chat"
    terraform("destroy", auto_approve=IsFlagged)


def test_chat_answers_the_same_as_an_image(applied_stack: AppliedStack, chat_as_image: str) -> None:
    functions = applied_stack.boto3("lambda")
    zipped = applied_stack.outputs["chat_function_name"]

    def ask(name: str, event: dict[str, Any]) -> Any:
        answer = functions.invoke(FunctionName=f"{name}:live", Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload["statusCode"], json.loads(payload["body"])

    def both(event: dict[str, Any]) -> tuple[Any, Any]:
        return ask(zipped, event), ask(chat_as_image, event)

    deployed = functions.get_function(FunctionName=chat_as_image, Qualifier="live")
    assert deployed["Configuration"]["PackageType"] == "Image"
    as_zip, as_image = both(http_event("POST", "/chat", _HELLO))
    assert as_image == as_zip
    assert as_zip[0] == 200
    as_zip, as_image = both(http_event("POST", "/chat", '{"messages": []}'))
    assert as_image[0] == as_zip[0] == 400
    assert as_image[1]["error"] == as_zip[1]["error"]
    as_zip, as_image = both(http_event("GET", "/chat/health"))
    assert as_image[1]["boto3"] == as_zip[1]["boto3"]
    assert as_image[1]["lock"] == as_zip[1]["lock"]
