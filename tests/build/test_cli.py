"""The command line as people and programs meet it: exit codes, stdout and stderr."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from build.tiny import HANDLER, Index, found_in, make_function, make_wheel, names_in, write_tree
from lambda_build import cli, errors
from lambda_build.errors import LambdaBuildError
from lambda_build.locking import lock_function

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = Path(sys.executable).with_name("lambda-build")


def run(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [os.fspath(PROGRAM), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def in_process(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *arguments: object,
) -> tuple[int, str, str]:
    """Run a command without starting a process, which takes ten times as long."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def project(root: Path, functions: Mapping[str, str]) -> Path:
    """Write a project whose functions have these requirements."""
    described = {"runtime": "python3.11", "architecture": "x86_64", "handler": "index.handler"}
    for name, requirements in functions.items():
        folder = root / "backend" / name
        write_tree(folder, {"index.py": HANDLER, "requirements.txt": requirements})
        (folder / "function.json").write_text(json.dumps(described))
    return root


def test_each_class_of_error_has_an_exit_code_of_its_own() -> None:
    classes = [
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, LambdaBuildError)
    ]
    codes = [found.exit_code for found in classes]
    assert len(set(codes)) == len(codes)
    for found in classes:
        assert f"{found.__name__}" in (errors.__doc__ or "")
        if found is not LambdaBuildError:
            assert f"{found.exit_code} " in cli._EXAMPLES.partition("exit codes:")[2]


def test_any_folder_is_packaged(tmp_path: Path) -> None:
    make_function(tmp_path / "my src", "")
    said = run(tmp_path, "package", "--source", "my src", "--output", "out/app.zip")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith(
        "out/app.zip  0.0 MB (0.0 MB unzipped, 0 packages, 3 files)  built"
    )
    assert "index.py" in names_in(tmp_path / "out/app.zip")
    again = run(tmp_path, "package", "--source", "my src", "--output", "out/app.zip")
    assert again.stdout.endswith("unchanged\n")


def test_functions_are_packaged_by_name_or_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project(tmp_path, {"one": "", "two": ""})
    code, out, _ = in_process(root, monkeypatch, capsys, "package", "two")
    assert (code, out.split()[0]) == (0, "lambda_packages/two.zip")
    code, out, _ = in_process(root, monkeypatch, capsys, "package")
    assert [line.split()[0] for line in out.splitlines()] == [
        "lambda_packages/one.zip",
        "lambda_packages/two.zip",
    ]
    code, _, err = in_process(root, monkeypatch, capsys, "package", "three")
    assert (code, err) == (2, "lambda-build: there is no function three; there are one, two\n")


def test_json_is_the_only_thing_on_stdout(tmp_path: Path, wheels: Path) -> None:
    make_wheel(wheels)
    make_function(tmp_path / "src", found_in("../wheels", "one"))
    where = ("--source", "src", "--output", "app.zip", "--handler", "index.handler")
    said = run(tmp_path, "package", *where, "--json", "--verbose")
    [result] = json.loads(said.stdout)
    assert result["path"] == "app.zip"
    assert result["packages"] == {"one": "1.0"}
    assert result["zipped_bytes"] == (tmp_path / "app.zip").stat().st_size
    assert result["built"] is True
    assert "lock is missing" in result["warnings"][0]
    assert "warning: src: requirements.python3.11-x86_64.lock is missing" in said.stderr
    assert "uv pip compile" in said.stderr  # --verbose echoes what is run


@pytest.mark.parametrize("command", [[], ["package"], ["lock"], ["terraform"]])
def test_help_is_given_with_examples(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    code, out, _ = in_process(tmp_path, monkeypatch, capsys, *command, "--help")
    assert code == 0
    if command in ([], ["package"]):
        assert "lambda-build package --source src --handler app.handler --output app.zip" in out
        assert "exit codes:" in out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["package"], "has no functions (no backend/*/function.json)"),
        (["package", "--source", "src"], "--source needs --output FILE.zip"),
        (["package", "--output", "x.zip"], "--output goes with --source"),
        (["package", "--runtime", "python3.12"], "--runtime goes with --source"),
        (["package", "--handler", "a.b"], "--handler goes with --source"),
        (["lock", "--no-requirements"], "--no-requirements goes with --source"),
        (["package", "x", "--source", "src", "--output", "x.zip"], "instead of names"),
        (
            [*("package", "--source", "src", "--output", "x.zip"), "--runtime", "python3.10"],
            "'python3.10' is no runtime that is built for; choose one of python3.11",
        ),
        (
            [*("package", "--source", "src", "--output", "x.zip"), "--architecture", "x64"],
            "'x64' is no architecture that is built for; choose one of x86_64, arm64",
        ),
        (
            ["lock", "--source", "src", "--requirements", "r.txt", "--no-requirements"],
            "--requirements and --no-requirements do not go together",
        ),
        (["bogus"], "invalid choice: 'bogus'"),
        (["package", "--bogus"], "unrecognized arguments: --bogus"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    reason: str,
) -> None:
    code, out, err = in_process(tmp_path, monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert reason in err


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ("{", "function.json cannot be read"),
        ("[]", "function.json is not an object of strings"),
        ('{"runtime": 3}', "function.json is not an object of strings"),
        ('{"run_time": "python3.11"}', "has the unknown key run_time; known are architecture"),
        ('{"dependencies": "carrier pigeon"}', "function.json: "),
        ('{"provided": "boto3"}', 'function.json: provided is a list of packages, e.g. ["boto3"]'),
        ('{"provided": [3]}', "function.json: provided is a list of packages"),
        ('{"provided": ["numpy"]}', "declares 'numpy' as provided, and python3.11 does"),
        ('{"runtime": "python2.7"}', "'python2.7' is no runtime"),
    ],
)
def test_a_function_json_that_is_not_understood_is_a_usage_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    described: str,
    reason: str,
) -> None:
    root = project(tmp_path, {"one": ""})
    (root / "backend/one/function.json").write_text(described)
    code, _, err = in_process(root, monkeypatch, capsys, "package")
    assert code == 2
    assert reason in err


def failing(name: str, root: Path, index: Index) -> tuple[dict[str, Any], list[str]]:
    """Return what to write into the source folder, and options, for an error of each class."""
    closed = "--index-url http://127.0.0.1:9/simple\none\n"
    found = found_in("../wheels", "one==9")
    return {
        "requirements": ({"requirements.txt": "--bogus\n"}, []),
        "resolution": ({"requirements.txt": found}, []),
        "network": ({"requirements.txt": closed}, []),
        "wheel": ({"requirements.txt": found_in("../wheels", "arm")}, []),
        "source": ({"requirements.txt": "", "b.py": "def (:\n"}, []),
        "handler": ({"requirements.txt": ""}, ["--handler", "app.handler"]),
        "output": ({"requirements.txt": ""}, ["--output", "src/index.py/x.zip"]),
    }[name]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("requirements", 3),
        ("resolution", 5),
        ("network", 6),
        ("wheel", 8),
        ("source", 9),
        ("handler", 10),
        ("output", 13),
    ],
)
def test_an_error_ends_the_program_with_its_code_and_says_why_on_stderr(
    tmp_path: Path,
    wheels: Path,
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    code: int,
) -> None:
    make_wheel(wheels)
    make_wheel(wheels, "arm", tag="cp311-cp311-manylinux2014_aarch64")
    files, options = failing(name, tmp_path, index)
    write_tree(tmp_path / "src", {"index.py": HANDLER, **files})
    where = ("--source", "src", "--output", "out/x.zip")
    ended, out, err = in_process(tmp_path, monkeypatch, capsys, "package", *where, *options)
    assert (ended, out) == (code, "")
    assert err.startswith("lambda-build: ")
    assert "\x1b" not in err
    assert os.fspath(tmp_path) not in err.replace(f"{tmp_path}/wheels", "") or name == "network"


def test_a_stale_lock_ends_a_real_process_with_its_code(tmp_path: Path, wheels: Path) -> None:
    make_wheel(wheels)
    function = make_function(tmp_path / "src", found_in("../wheels", "one"))
    lock_function(function)
    (tmp_path / "src/requirements.txt").write_text(found_in("../wheels", "one==2"))
    said = run(tmp_path, "package", "--source", "src", "--output", "x.zip")
    tool = os.path.relpath(Path(cli.__file__).parents[1] / "run_lambda_build.py", tmp_path)
    assert (said.returncode, said.stdout) == (4, "")
    assert said.stderr == (
        "lambda-build: src/requirements.txt has changed since its lock was made: it asks for "
        "one==2, and the lock has one 1.0.\n"
        "Make the lock again, and commit it:\n    make lock\n"
        f"or, outside this project:\n    python3 {tool} lock --source src\n"
    )


def test_locking_says_what_changed(
    tmp_path: Path,
    wheels: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_wheel(wheels)
    make_wheel(wheels, "two")
    root = project(tmp_path / "p", {"f": found_in(str(wheels), "one")})
    lock = "backend/f/requirements.python3.11-x86_64.lock"
    assert in_process(root, monkeypatch, capsys, "lock")[:2] == (0, f"{lock}: +one 1.0\n")
    assert in_process(root, monkeypatch, capsys, "lock")[:2] == (0, f"{lock}: unchanged\n")
    make_wheel(wheels, version="2.0")
    (root / "backend/f/requirements.txt").write_text(found_in(str(wheels), "one", "two"))
    assert in_process(root, monkeypatch, capsys, "lock", "f")[1] == f"{lock}: +two 1.0\n"
    upgraded = in_process(root, monkeypatch, capsys, "lock", "--upgrade")[1]
    assert upgraded == f"{lock}: one 1.0 → 2.0\n"
    (root / "backend/f/requirements.txt").write_text(found_in(str(wheels), "two"))
    assert in_process(root, monkeypatch, capsys, "lock")[1] == f"{lock}: -one\n"


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    make_function(tmp_path / "src", "")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        said = subprocess.run(
            [os.fspath(PROGRAM), "package", "--source", "src", "--output", "x.zip"],
            cwd=tmp_path,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (said.returncode, said.stderr) == (1, "")
