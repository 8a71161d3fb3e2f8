"""The stand-ins for hashicorp/archive and hashicorp/external do what the real ones do."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from local_aws.providers import find_providers
from local_aws.stand_in_providers import (
    Programs,
    Refusal,
    file_mode,
    read_archive_file,
    read_external,
    zip_folder,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.joinpath("package", "empty").mkdir(parents=True)
    folder.joinpath("index.py").write_text("print()", encoding="utf-8")
    folder.joinpath("index.py").chmod(0o644)
    folder.joinpath("package", "tool").write_text("#!/bin/sh", encoding="utf-8")
    folder.joinpath("package", "tool").chmod(0o755)
    folder.joinpath("package-data").write_text("…", encoding="utf-8")
    folder.joinpath("package-data").chmod(0o444)
    return folder


def contents(archive: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(archive))


# --- archive


def test_an_archive_holds_the_files_in_byte_order_and_no_empty_folder(source: Path) -> None:
    names = contents(zip_folder(source)).namelist()

    assert names == ["index.py", "package/tool", "package-data"]


def test_modes_come_from_the_disk(source: Path) -> None:
    modes = [info.external_attr >> 16 for info in contents(zip_folder(source)).infolist()]

    assert modes == [stat.S_IFREG | mode for mode in (0o644, 0o755, 0o444)]


def test_output_file_mode_replaces_every_mode(source: Path) -> None:
    archive = contents(zip_folder(source, file_mode=file_mode("0666")))

    assert {info.external_attr >> 16 for info in archive.infolist()} == {stat.S_IFREG | 0o666}


def test_an_output_file_mode_that_is_no_number_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        file_mode("rw-r--r--")

    assert refused.value.detail.endswith("error parsing output_file_mode value: rw-r--r--")


def test_every_member_has_the_time_that_gos_zero_time_becomes(source: Path) -> None:
    times = {info.date_time for info in contents(zip_folder(source)).infolist()}

    assert times == {(2049, 1, 1, 0, 0, 0)}


def test_the_same_files_give_the_same_bytes(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "copy")
    os.utime(tmp_path / "copy" / "index.py", (0, 0))

    assert zip_folder(tmp_path / "copy") == zip_folder(source)


def test_links_are_followed_to_files_and_folders(source: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    elsewhere.joinpath("module.py").write_text("linked", encoding="utf-8")
    source.joinpath("a_file").symlink_to(elsewhere / "module.py")
    source.joinpath("a_folder").symlink_to(elsewhere)

    archive = contents(zip_folder(source))

    assert archive.read("a_file") == b"linked"
    assert archive.read("a_folder/module.py") == b"linked"


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda _: None, "could not archive missing directory"),
        (lambda path: path.write_text("", encoding="utf-8"), "directory that is a file"),
        (lambda path: path.mkdir(), "archive has not been created as it would be empty"),
        (
            lambda path: (path.mkdir(), path.joinpath("to").symlink_to("nowhere")),
            "error encountered during file walk",
        ),
        (
            lambda path: (path.mkdir(), path.joinpath("round").symlink_to(path)),
            "error encountered during file walk",
        ),
    ],
    ids=["missing", "a file", "empty", "a dangling link", "a link to itself"],
)
def test_what_cannot_be_archived_is_refused(
    tmp_path: Path, make: Callable[[Path], Any], cause: str
) -> None:
    make(tmp_path / "bad")

    with pytest.raises(Refusal) as refused:
        zip_folder(tmp_path / "bad")

    assert refused.value.summary == "Archive creation error"
    assert cause in refused.value.detail


def test_the_hashes_are_those_of_the_file_at_the_output_path(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "made" / "on the way" / "function.zip"

    result = read_archive_file(
        {"type": "zip", "source_dir": str(source), "output_path": str(output)}
    )

    content = output.read_bytes()
    digest = hashlib.sha256(content).digest()
    assert result["output_size"] == len(content)
    assert result["output_sha256"] == digest.hex()
    assert result["output_base64sha256"] == base64.b64encode(digest).decode()
    assert result["id"] == result["output_sha"] == hashlib.sha1(content).hexdigest()  # noqa: S324


def test_another_type_than_zip_is_refused_as_the_stand_ins_limit(
    source: Path, tmp_path: Path
) -> None:
    with pytest.raises(Refusal) as refused:
        read_archive_file(
            {"type": "tar.gz", "source_dir": str(source), "output_path": str(tmp_path / "x")}
        )

    assert "archive type not supported: tar.gz" in refused.value.detail
    assert "stand-in" in refused.value.detail


# --- external


def external(program: list[str], **config: Any) -> dict[str, Any]:
    return read_external({"program": program, **config}, Programs())


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


def refusal(program: list[str], **config: Any) -> Refusal:
    with pytest.raises(Refusal) as refused:
        external(program, **config)
    assert refused.value.attribute == "program"
    return refused.value


def test_the_query_goes_in_as_json_and_the_answer_comes_out() -> None:
    result = external(
        python("import sys; sys.stdout.write(sys.stdin.read())"),
        query={"b": "2", "a": "<é>", "none": None},
    )

    assert result["result"] == {"a": "<é>", "b": "2"}
    assert result["id"] == "-"


def test_without_a_query_the_program_gets_an_empty_object() -> None:
    code = "import sys, json; json.dump({'in': sys.stdin.read()}, sys.stdout)"

    assert external(python(code))["result"] == {"in": "{}"}


def test_the_program_runs_in_the_working_directory(tmp_path: Path) -> None:
    code = "import os, json; print(json.dumps({'cwd': os.getcwd()}))"

    assert external(python(code), working_dir=str(tmp_path))["result"] == {"cwd": str(tmp_path)}


def test_empty_words_are_dropped_and_nothing_but_empty_words_is_refused() -> None:
    echo = python("import sys, json; print(json.dumps({'n': str(len(sys.argv))}))")

    assert external(["", *echo, "", "word"])["result"] == {"n": "2"}
    assert refusal(["", ""]).summary == "External Program Missing"


def test_a_program_that_fails_is_quoted_with_its_stderr_and_status() -> None:
    refused = refusal(python("import sys; sys.exit('no such package\\n    make lock')"))

    assert refused.summary == "External Program Execution Failed"
    assert "Error Message: no such package\n    make lock" in refused.detail
    assert refused.detail.endswith("State: exit status 1")


def test_a_program_that_fails_silently_gives_no_message_but_its_status() -> None:
    refused = refusal(python("raise SystemExit(3)"))

    assert "it returned no additional error messaging" in refused.detail
    assert refused.detail.endswith("State: exit status 3")


def test_a_program_that_is_killed_gives_its_signal() -> None:
    refused = refusal(python("import os; os.kill(os.getpid(), 9)"))

    assert refused.detail.endswith("State: signal: killed")


def test_a_program_that_is_missing_or_not_executable_is_refused(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch(mode=0o644)

    assert refusal(["no-such-program-here"]).detail.endswith(
        'Error: exec: "no-such-program-here": executable file not found in $PATH'
    )
    assert refusal([f"{tmp_path}/none"]).detail.endswith("no such file or directory")
    assert refusal([str(plain)]).detail.endswith("permission denied")


def test_a_missing_working_directory_is_refused(tmp_path: Path) -> None:
    refused = refusal(python("pass"), working_dir=str(tmp_path / "none"))

    assert refused.summary == "External Program Execution Failed"


@pytest.mark.parametrize(
    ("stdout", "cause"),
    [
        ("", "unexpected end of JSON input"),
        ('{"a": ', "unexpected end of JSON input"),
        ("Hello", "invalid character 'H' looking for beginning of value"),
        ('{"a": "b"} c', "invalid character 'c' after top-level value"),
        ('["a"]', "json: cannot unmarshal array into Go value of type map[string]string"),
        ('{"a": 1}', "json: cannot unmarshal number into Go value of type string"),
        ('{"a": true}', "json: cannot unmarshal bool into Go value of type string"),
        ('{"a": {}}', "json: cannot unmarshal object into Go value of type string"),
    ],
)
def test_an_answer_that_is_no_map_of_strings_is_refused(stdout: str, cause: str) -> None:
    refused = refusal(python(f"print({stdout!r})"))

    assert refused.summary == "Unexpected External Program Results"
    assert refused.detail.endswith(f"Result Error: {cause}")


def test_stderr_of_a_program_that_succeeds_is_not_shown() -> None:
    code = "import sys; print('{}'); print('warning', file=sys.stderr)"

    assert external(python(code))["result"] == {}


def test_killing_the_programs_ends_a_read_at_once() -> None:
    programs = Programs()
    refused: list[Refusal] = []

    def read() -> None:
        with pytest.raises(Refusal) as caught:
            read_external({"program": python("import time; time.sleep(60)")}, programs)
        refused.append(caught.value)

    thread = threading.Thread(target=read)
    thread.start()
    wait_until(lambda: bool(programs._running))
    programs.kill()
    thread.join(60)

    assert refused[0].detail.endswith("State: signal: killed")


# --- under Terraform

ROOT = """
terraform {
  required_providers {
    archive  = { source = "hashicorp/archive" }
    external = { source = "hashicorp/external" }
  }
}
data "external" "this" {
  program = ["python3", "${path.module}/program.py"]
  query   = { folder = "source" }
}
data "archive_file" "this" {
  type        = "zip"
  source_dir  = data.external.this.result.folder
  output_path = "packages/function.zip"
}
output "hash" {
  value = data.archive_file.this.output_base64sha256
}
"""

ECHO = "import sys; sys.stdout.write(sys.stdin.read())"
SLEEP = """
import os, pathlib, time
pathlib.Path("started").write_text(f"{os.getpid()} {os.getppid()}")
time.sleep(60)
"""


def wait_until(true: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def root(tmp_path: Path, source: Path) -> tuple[Path, dict[str, str]]:
    """A Terraform root whose providers are the stand-ins, and the environment to run it in."""
    if shutil.which("terraform") is None:
        pytest.fail("terraform is not installed")
    mirror = tmp_path / "mirror"
    # find_providers wants a mirror with aws; nothing here ever starts it.
    for name in (f"{sys.platform}_{machine}" for machine in ("amd64", "arm64")):
        mirror.joinpath("registry.terraform.io/hashicorp/aws/5.100.0", name).mkdir(parents=True)
    providers = find_providers(
        tmp_path / "work", environ={"TERRAFORM_PROVIDER_MIRROR": str(mirror)}
    )
    tmp_path.joinpath("main.tf").write_text(ROOT, encoding="utf-8")
    environment = {**os.environ, **providers.environment}
    init = terraform(tmp_path, environment, "init")
    assert init.returncode == 0, init.stderr
    return tmp_path, environment


def terraform(
    folder: Path, environment: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["terraform", *arguments, "-no-color", "-input=false"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_terraform_takes_their_answers(root: tuple[Path, dict[str, str]]) -> None:
    folder, environment = root
    folder.joinpath("program.py").write_text(ECHO, encoding="utf-8")

    applied = terraform(folder, environment, "apply", "-auto-approve")

    assert applied.returncode == 0, applied.stderr
    archive = folder.joinpath("packages", "function.zip").read_bytes()
    digest = base64.b64encode(hashlib.sha256(archive).digest()).decode()
    assert f'hash = "{digest}"' in applied.stdout


def test_terraform_shows_their_refusals_with_the_line_at_fault(
    root: tuple[Path, dict[str, str]],
) -> None:
    folder, environment = root
    folder.joinpath("program.py").write_text("raise SystemExit('broken')", encoding="utf-8")

    planned = terraform(folder, environment, "plan")

    assert planned.returncode == 1
    assert "Error: External Program Execution Failed" in planned.stderr
    assert 'in data "external" "this":\n' in planned.stderr
    assert "Error Message: broken" in planned.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_when_terraform_is_stopped_neither_provider_nor_program_lives_on(
    root: tuple[Path, dict[str, str]], how: signal.Signals
) -> None:
    folder, environment = root
    folder.joinpath("program.py").write_text(SLEEP, encoding="utf-8")
    started = folder / "started"
    with subprocess.Popen(
        ["terraform", "plan", "-input=false"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as plan:
        wait_until(lambda: started.exists() and " " in started.read_text(encoding="utf-8"))
        program, provider = map(int, started.read_text(encoding="utf-8").split())
        plan.send_signal(how)

        assert plan.wait(60) != 0

    wait_until(lambda: not runs(program) and not runs(provider))
