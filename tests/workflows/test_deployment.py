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
from deployment.errors import AliasMovesError, AnswerError, BundleError, InputError
from deployment.outputs import images
from deployment.plan import Plan, read_plan
from deployment.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ZIP = PurePosixPath("lambda_packages/chat_function.zip")
PLAN = PurePosixPath("terraform/tfplan")
LOCK = PurePosixPath("terraform/.terraform.lock.hcl")


def plan_json(
    *resources: dict[str, Any], changes: tuple[dict[str, Any], ...] = (), **more: object
) -> str:
    module = {"child_modules": [{"child_modules": [{"resources": list(resources)}]}]}
    told = {"planned_values": {"root_module": module}, "resource_changes": changes, **more}
    return json.dumps(told)


def plan_of(*files: PurePosixPath) -> Plan:
    return Plan(files=files, changes=(), moves=())


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
    return folder, pack(project, plan_of(ZIP, PLAN, LOCK), folder).sha256


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
    text = pack(folder, plan_of(ZIP, PLAN, LOCK), folder.parent / "forged")
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
        pack(project, plan_of(ZIP, PLAN), tmp_path / "bundle")


def test_a_bundle_is_packed_into_a_new_folder_only(project: Path) -> None:
    with pytest.raises(InputError, match="exists"):
        pack(project, plan_of(ZIP), project)


ALIAS = "module.chat.module.function.aws_lambda_alias.live"


def alias_change(*actions: str, name: str = "stack-chat") -> dict[str, Any]:
    before = None if actions == ("create",) else {"function_name": name, "function_version": "7"}
    after = {"function_name": name, "function_version": "8"}
    return {"type": "aws_lambda_alias", **change(ALIAS, *actions, before=before, after=after)}


def plan_that_pinned(release: dict[str, Any], *changes: dict[str, Any]) -> str:
    functions = {key: {"function_name": f"stack-{key}"} for key in ("chat", "inference")}
    return plan_json(
        changes=changes,
        variables={"release": {"value": release}, "environment": {"value": "staging"}},
        prior_state={"values": {"outputs": {"functions": {"value": functions}}}},
    )


CHAT_PINNED = {"chat": {"version": "8"}}


def test_a_plan_that_undoes_a_roll_back_made_since_the_pin_is_not_packed(
    project: Path, tmp_path: Path
) -> None:
    plan = read_plan(plan_that_pinned(CHAT_PINNED, alias_change("update")))

    with pytest.raises(AliasMovesError, match=rf"{ALIAS}.*Run the whole deployment again"):
        pack(project, plan, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(plan_that_pinned(CHAT_PINNED, alias_change("create")), id="new"),
        pytest.param(plan_that_pinned(CHAT_PINNED, alias_change("no-op")), id="left"),
        pytest.param(
            plan_that_pinned(CHAT_PINNED, alias_change("delete", "create")), id="replaced"
        ),
        pytest.param(plan_that_pinned({}, alias_change("update")), id="nothing-is-pinned"),
        pytest.param(
            plan_that_pinned(CHAT_PINNED, alias_change("update", name="stack-third")),
            id="not-pinned",
        ),
        # The first apply failed on the way: there are aliases, and no output to pin them by.
        pytest.param(plan_json(changes=(alias_change("update"),)), id="half-a-stack"),
    ],
)
def test_other_plans_for_an_alias_are_packed(text: str) -> None:
    assert read_plan(text).moves == ()


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
        functions = {"chat": {"function_name": "stack-chat", "alias_name": "live"}}
        yield outputs(api_url=url, functions=functions)
        server.shutdown()
        thread.join()


def outputs(**values: object) -> str:
    return json.dumps({name: {"value": value} for name, value in values.items()})


def live(version: str, **weights: float) -> str:
    """What `lambda-release pin` writes."""
    more = {"additional_version_weights": {key.strip("v"): each for key, each in weights.items()}}
    return json.dumps({"release": {"chat": {"version": version} | (more if weights else {})}})


def version(number: str) -> tuple[int, str]:
    return 200, json.dumps({"function_version": number})


def test_the_version_that_is_live_is_waited_for() -> None:
    slept: list[float] = []
    with api(version("6"), (503, ""), version("7")) as told:
        assert ask(told, live("7"), "chat", sleep=slept.append) == "7"
    assert len(slept) == 2


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (version("6"), "answered by version 6, and its alias serves version 7"),
        ((500, ""), "answered by status 500"),
        ((200, "hello"), "answered by nobody"),
        ((200, "[]"), "answered by something that tells no version"),
    ],
)
def test_another_answer_for_long_is_an_error(answer: tuple[int, str], says: str) -> None:
    with api(answer) as told, pytest.raises(AnswerError, match=says) as raised:
        ask(told, live("7"), "chat", patience_s=0)
    # It reads: what changes things is not for somebody who looks.
    assert "\n    aws lambda get-alias --function-name stack-chat --name live" in str(raised.value)


def test_either_version_of_an_alias_that_serves_two_may_answer() -> None:
    for number in ("6", "7"):
        with api(version(number)) as told:
            assert ask(told, live("6", v7=0.1), "chat", patience_s=0) == number


def test_an_api_that_is_not_there_is_an_error() -> None:
    told = outputs(api_url="http://127.0.0.1:9")

    with pytest.raises(AnswerError, match="nobody"):
        ask(told, live("7"), "chat", patience_s=0)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("", "output -json"),
        ("[1]", "output -json"),
        (outputs(url="https://x"), "no output api_url. It has: url"),
        (outputs(api_url="file:///etc"), "is no address of an API"),
    ],
)
def test_outputs_that_do_not_tell_what_is_needed_are_refused(told: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        ask(told, live("7"), "chat", patience_s=0)


@pytest.mark.parametrize("told", ["", "[]", '{"release": {}}', '{"release": {"chat": {}}}'])
def test_what_does_not_tell_what_is_live_is_refused(told: str) -> None:
    with pytest.raises(InputError, match="lambda-release pin --output FILE"):
        ask(outputs(api_url="https://x"), told, "chat", patience_s=0)


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

    file = tmp_path / "live.json"
    with api(version("7")) as told:
        monkeypatch.setattr("sys.stdin", io.StringIO(told))
        assert main(["ask", "chat", "--live", str(file)]) == InputError.exit_code
        file.write_text(live("7"), "utf-8")
        monkeypatch.setattr("sys.stdin", io.StringIO(told))
        assert main(["ask", "chat", "--live", str(file)]) == 0
    assert capsys.readouterr().out == "version 7 of chat answers\n"

    monkeypatch.setattr("sys.stdin", io.StringIO(plan))
    assert main(["summary", "Plan"]) == 0
    assert capsys.readouterr().out.startswith("## Plan\n")

    assert main(["unpack", folder, "--manifest", "another"]) == BundleError.exit_code
    assert "Nothing was changed." in capsys.readouterr().err
