"""Whichever file says what a function asks for, the same package comes out."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from build.tiny import (
    HANDLER,
    Index,
    make_function,
    make_wheel,
    names_in,
    project_tree,
    write_tree,
)
from lambda_build.asked import read_asked
from lambda_build.build import package
from lambda_build.cache import sha256_of
from lambda_build.errors import (
    HashMismatchError,
    LockError,
    RequirementsError,
    WheelError,
)
from lambda_build.function import read_function
from lambda_build.locking import fallen_back, lock_function
from lambda_build.target import Architecture, Runtime, Target
from uv import find_uv_bin

if TYPE_CHECKING:
    from pathlib import Path

    from lambda_build.cache import Cache
    from lambda_build.function import Function

PROJECT = '[project]\nname = "fn"\nversion = "1"\nrequires-python = ">=3.11"\n'
PYLOCK_OF_A = 'lock-version = "1.0"\n[[packages]]\nname = "a"\nversion = "1"\n'
WHEELS = '[tool.uv]\nno-index = true\nfind-links = ["../wheels"]\n'


@pytest.fixture
def three_wheels(wheels: Path) -> Path:
    """A package that needs another, and one with a wheel for each machine."""
    make_wheel(wheels, "one", requires=["two>=1"])
    make_wheel(wheels, "two")
    for machine in ("x86_64", "aarch64"):
        make_wheel(wheels, "nat", tag=f"cp311-cp311-manylinux_2_17_{machine}")
    make_wheel(wheels, "nat", tag="cp311-cp311-macosx_11_0_arm64")
    make_wheel(wheels, "dev")
    return wheels


def function_of(root: Path, name: str, text: str, tables: str = WHEELS) -> Function:
    """Write a function whose packages a file of this name asks for."""
    made = make_function(root, None, files={"index.py": HANDLER})
    write_tree(root, {name: f"{PROJECT}{text}{tables}" if name == "pyproject.toml" else text})
    return replace(made, requirements=root / name)


def uv_locked(root: Path, text: str, tables: str = WHEELS) -> Function:
    """Write a function with uv's own lock."""
    function = function_of(root, "pyproject.toml", text, tables)
    subprocess.run([find_uv_bin(), "lock", "--quiet"], cwd=root, check=True)
    return replace(function, requirements=root / "uv.lock")


def pylocked(root: Path, text: str, tables: str = WHEELS) -> Function:
    """Write a function with a pylock.toml alone."""
    function = uv_locked(root, text, tables)
    words = ("--quiet", "--no-emit-project", "--no-default-groups", "-o", "pylock.toml")
    command = (find_uv_bin(), "export", *words)
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    for name in ("uv.lock", "pyproject.toml"):
        (root / name).unlink()
    return replace(function, requirements=root / "pylock.toml")


ASKED = (
    'dependencies = ["one", "nat; sys_platform == \'linux\'", "dev; python_version < \'3\'"]\n'
    '[project.optional-dependencies]\nmore = ["dev"]\n[dependency-groups]\ndev = ["dev"]\n'
)
VERSIONS = {"nat": "1.0", "one": "1.0", "two": "1.0"}


def test_a_pyproject_is_asked_and_locked_like_requirements(
    tmp_path: Path, three_wheels: Path, cache: Cache
) -> None:
    function = function_of(tmp_path / "src", "pyproject.toml", ASKED)
    artefact = package(function, tmp_path / "a.zip", cache)
    assert dict(artefact.packages) == VERSIONS
    assert "pyproject.python3.11-x86_64.lock is missing" in artefact.warnings[0]
    path, lock, _ = lock_function(function)
    assert path == tmp_path / "src/pyproject.python3.11-x86_64.lock"
    assert [pin.name for pin in lock.pins] == list(VERSIONS)
    locked = package(function, tmp_path / "a.zip", cache)
    assert (locked.warnings, locked.lock) == ((), f"sha256:{sha256_of(path)}")
    assert not [
        name for name in names_in(locked.path) if "pyproject" in name or "lock" in name[-5:]
    ]
    newer = ASKED.replace('"one"', '"one>=2"')
    changed = f"{PROJECT}{newer}{WHEELS}"
    (tmp_path / "src/pyproject.toml").write_text(changed)
    with pytest.raises(LockError, match="asks for one>=2, and the lock has one") as refused:
        package(function, tmp_path / "a.zip", cache)
    again = f"--source {tmp_path}/src --requirements {tmp_path}/src/pyproject.toml"
    assert again in str(refused.value)


def test_paths_and_constraints_that_uv_is_told_in_a_pyproject_count(
    tmp_path: Path, three_wheels: Path, cache: Cache
) -> None:
    make_wheel(three_wheels, "two", "2.0")
    project_tree(tmp_path / "lib", dependencies=["two"])
    tables = (
        f'{WHEELS}constraint-dependencies = ["two<2"]\n'
        '[tool.uv.sources]\nproj = { path = "../lib" }\n'
    )
    function = function_of(tmp_path / "src", "pyproject.toml", 'dependencies = ["proj"]\n', tables)
    assert dict(package(function, tmp_path / "a.zip", cache).packages) == {
        "proj": "1.0",
        "two": "1.0",
    }


@pytest.mark.parametrize("locked", [uv_locked, pylocked])
def test_a_given_lock_is_built_from_exactly(
    tmp_path: Path, three_wheels: Path, cache: Cache, locked: object
) -> None:
    assert callable(locked)
    function = locked(tmp_path / "src", ASKED)
    make_wheel(three_wheels, "one", "2.0")
    make_wheel(three_wheels, "two", "2.0")
    artefact = package(function, tmp_path / "a.zip", cache)
    assert (dict(artefact.packages), artefact.warnings) == (VERSIONS, ())
    requirements, given = read_asked(function.requirements, function.target)
    assert given is not None
    assert [pin.filename for pin in given.lock.pins] == [
        "nat-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        "one-1.0-py3-none-any.whl",
        "two-1.0-py3-none-any.whl",
    ]
    assert requirements.file == function.requirements
    assert not [name for name in names_in(artefact.path) if name.endswith((".toml", "uv.lock"))]
    arm64 = replace(function, target=replace(function.target, architecture=Architecture.ARM64))
    assert dict(package(arm64, tmp_path / "arm64.zip", cache).packages) == VERSIONS
    newer = replace(function, target=replace(function.target, runtime=Runtime.PYTHON3_12))
    with pytest.raises(WheelError, match=r"nat 1\.0 has no wheel for python3\.12-x86_64"):
        package(newer, tmp_path / "newer.zip", cache)


@pytest.mark.parametrize("locked", [uv_locked, pylocked])
def test_a_folder_in_a_given_lock_is_source(
    tmp_path: Path, three_wheels: Path, cache: Cache, locked: object
) -> None:
    assert callable(locked)
    project_tree(tmp_path / "lib", dependencies=["two"])
    tables = f'{WHEELS}[tool.uv.sources]\nproj = {{ path = "../lib" }}\n'
    function = locked(tmp_path / "src", 'dependencies = ["proj"]\n', tables)
    first = package(function, tmp_path / "a.zip", cache)
    assert dict(first.packages) == {"proj": "1.0", "two": "1.0"}
    (tmp_path / "lib/proj/__init__.py").write_text("NAME = 'other'\n")
    assert package(function, tmp_path / "a.zip", cache).digest != first.digest


def test_a_given_lock_with_a_folder_needs_no_lock_of_ours(
    tmp_path: Path, three_wheels: Path
) -> None:
    function = uv_locked(tmp_path / "src", ASKED)
    path, lock, old = lock_function(function, upgrade=True)
    assert (path, lock) == (function.requirements, old)
    assert fallen_back(function, lock, old, upgrade=True) == ()
    assert sorted(file.name for file in (tmp_path / "src").iterdir()) == [
        *("index.py", "pyproject.toml", "uv.lock")
    ]


def test_a_given_locks_wheels_come_from_a_private_index_by_their_addresses(
    tmp_path: Path,
    three_wheels: Path,
    index: Index,
    cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index.credentials = "user:s3cr3t"
    monkeypatch.setenv("UV_INDEX_CORP_USERNAME", "user")
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", "s3cr3t")
    tables = f'[[tool.uv.index]]\nname = "corp"\nurl = "{index.url}"\ndefault = true\n'
    function = uv_locked(tmp_path / "src", ASKED, tables)
    index.requests.clear()
    assert dict(package(function, tmp_path / "a.zip", cache).packages) == VERSIONS
    assert {path.rpartition("/")[2][:3] for path in index.requests} == {"nat", "one", "two"}
    assert "s3cr3t" not in (tmp_path / "src/uv.lock").read_text()
    # What was fetched is in the cache: from now on no network is needed.
    index.stop()
    (tmp_path / "src/index.py").write_text(f"{HANDLER}# more\n")
    assert package(function, tmp_path / "a.zip", cache).built


def test_a_wheel_that_is_not_the_one_in_a_given_lock_is_refused(
    tmp_path: Path, three_wheels: Path, cache: Cache
) -> None:
    function = pylocked(tmp_path / "src", ASKED)
    make_wheel(three_wheels, "two", files={"two/evil.py": ""})
    with pytest.raises(HashMismatchError, match=r"two-1\.0-py3-none-any\.whl is not the file"):
        package(function, tmp_path / "a.zip", cache)


def test_provided_packages_leave_with_what_only_they_need(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_wheel(wheels, "boto3", requires=["botocore"])
    make_wheel(wheels, "botocore")
    make_wheel(wheels, "one")
    function = uv_locked(tmp_path / "src", 'dependencies = ["boto3", "one"]\n')
    function = replace(function, provided=("boto3",))
    assert dict(package(function, tmp_path / "a.zip", cache).packages) == {"one": "1.0"}


def test_uvs_lock_that_does_not_answer_its_project_any_more_is_refused(
    tmp_path: Path, three_wheels: Path, cache: Cache
) -> None:
    function = uv_locked(tmp_path / "src", ASKED)
    (tmp_path / "src/pyproject.toml").write_text(f'{PROJECT}dependencies = ["two"]\n{WHEELS}')
    with pytest.raises(LockError, match="does not answer") as refused:
        package(function, tmp_path / "a.zip", cache)
    assert f"\n    uv lock --project {tmp_path}/src" in str(refused.value)
    (tmp_path / "src/pyproject.toml").unlink()
    with pytest.raises(RequirementsError, match=r"a pyproject\.toml beside it, which is missing"):
        package(function, tmp_path / "a.zip", cache)


def test_a_pylock_that_does_not_answer_the_project_beside_it_is_refused(
    tmp_path: Path, three_wheels: Path, cache: Cache
) -> None:
    function = pylocked(tmp_path / "src", ASKED)
    write_tree(tmp_path / "src", {"pyproject.toml": f'{PROJECT}dependencies = ["one>=2"]\n'})
    with pytest.raises(LockError, match=r"asks for one>=2, and the lock has one 1\.0"):
        package(function, tmp_path / "a.zip", cache)


@pytest.mark.parametrize(
    ("name", "text", "kind", "reason"),
    [
        ("pyproject.toml", "[tool.x]\n", RequirementsError, "has no [project]"),
        ("pyproject.toml", "x", RequirementsError, "cannot be read"),
        (
            "pyproject.toml",
            '[project]\ndynamic = ["dependencies"]\n',
            RequirementsError,
            "its dependencies are dynamic",
        ),
        (
            "pyproject.toml",
            '[project]\nrequires-python = ">=3.12"\n',
            RequirementsError,
            "is for Python >=3.12, and the function is for python3.11",
        ),
        ("pyproject.toml", '[project]\ndependencies = ["a b"]\n', RequirementsError, "a b\nis not"),
        ("pyproject.toml", '[project]\ndependencies = "a"\n', RequirementsError, "is a list"),
        (
            "pyproject.toml",
            '[project]\ndependencies = ["a"]\n[tool.uv.sources]\na = { git = "https://x" }\n',
            RequirementsError,
            "uv lock --project",
        ),
        ("pylock.toml", 'lock-version = "2.0"\n', LockError, "no lock-version that is known"),
        (
            "pylock.dev.toml",
            'lock-version = "1.0"\nenvironments = ["sys_platform == \'win32\'"]\n',
            LockError,
            "is not for python3.11-x86_64",
        ),
        (
            "pylock.toml",
            f'{PYLOCK_OF_A}[[packages.wheels]]\nname = "a.whl"\nhashes = {{ md5 = "a" }}\n',
            LockError,
            "files of a without a sha256",
        ),
        (
            "pylock.toml",
            'lock-version = "1.0"\n[[packages]]\nname = "a"\n[packages.vcs]\ntype = "git"\n',
            RequirementsError,
            "a is a repository",
        ),
        (
            "pylock.toml",
            'lock-version = "1.0"\n[[packages]]\nname = "a"\nmarker = "nonsense"\n',
            LockError,
            "nonsense is no marker",
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_name(
    tmp_path: Path, name: str, text: str, kind: type[Exception], reason: str
) -> None:
    write_tree(tmp_path, {name: text})
    with pytest.raises(kind) as refused:
        read_asked(tmp_path / name, Target())
    assert reason in str(refused.value)
    assert name in str(refused.value)


def test_groups_of_a_pylock_count_when_they_are_its_default(tmp_path: Path) -> None:
    wheel = '[[packages.wheels]]\npath = "./{0}-1-py3-none-any.whl"\nhashes = {{ sha256 = "00" }}\n'
    packages = "".join(
        f'[[packages]]\nname = "{name}"\nversion = "1"\n{marker}{wheel.format(name)}'
        for name, marker in {
            "a": "",
            "b": "marker = \"'web' in dependency_groups\"\n",
            "c": "marker = \"'more' in extras or 'dev' in dependency_groups\"\n",
        }.items()
    )
    for groups, expected in (("", ["a"]), ('default-groups = ["web"]\n', ["a", "b"])):
        write_tree(tmp_path, {"pylock.toml": f'lock-version = "1.0"\n{groups}{packages}'})
        _, given = read_asked(tmp_path / "pylock.toml", Target())
        assert given is not None
        assert [pin.name for pin in given.lock.pins] == expected


def test_a_missing_requirements_file_is_refused_with_what_is_there_instead(tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match="--no-requirements"):
        read_asked(tmp_path / "requirements.txt", Target())
    write_tree(tmp_path, {"pyproject.toml": PROJECT, "uv.lock": ""})
    with pytest.raises(RequirementsError, match=r"uv\.lock or pyproject\.toml is beside it"):
        read_asked(tmp_path / "requirements.txt", Target())


def test_function_json_names_the_file(tmp_path: Path, three_wheels: Path) -> None:
    function_of(tmp_path / "src", "pyproject.toml", ASKED)
    for name, expected in (("pyproject.toml", tmp_path / "src/pyproject.toml"), ("", None)):
        write_tree(tmp_path / "src", {"function.json": f'{{"requirements": "{name}"}}'})
        assert read_function(tmp_path / "src").requirements == expected


@pytest.mark.parametrize(
    ("asked", "said", "words"),
    [
        ("pyproject.toml[more]", "extra", ("--extra", "more")),
        ("uv.lock[more]", "extra", ("--extra", "more")),
        ("pyproject.toml:dev", "group", ("--group", "dev")),
    ],
)
def test_extras_and_groups_are_had_by_a_lock_that_uv_exports(
    tmp_path: Path,
    three_wheels: Path,
    cache: Cache,
    asked: str,
    said: str,
    words: tuple[str, ...],
) -> None:
    function = function_of(tmp_path / "src", "pyproject.toml", ASKED)
    folder = function.source
    with pytest.raises(
        RequirementsError, match=f"{said}s are not asked for by a file's name"
    ) as no:
        package(replace(function, requirements=folder / asked), tmp_path / "a.zip", cache)
    command = str(no.value).splitlines()[-1].split()
    assert command[:2] == ["uv", "export"]
    assert " ".join(words) in " ".join(command)
    subprocess.run([find_uv_bin(), *command[1:]], check=True, stdout=subprocess.DEVNULL)
    exported = replace(function, requirements=folder / "pylock.toml")
    built = package(exported, tmp_path / "a.zip", cache)
    assert dict(built.packages) == {**VERSIONS, "dev": "1.0"}
