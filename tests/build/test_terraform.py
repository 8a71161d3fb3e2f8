"""The answer to Terraform's external data source, also from a clone in which nothing is set up."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.tiny import HANDLER, found_in, make_function, make_wheel, tree_of, write_tree
from lambda_build import terraform
from lambda_build.errors import UsageError
from lambda_build.locking import lock_function

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCRIPTS = Path(__file__).parents[2] / "scripts"
QUERY = {
    "name": "chat",
    "source": "../backend/chat",
    "requirements": "requirements.txt",
    "runtime": "python3.11",
    "architecture": "x86_64",
    "handler": "index.handler",
    "output_dir": "../lambda_packages",
    "archive_above_bytes": "1000000",
}


@pytest.fixture
def root(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root module, the working directory, with a function of the project beside it."""
    make_wheel(wheels)
    function = make_function(tmp_path / "backend" / "chat", found_in("../../wheels", "one"))
    lock_function(function)
    (tmp_path / "terraform").mkdir()
    monkeypatch.chdir(tmp_path / "terraform")
    return tmp_path


def query(**changes: str) -> str:
    return json.dumps({**QUERY, **changes})


def run(
    program: Sequence[str | Path], text: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [os.fspath(word) for word in program],
        input=text,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_answer_is_a_map_of_strings_with_paths_as_they_were_asked_for(root: Path) -> None:
    answer = terraform.answer(query())
    assert answer.keys() == {
        *("source_dir", "archive", "archive_sha256", "archive_bytes"),
        *("digest", "unzipped_bytes", "warnings", "lock"),
    }
    assert all(isinstance(value, str) for value in answer.values())
    assert re.fullmatch(r"\.\./lambda_packages/staged/chat/[0-9a-f]{16}", answer["source_dir"])
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", answer["digest"])
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", answer["lock"])
    staged = tree_of(Path(answer["source_dir"]))
    assert answer["unzipped_bytes"] == str(sum(len(data) for _, data in staged.values()))
    assert answer["warnings"] == ""
    assert os.fspath(root) not in json.dumps(answer)
    assert terraform.answer(query()) == answer


def test_the_answer_is_the_same_in_another_folder(root: Path, tmp_path: Path) -> None:
    first = terraform.answer(query())
    for name in ("backend", "wheels"):
        shutil.copytree(root / name, tmp_path / "else where" / name)
    (tmp_path / "else where" / "terraform").mkdir()
    os.chdir(tmp_path / "else where" / "terraform")  # the root fixture's monkeypatch restores it
    assert terraform.answer(query()) == first


def test_other_code_has_another_folder_and_digest(root: Path) -> None:
    first = terraform.answer(query())
    (root / "backend/chat/index.py").write_text(f"{HANDLER}# more\n")
    second = terraform.answer(query())
    assert second["digest"] != first["digest"]
    assert second["source_dir"] != first["source_dir"]
    assert Path(first["source_dir"]).is_dir()  # a saved plan may name it


def test_without_requirements_there_is_no_lock(root: Path) -> None:
    answer = terraform.answer(query(requirements=""))
    assert (answer["lock"], answer["warnings"]) == ("", "")


def test_without_a_lock_the_answer_warns(root: Path) -> None:
    (root / "backend/chat/requirements.python3.11-x86_64.lock").unlink()
    assert "make lock" in terraform.answer(query())["warnings"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the query is not JSON"),
        ("[]", "must be an object of strings with the keys architecture, archive_above_bytes"),
        ("{}", "must be an object of strings with the keys"),
        (json.dumps({**QUERY, "more": ""}), "must be an object of strings with the keys"),
        (json.dumps({**QUERY, "name": 1}), "must be an object of strings with the keys"),
        (query(name="../chat"), "'../chat' is no name of an artefact"),
        (query(name=""), "'' is no name of an artefact"),
        (query(runtime="python3.9"), "'python3.9' is no runtime"),
        (query(architecture="amd64"), "'amd64' is no architecture"),
        (query(archive_above_bytes="1.5"), "archive_above_bytes is '1.5': a whole number"),
    ],
)
def test_a_query_that_is_not_understood_is_a_usage_error(
    root: Path, text: str, reason: str
) -> None:
    with pytest.raises(UsageError) as refused:
        terraform.answer(text)
    assert reason in str(refused.value)


def test_only_the_answer_is_on_stdout_whatever_else_is_printed(root: Path) -> None:
    program = (
        "import os, sys\n"
        "from lambda_build import cli, terraform\n"
        "answer = terraform.answer\n"
        "def noisy(query):\n"
        "    print('printed')\n"
        "    os.system('echo by a child')\n"
        "    return answer(query)\n"
        "terraform.answer = noisy\n"
        "cli.main(['terraform'])\n"
    )
    said = run([sys.executable, "-c", program], query(), PYTHONPATH=os.fspath(SCRIPTS))
    assert said.returncode == 0
    assert json.loads(said.stdout)["source_dir"].startswith("../lambda_packages/")
    assert "by a child" in said.stderr
    assert "printed" in said.stderr


def test_a_refusal_is_on_stderr_only_with_its_commands_indented(root: Path) -> None:
    requirements = root / "backend/chat/requirements.txt"
    requirements.write_text(found_in("../../wheels", "one==2"))
    said = run(["python3", SCRIPTS / "run_lambda_build.py", "terraform"], query())
    assert (said.returncode, said.stdout) == (4, "")
    assert said.stderr.startswith("lambda-build: ../backend/chat/requirements.txt has changed")
    assert "\n    make lock\n" in said.stderr
    assert "Traceback" not in said.stderr
    assert os.fspath(root) not in said.stderr


def bare_clone(folder: Path) -> Path:
    """Copy what a module's clone has of the build script: no .venv."""
    names = [SCRIPTS / "run_lambda_build.py", *(SCRIPTS / "lambda_build").rglob("*")]
    files = {
        f"scripts/{path.relative_to(SCRIPTS)}": path.read_bytes()
        for path in names
        if path.is_file()
    }
    return write_tree(folder, files) / "scripts" / "run_lambda_build.py"


@pytest.fixture(scope="session")
def kept_environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """A cache that holds the environment which the build script brings; it is made once a run."""
    folder = tmp_path_factory.mktemp("bare")
    said = run(
        ["python3", bare_clone(folder / "clone"), "--help"],
        "",
        LAMBDA_BUILD_CACHE=os.fspath(folder / "cache"),
    )
    if "could not be made" in said.stderr:
        pytest.skip(f"no package index is reachable: {said.stderr}")
    assert said.returncode == 0, said.stderr
    return {"LAMBDA_BUILD_CACHE": os.fspath(folder / "cache")}


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_bare_clone_brings_an_environment_once_and_then_needs_no_network(
    root: Path, tmp_path: Path, kept_environment: Mapping[str, str]
) -> None:
    script = bare_clone(tmp_path / "clone")
    proxy = f"http://127.0.0.1:{closed_port()}"
    off = {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "PIP_NO_INDEX": "1", "UV_OFFLINE": "1"}
    said = run(["python3", script, "terraform"], query(), **kept_environment, **off)
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    answer = json.loads(said.stdout)
    assert answer == terraform.answer(query())


def test_variables_of_the_callers_python_do_not_reach_the_build(
    root: Path, tmp_path: Path, kept_environment: Mapping[str, str]
) -> None:
    script = bare_clone(tmp_path / "clone")
    write_tree(tmp_path / "evil", {"packaging.py": "raise SystemExit('evil')\n"})
    own = {"PYTHONPATH": os.fspath(tmp_path / "evil"), "PYTHONSAFEPATH": "1"}
    said = run(["python3", script, "terraform"], query(), **kept_environment, **own)
    assert said.returncode == 0, said.stderr


def test_an_environment_whose_python_is_gone_is_not_used(
    root: Path, tmp_path: Path, kept_environment: Mapping[str, str]
) -> None:
    script = bare_clone(tmp_path / "clone")
    write_tree(tmp_path / "clone/.venv", {".ready": "", "bin/activate": ""})
    (tmp_path / "clone/.venv/bin/python").symlink_to("/nowhere/python3")
    said = run(["python3", script, "terraform"], query(), **kept_environment)
    assert said.returncode == 0, said.stderr


def test_an_environment_that_cannot_be_made_is_an_error_that_says_why(
    root: Path, tmp_path: Path
) -> None:
    script = bare_clone(tmp_path / "clone")
    off = {"PIP_NO_INDEX": "1", "UV_OFFLINE": "1", "PIP_RETRIES": "0", "UV_NO_CACHE": "1"}
    said = run(["python3", script, "terraform"], query(), **off)
    assert (said.returncode, said.stdout) == (14, "")
    assert "the environment that lambda-build runs in could not be made" in said.stderr
    assert "Traceback" not in said.stderr
