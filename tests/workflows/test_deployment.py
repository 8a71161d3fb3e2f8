"""lambda-deployment: plans as they are carried and told, and the API as it is asked."""

from __future__ import annotations

import io
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from deployment.answer import ask
from deployment.bundle import MANIFEST, pack, unpack
from deployment.cli import main
from deployment.errors import AnswerError, BundleError, InputError
from deployment.outputs import images
from deployment.plan import read_plan
from deployment.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ZIP = PurePosixPath("lambda_packages/chat_function.zip")
PLAN = PurePosixPath("terraform/tfplan")
LOCK = PurePosixPath("terraform/.terraform.lock.hcl")


def plan_json(*resources: dict[str, Any], changes: tuple[dict[str, Any], ...] = ()) -> str:
    module = {"child_modules": [{"child_modules": [{"resources": list(resources)}]}]}
    return json.dumps({"planned_values": {"root_module": module}, "resource_changes": changes})


def resource(kind: str, mode: str = "managed", **values: object) -> dict[str, Any]:
    return {"type": kind, "mode": mode, "values": values}


def change(address: str, *actions: str, **change: object) -> dict[str, Any]:
    return {"address": address, "change": {"actions": list(actions), **change}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project where something was planned."""
    folder = tmp_path / "project"
    for path, text in ((ZIP, "zip"), (PLAN, "plan"), (LOCK, "lock"), ("README.md", "readme")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    return folder


@pytest.fixture
def bundle(project: Path, tmp_path: Path) -> tuple[Path, str]:
    """A bundle, and its manifest's SHA-256."""
    folder = tmp_path / "bundle"
    return folder, pack(project, [ZIP, PLAN, LOCK], folder).sha256


def test_a_plan_names_the_files_that_its_apply_reads() -> None:
    text = plan_json(
        resource("aws_lambda_function", filename="./../lambda_packages/chat_function.zip"),
        resource("aws_lambda_function", filename=None, image_uri="…"),
        resource("aws_lambda_layer_version", filename="../lambda_packages/layer.zip"),
        resource("aws_s3_object", source="../lambda_packages/large_function.zip"),
        resource("archive_file", mode="data", output_path="../elsewhere.zip"),
        resource("aws_iam_role", filename="no/file"),
    )

    assert read_plan(text).files == (
        ZIP,
        PurePosixPath("lambda_packages/large_function.zip"),
        PurePosixPath("lambda_packages/layer.zip"),
        LOCK,
        PLAN,
    )


@pytest.mark.parametrize("path", ["/somewhere/chat.zip", "../../chat.zip"])
def test_a_plan_that_reads_a_file_outside_of_the_project_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="not in the project"):
        read_plan(plan_json(resource("aws_lambda_function", filename=path)))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"planned_values": 1}'])
def test_what_is_no_plan_is_refused_with_the_command_that_makes_one(text: str) -> None:
    with pytest.raises(InputError, match="show -json tfplan"):
        read_plan(text)


def test_a_bundle_brings_files_to_where_they_were(bundle: tuple[Path, str], tmp_path: Path) -> None:
    folder, sha256 = bundle
    checkout = tmp_path / "another checkout"

    manifest = unpack(folder, sha256, checkout)

    assert set(manifest.files) == {ZIP, PLAN, LOCK}
    assert (checkout / ZIP).read_text("utf-8") == "zip"
    assert (checkout / LOCK).read_text("utf-8") == "lock"
    assert not (checkout / "README.md").exists()


def changed(folder: Path) -> None:
    (folder / ZIP).write_text("zap", "utf-8")


def missing(folder: Path) -> None:
    (folder / ZIP).unlink()


def added(folder: Path) -> None:
    (folder / "terraform" / "override.tf").touch()


def linked(folder: Path) -> None:
    (folder / "real.zip").write_text("zip", "utf-8")
    (folder / ZIP).unlink()
    (folder / ZIP).symlink_to(folder / "real.zip")


def linked_folder(folder: Path) -> None:
    (folder / "terraform" / "modules").symlink_to(folder)


def forged(folder: Path) -> None:
    changed(folder)
    text = pack(folder, [ZIP, PLAN, LOCK], folder.parent / "forged")
    (folder / MANIFEST).write_text(str(text), "utf-8")


def without_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        (changed, f"{ZIP} was changed"),
        (missing, f"{ZIP} is missing"),
        (added, "terraform/override.tf was added"),
        (linked, f"{ZIP} was changed"),
        (linked_folder, "terraform/modules was added"),
        (forged, f"{MANIFEST} is not the one that was planned"),
        (without_manifest, f"no {MANIFEST}"),
    ],
)
def test_another_bundle_than_was_packed_brings_nothing(
    bundle: tuple[Path, str], tmp_path: Path, happens: Callable[[Path], None], says: str
) -> None:
    folder, sha256 = bundle
    happens(folder)

    with pytest.raises(BundleError, match=says.replace(".", r"\.")):
        unpack(folder, sha256, tmp_path / "checkout")

    assert not (tmp_path / "checkout").exists()


def test_a_manifest_is_what_sha256sum_checks(bundle: tuple[Path, str]) -> None:
    folder, _ = bundle
    lines = (folder / MANIFEST).read_text("utf-8").splitlines()

    assert [line.partition("  ")[2] for line in lines] == [str(ZIP), str(LOCK), str(PLAN)]


def test_a_file_that_is_planned_and_not_there_is_not_packed(project: Path, tmp_path: Path) -> None:
    (project / ZIP).unlink()

    with pytest.raises(InputError, match=rf"reads {ZIP}, which is not there"):
        pack(project, [ZIP, PLAN], tmp_path / "bundle")


def test_a_bundle_is_packed_into_a_new_folder_only(project: Path) -> None:
    with pytest.raises(InputError, match="exists"):
        pack(project, [ZIP], project)


def test_a_summary_tells_what_is_destroyed_first_and_never_a_value(project: Path) -> None:
    plan = read_plan(
        plan_json(
            resource("aws_lambda_function", filename=f"../{ZIP}"),
            changes=(
                change("aws_iam_role.same", "no-op"),
                change("data.aws_region.this", "read"),
                change("aws_iam_role.new", "create", after={"name": "n"}),
                change(
                    'aws_lambda_function.this["a|b`c"]',
                    "update",
                    before={"memory_size": 1, "environment": "hunter1", "name": "n"},
                    after={"memory_size": 2, "environment": "hunter2", "name": "n"},
                ),
                change("aws_sqs_queue.old", "delete", before={"name": "q"}),
                change(
                    "aws_api.moved", "delete", "create", before={"n": 1}, after_unknown={"n": True}
                ),
            ),
        )
    )

    text = summarise(plan, project, "Plan of staging")

    assert "hunter" not in text
    assert "**1** added, **1** changed, **1** replaced, **1** destroyed" in text
    assert [line for line in text.splitlines() if line.startswith("| ")][1:5] == [
        "| --- | --- | --- |",
        "| delete | `aws_sqs_queue.old` |  |",
        "| replace | `aws_api.moved` | `n` |",
        r"""| update | `aws_lambda_function.this["a\|b'c"]` | `environment`, `memory_size` |""",
    ]
    assert f"| `{ZIP}` | 0.0 |" in text


def test_a_summary_of_no_changes_says_so(project: Path) -> None:
    assert "No changes." in summarise(read_plan(plan_json()), project, "Plan")


@contextmanager
def api(*answers: tuple[int, str]) -> Iterator[str]:
    """Serve answers, one after the other, the last again and again; yield outputs of a stack."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status if self.path == "/chat/health" else 404)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield outputs(api_url=url, chat_function_version="7")
        server.shutdown()
        thread.join()


def outputs(**values: str) -> str:
    return json.dumps({name: {"value": value} for name, value in values.items()})


def version(number: str) -> tuple[int, str]:
    return 200, json.dumps({"function_version": number})


def test_the_version_that_was_deployed_is_waited_for() -> None:
    slept: list[float] = []
    with api(version("6"), (503, ""), version("7")) as told:
        assert ask(told, "chat", sleep=slept.append) == "7"
    assert len(slept) == 2


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (version("6"), "answered by version 6, and version 7 of chat was deployed"),
        ((500, ""), "answered by status 500"),
        ((200, "hello"), "answered by nobody"),
        ((200, "[]"), "answered by something that tells no version"),
    ],
)
def test_another_answer_for_long_is_an_error(answer: tuple[int, str], says: str) -> None:
    with api(answer) as told, pytest.raises(AnswerError, match=says):
        ask(told, "chat", patience_s=0)


def test_an_api_that_is_not_there_is_an_error() -> None:
    told = outputs(api_url="http://127.0.0.1:9", chat_function_version="7")

    with pytest.raises(AnswerError, match="nobody"):
        ask(told, "chat", patience_s=0)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("", "output -json"),
        ("[1]", "output -json"),
        (outputs(api_url="https://x"), "no output chat_function_version. It has: api_url"),
        (outputs(api_url="file:///etc", chat_function_version="7"), "is no address of an API"),
    ],
)
def test_outputs_that_do_not_tell_what_is_needed_are_refused(told: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        ask(told, "chat", patience_s=0)


def test_the_images_that_are_deployed_are_told_by_function() -> None:
    told = {
        "inference_package": {"value": {"uri": "host/name@sha256:1", "tag": "t"}},
        "chat_package": {"value": {"path": "chat.zip"}},
        "other_package": {"value": None},
        "api_url": {"value": "https://x"},
    }

    assert images(json.dumps(told)) == '{"inference": "host/name@sha256:1"}'


def test_the_command_line_carries_a_plan(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project)
    plan = plan_json(resource("aws_lambda_function", filename=f"../{ZIP}"))
    folder = str(tmp_path / "bundle")

    monkeypatch.setattr("sys.stdin", io.StringIO(plan))
    assert main(["pack", folder]) == 0
    sha256 = capsys.readouterr().out.strip()
    (project / ZIP).unlink()
    assert main(["unpack", folder, "--manifest", sha256]) == 0
    assert str(ZIP) in capsys.readouterr().out
    assert (project / ZIP).is_file()

    monkeypatch.setattr("sys.stdin", io.StringIO(plan))
    assert main(["summary", "Plan"]) == 0
    assert capsys.readouterr().out.startswith("## Plan\n")

    assert main(["unpack", folder, "--manifest", "another"]) == BundleError.exit_code
    assert "Nothing was changed." in capsys.readouterr().err
