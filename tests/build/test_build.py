"""Whole builds: the same inputs give the same bytes, what is unchanged costs nothing, and what
goes wrong is refused with a message that tells what to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from build.tiny import (
    HANDLER,
    Index,
    bytes_in,
    found_in,
    make_function,
    make_wheel,
    members_of,
    names_in,
    project_tree,
    set_times,
    tree_of,
    until,
    write_tree,
)
from lambda_build.build import package, stage_package
from lambda_build.cache import Cache, sha256_of
from lambda_build.checks import check
from lambda_build.errors import (
    ConflictError,
    FetchError,
    HandlerError,
    HashMismatchError,
    LambdaBuildError,
    LockError,
    OutputError,
    RequirementsError,
    ResolutionError,
    SizeError,
    SourceError,
    ToolError,
    WheelError,
)
from lambda_build.lock import read_lock
from lambda_build.locking import lock_function
from lambda_build.target import Architecture, Runtime, Target

if TYPE_CHECKING:
    from lambda_build.function import Function

SCRIPTS = Path(__file__).parents[2] / "scripts"
PROGRAM = [sys.executable, "-m", "lambda_build"]


@pytest.fixture
def two_wheels(wheels: Path) -> Path:
    make_wheel(wheels, "one", requires=["two>=1"])
    make_wheel(wheels, "two")
    return wheels


@pytest.fixture
def function(tmp_path: Path, two_wheels: Path) -> Function:
    """A function with a lock, whose wheels are in a folder."""
    made = make_function(tmp_path / "src", found_in("../wheels", "one"))
    lock_function(made)
    return made


def no_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no program is started and no wheel is fetched."""

    def refuse(*words: object, **_: object) -> None:
        raise AssertionError(f"was run: {words}")

    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr("lambda_build.fetch.http_client", refuse)


def refusal(
    kind: type[LambdaBuildError], function: Function, cache: Cache, output: Path | None = None
) -> str:
    output = output or function.source.parent / "out" / "function.zip"
    with pytest.raises(kind) as refused:
        package(function, output, cache)
    assert type(refused.value) is kind
    assert not output.exists()
    if output.parent.is_dir():
        assert list(output.parent.iterdir()) == []
    return str(refused.value)


def start(function: Function, output: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a build in a process of its own, in a group of its own."""
    where = ("--source", os.fspath(function.source), "--output", os.fspath(output))
    return subprocess.Popen(
        [*PROGRAM, "package", *where, "--handler", "index.handler"],
        env={**os.environ, "PYTHONPATH": os.fspath(SCRIPTS), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


# What a package holds


def test_a_package_holds_source_dependencies_bytecode_and_what_it_is(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    artefact = package(function, tmp_path / "out.zip", cache)
    tag = "cpython-311"
    metadata = [
        f"{n}-1.0.dist-info/{f}" for n in ("one", "two") for f in ("METADATA", "RECORD", "WHEEL")
    ]
    assert names_in(artefact.path) == sorted(
        [
            *("index.py", f"__pycache__/index.{tag}.pyc", "lambda_build.json"),
            *("one/__init__.py", f"one/__pycache__/__init__.{tag}.pyc"),
            *("two/__init__.py", f"two/__pycache__/__init__.{tag}.pyc"),
            *metadata,
        ]
    )
    lock = function.source / "requirements.python3.11-x86_64.lock"
    said = json.loads(bytes_in(artefact.path, "lambda_build.json"))
    expected = {
        "architecture": "x86_64",
        "digest": artefact.digest,
        "handler": "index.handler",
        "lock": f"sha256:{sha256_of(lock)}",
        "packages": {"one": "1.0", "two": "1.0"},
        "runtime": "python3.11",
    }
    assert {key: said[key] for key in expected} == expected
    assert (artefact.built, artefact.warnings) == (True, ())


def test_a_function_without_requirements_is_packaged_alone(tmp_path: Path, cache: Cache) -> None:
    for number, requirements in enumerate((None, "", "# nothing\n")):
        function = make_function(tmp_path / f"{number}", requirements)
        artefact = package(function, tmp_path / f"{number}.zip", cache)
        assert (artefact.packages, artefact.lock, artefact.warnings) == ({}, None, ())
        assert bytes_in(artefact.path, "index.py").decode() == HANDLER


def test_the_manifest_says_where_each_file_came_from(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    package(function, tmp_path / "out.zip", cache)
    manifest = json.loads((tmp_path / "out.manifest.json").read_text())
    files = {row["path"]: row for row in manifest["files"]}
    members = members_of(tmp_path / "out.zip")
    assert {
        path: (int(row["mode"], 8), row["sha256"], row["size"]) for path, row in files.items()
    } == {
        path: (mode, hashlib.sha256(data).hexdigest(), len(data))
        for path, (mode, data) in members.items()
    }
    assert files["index.py"]["origin"] == "source"
    assert files["two/__init__.py"]["origin"] == "two 1.0"
    assert manifest["archive"]["sha256"] == sha256_of(tmp_path / "out.zip")
    assert [(c["name"], c["purl"]) for c in manifest["sbom"]["components"]] == [
        ("one", "pkg:pypi/one@1.0"),
        ("two", "pkg:pypi/two@1.0"),
    ]
    assert os.fspath(tmp_path) not in json.dumps(manifest)


def test_the_staged_folder_holds_what_the_archive_holds(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    archive = package(function, tmp_path / "out.zip", cache)
    staged = stage_package(function, tmp_path / "out", cache)
    assert tree_of(staged.path) == members_of(archive.path)
    assert (staged.digest, staged.lock) == (archive.digest, archive.lock)
    assert staged.unzipped_bytes == sum(len(data) for _, data in tree_of(staged.path).values())


def test_extras_and_markers_of_the_target_decide_what_is_packaged(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_wheel(wheels, "one", extras={"more": ["two"]})
    make_wheel(wheels, "two")
    make_wheel(wheels, "old", tag="py3-none-any")
    make_wheel(wheels, "arm", tag="py3-none-manylinux2014_aarch64")
    text = found_in(
        "../wheels",
        "one[more]",
        "old; python_version < '3.13'",
        "arm; platform_machine == 'aarch64'",
        "never; sys_platform == 'win32'",
    )
    function = make_function(tmp_path / "src", text)
    assert set(package(function, tmp_path / "a.zip", cache).packages) == {"one", "two", "old"}
    target = replace(function.target, runtime=Runtime.PYTHON3_13, architecture=Architecture.ARM64)
    newer = replace(function, target=target)
    assert set(package(newer, tmp_path / "b.zip", cache).packages) == {"one", "two", "arm"}


def test_a_path_requirement_is_source_and_its_dependencies_are_locked(
    tmp_path: Path, two_wheels: Path, cache: Cache
) -> None:
    project_tree(tmp_path / "my lib", dependencies=["one"])
    function = make_function(tmp_path / "src", found_in("../wheels", "-e '../my lib'"))
    lock_function(function)
    lock = read_lock(function.source / "requirements.python3.11-x86_64.lock")
    assert [pin.name for pin in lock.pins] == ["one", "two"]
    first = package(function, tmp_path / "out.zip", cache)
    assert first.packages == {"one": "1.0", "proj": "1.0", "two": "1.0"}
    assert bytes_in(first.path, "proj/__init__.py") == b"NAME = 'proj'\n"

    (tmp_path / "my lib/proj/__init__.py").write_text("NAME = 'other'\n")
    second = package(function, tmp_path / "out.zip", cache)
    assert second.built
    assert second.digest != first.digest
    assert bytes_in(second.path, "proj/__init__.py") == b"NAME = 'other'\n"

    project_tree(tmp_path / "my lib", dependencies=["two"])
    with pytest.raises(LockError, match="it asks for something else now"):
        package(function, tmp_path / "out.zip", cache)


def test_a_path_requirement_whose_marker_does_not_hold_is_left_out(
    tmp_path: Path, cache: Cache
) -> None:
    project_tree(tmp_path / "src" / "lib")
    text = "./lib ; python_version < '3'\n"
    function = make_function(tmp_path / "src", text, files={"index.py": HANDLER})
    assert package(function, tmp_path / "out.zip", cache).packages == {}


def test_a_wheel_of_a_path_is_packaged_with_what_it_requires(
    tmp_path: Path, two_wheels: Path, cache: Cache
) -> None:
    text = found_in("../wheels", "../wheels/one-1.0-py3-none-any.whl")
    function = make_function(tmp_path / "src", text)
    artefact = package(function, tmp_path / "out.zip", cache)
    assert artefact.packages == {"one": "1.0", "two": "1.0"}


def test_options_in_a_nested_file_are_relative_to_it(
    tmp_path: Path, two_wheels: Path, cache: Cache
) -> None:
    two_wheels.rename(tmp_path / "shared")
    write_tree(tmp_path / "shared", {"base.txt": found_in("./", "one")})
    function = make_function(tmp_path / "src", "-r ../shared/base.txt\n")
    assert set(package(function, tmp_path / "out.zip", cache).packages) == {"one", "two"}


def test_pre_releases_are_taken_when_they_are_asked_for(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_wheel(wheels, "one", "1.0")
    make_wheel(wheels, "one", "2.0rc1")
    stable = make_function(tmp_path / "a", found_in("../wheels", "one"))
    assert package(stable, tmp_path / "a.zip", cache).packages == {"one": "1.0"}
    new = make_function(tmp_path / "b", found_in("../wheels", "--pre", "one"))
    assert package(new, tmp_path / "b.zip", cache).packages == {"one": "2.0rc1"}


def test_the_wheel_whose_hash_is_named_is_taken(tmp_path: Path, wheels: Path, cache: Cache) -> None:
    make_wheel(wheels, tag="cp311-cp311-manylinux2014_x86_64")
    plain = make_wheel(wheels)
    text = found_in("../wheels", f"one==1.0 --hash=sha256:{sha256_of(plain)}")
    function = make_function(tmp_path / "src", text)
    lock_function(function)
    lock = read_lock(function.source / "requirements.python3.11-x86_64.lock")
    assert [pin.filename for pin in lock.pins] == [plain.name]


def test_the_compiled_wheel_is_preferred(tmp_path: Path, wheels: Path, cache: Cache) -> None:
    make_wheel(wheels)
    best = make_wheel(wheels, tag="cp311-cp311-manylinux_2_17_x86_64")
    make_wheel(wheels, tag="cp311-cp311-manylinux_2_28_x86_64")
    make_wheel(wheels, tag="cp311-cp311-musllinux_1_2_x86_64")
    function = make_function(tmp_path / "src", found_in("../wheels", "one"))
    lock_function(function)
    lock = read_lock(function.source / "requirements.python3.11-x86_64.lock")
    assert [pin.filename for pin in lock.pins] == [best.name]


# The same inputs give the same bytes


def test_folder_umask_time_zone_locale_times_and_cache_change_no_byte(
    tmp_path: Path, two_wheels: Path
) -> None:
    hashes = set()
    digests = set()
    project_tree(tmp_path / "lib", dependencies=["one"])
    for number, (umask, zone, locale) in enumerate(
        [(0o022, "UTC", "C"), (0o077, "Asia/Tokyo", "C.UTF-8"), (0o002, "America/Lima", "tr_TR")]
    ):
        root = tmp_path / ("deep/" * number) / f"copy {number}"
        shutil.copytree(two_wheels, root / "wheels")
        shutil.copytree(tmp_path / "lib", root / "lib")
        files = {"index.py": HANDLER, "ü/b.py": "x = {1, 2}\n", "A.py": "", "tool": ""}
        if number:
            files = dict(reversed(files.items()))
        text = found_in("../wheels", "./../lib")
        function = make_function(root / "src", text, files=files)
        (root / "src/tool").chmod(0o755 if number else 0o711)
        set_times(root, 1_000_000_000 + 12345 * number)
        environment = {"TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": str(number)}
        cache = {"LAMBDA_BUILD_CACHE": os.fspath(root / "cache")}
        before = os.umask(umask)
        build_ = start(function, root / "out" / "x.zip", **environment, **cache)
        os.umask(before)
        _, said = build_.communicate(timeout=60)
        assert build_.returncode == 0, said
        hashes.add(sha256_of(root / "out" / "x.zip"))
        digests.add(json.loads((root / "out" / "x.manifest.json").read_text())["digest"])
    assert len(hashes) == 1
    assert len(digests) == 1


def test_the_digest_follows_each_input(tmp_path: Path, function: Function, cache: Cache) -> None:
    def digest(function: Function) -> str:
        return package(function, tmp_path / "out.zip", cache).digest

    first = digest(function)
    assert digest(replace(function, name="other")) == first
    assert digest(replace(function, handler=None)) != first
    (function.source / "index.py").write_text(f"{HANDLER}# more\n")
    second = digest(function)
    assert second != first
    (function.source / "index.py").chmod(0o755)
    assert digest(function) not in {first, second}


# What is unchanged costs nothing


def test_a_build_that_finds_nothing_changed_starts_and_writes_nothing(
    tmp_path: Path, function: Function, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state() -> dict[str, tuple[int, int]]:
        kept = (tmp_path / "out", cache.root)
        paths = [path for folder in kept for path in folder.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_ino, path.stat().st_size) for path in paths}

    first = package(function, tmp_path / "out" / "a.zip", cache)
    staged = stage_package(function, tmp_path / "out", cache)
    before = state()
    no_outside(monkeypatch)
    shutil.rmtree(tmp_path / "wheels")
    for path in function.source.rglob("*"):
        os.utime(path)
    second = package(function, tmp_path / "out" / "a.zip", cache)
    again = stage_package(function, tmp_path / "out", cache)
    assert (second.built, again.built) == (False, False)
    assert replace(second, built=True) == first
    assert replace(again, built=True) == staged
    assert state() == before


def test_a_changed_line_resolves_fetches_and_unpacks_nothing(
    tmp_path: Path, function: Function, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage_package(function, tmp_path / "out", cache)
    (function.source / "index.py").write_text(f"{HANDLER}# more\n")
    shutil.rmtree(tmp_path / "wheels")
    monkeypatch.setattr("lambda_build.uv._executable", lambda: "/nowhere/uv")
    monkeypatch.setattr("lambda_build.fetch.http_client", lambda: pytest.fail("fetched"))
    second = stage_package(function, tmp_path / "out", cache)
    assert second.path != first.path
    shared = {
        path
        for path in tree_of(first.path)
        if (first.path / path).stat().st_ino == (second.path / path).stat().st_ino
    }
    own = {"index.py", "__pycache__/index.cpython-311.pyc", "lambda_build.json"}
    assert set(tree_of(second.path)) - shared == own
    assert (first.path / "index.py").read_text() == HANDLER  # a plan may be reading it


@pytest.mark.parametrize("harm", ["edit", "truncate", "remove", "manifest", "no manifest"])
def test_an_artefact_that_was_tampered_with_is_built_again(
    tmp_path: Path, function: Function, cache: Cache, harm: str
) -> None:
    output, manifest = tmp_path / "out.zip", tmp_path / "out.manifest.json"
    package(function, output, cache)
    good = output.read_bytes(), manifest.read_bytes()
    match harm:
        case "edit":
            output.write_bytes(good[0].replace(b"answer", b"ANSWER") + b" ")
        case "truncate":
            output.write_bytes(good[0][:-10])
        case "remove":
            output.unlink()
        case "manifest":
            manifest.write_bytes(good[1][:100])
        case _:
            manifest.unlink()
    assert package(function, output, cache).built
    assert (output.read_bytes(), manifest.read_bytes()) == good


def test_a_staged_folder_that_was_tampered_with_is_staged_again(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    first = stage_package(function, tmp_path / "out", cache)
    good = tree_of(first.path)
    (first.path / "index.py").write_text("import evil\n")
    (first.path / "more.py").touch()
    second = stage_package(function, tmp_path / "out", cache)
    assert second.built
    assert second.path == first.path
    assert tree_of(second.path) == good
    assert {path.name for path in second.path.parent.iterdir()} == {
        second.path.name,
        f"{second.path.name}.manifest.json",
    }


def test_staged_folders_are_kept_a_day_after_they_were_last_named(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    def change(text: str) -> Path:
        (function.source / "index.py").write_text(HANDLER + text)
        return stage_package(function, tmp_path / "out", cache).path

    first, second = change("# 1\n"), change("# 2\n")
    for old in (first, second):
        yesterday = time.time() - 25 * 3600
        os.utime(old.with_name(f"{old.name}.manifest.json"), (yesterday, yesterday))
    (first.parent / ".x.abcdef.aside").mkdir()
    assert change("# 1\n") == first
    third = change("# 3\n")
    assert {path.name for path in first.parent.iterdir() if path.is_dir()} == {
        first.name,
        third.name,
    }


def test_output_in_the_source_folder_is_no_source(tmp_path: Path, cache: Cache) -> None:
    function = make_function(tmp_path / "src", None)
    output = function.source / "build" / "x.zip"
    first = package(function, output, cache)
    write_tree(output.parent, {".x.zip.abc.aside": ""})
    assert package(function, output, cache).digest == first.digest
    assert not (output.parent / ".x.zip.abc.aside").exists()
    for output_dir in (function.source / "packages", function.source):
        staged = stage_package(function, output_dir, cache)
        (output_dir / "src_function.zip").touch()
        assert not stage_package(function, output_dir, cache).built
        assert not [path for path in tree_of(staged.path) if "staged" in path]
        shutil.rmtree(output_dir / "staged")
        (output_dir / "src_function.zip").unlink()


def test_bytecode_is_added_once_there_is_a_python_for_it(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = make_function(tmp_path / "src", None)
    monkeypatch.setattr("lambda_build.bytecode.find_version", lambda _: None)
    output = tmp_path / "out.zip"
    first = package(function, output, cache)
    assert "no Python 3.11 on this machine" in first.warnings[0]
    assert not [name for name in names_in(output) if name.endswith(".pyc")]
    again = package(function, output, cache)
    assert (again.built, again.warnings) == (False, first.warnings)
    monkeypatch.undo()
    second = package(function, output, cache)
    assert (second.built, second.warnings, second.digest) == (True, (), first.digest)
    assert [name for name in names_in(output) if name.endswith(".pyc")]


def test_where_not_all_bytecode_fits_only_what_the_source_imports_is_compiled(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(
        tmp_path / "wheels",
        "big",
        "1.0",
        files={
            "big/__init__.py": "from .used import x\n",
            "big/used.py": "def x():\n    import big.later\n",
            "big/later.py": "y = 1\n",
            "big/never.py": "z = 1\n" * 5000,
        },
    )
    source = f"import big.used\n{HANDLER}"
    function = make_function(
        tmp_path / "src", found_in("../wheels", "big"), files={"index.py": source}
    )
    everything = package(function, tmp_path / "a.zip", cache)
    assert "big/__pycache__/never.cpython-311.pyc" in names_in(everything.path)
    plain = sum(
        len(data)
        for name, (_, data) in members_of(everything.path).items()
        if not name.endswith(".pyc")
    )
    monkeypatch.setattr(check, "LARGEST_UNZIPPED_BYTES", plain + 20_000)
    some = package(function, tmp_path / "b.zip", cache)
    compiled = {name for name in names_in(some.path) if name.endswith(".pyc")}
    assert compiled == {
        "__pycache__/index.cpython-311.pyc",
        "big/__pycache__/__init__.cpython-311.pyc",
        "big/__pycache__/later.cpython-311.pyc",
        "big/__pycache__/used.cpython-311.pyc",
    }
    assert "big/never.py" in names_in(some.path)
    assert not [said for said in some.warnings if "with bytecode" in said]


def test_bytecode_that_would_pass_the_limit_is_left_out(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = make_function(tmp_path / "src", None)
    plain = sum(
        len(data)
        for _, data in members_of(package(function, tmp_path / "a.zip", cache).path).values()
    )
    monkeypatch.setattr(check, "LARGEST_UNZIPPED_BYTES", plain - 1)
    artefact = package(function, tmp_path / "out.zip", cache)
    assert "with bytecode the package would be" in artefact.warnings[0]
    assert not [name for name in names_in(artefact.path) if name.endswith(".pyc")]
    assert not package(function, tmp_path / "out.zip", cache).built
    monkeypatch.setattr(check, "LARGEST_UNZIPPED_BYTES", 100)
    assert "largest parts" in refusal(SizeError, function, cache)


def test_the_smallest_zip_takes_the_place_of_another_and_is_kept_as_such(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    output = tmp_path / "out.zip"
    usual = package(function, output, cache)
    before = members_of(output)
    small = package(function, output, cache, smallest=True)
    assert small.built
    assert members_of(output) == before
    assert small.digest == usual.digest  # the compressor is none of what Terraform compares
    assert small.zipped_bytes is not None
    assert usual.zipped_bytes is not None
    assert small.zipped_bytes < usual.zipped_bytes
    assert not package(function, output, cache, smallest=True).built
    again = package(function, output, cache)
    assert (again.built, again.zip_sha256) == (True, usual.zip_sha256)


# The lock


def test_without_a_lock_the_build_warns_and_reuses_its_resolution(
    tmp_path: Path, wheels: Path, cache: Cache, index: Index
) -> None:
    make_wheel(wheels)
    function = make_function(tmp_path / "src", f"--index-url {index.url}\none\n")
    first = package(function, tmp_path / "a.zip", cache)
    assert first.packages == {"one": "1.0"}
    assert "requirements.python3.11-x86_64.lock is missing" in first.warnings[0]
    assert "make lock" in first.warnings[0]
    make_wheel(wheels, version="2.0")
    index.requests.clear()
    second = package(function, tmp_path / "b.zip", cache)
    assert (second.packages, second.warnings) == (first.packages, first.warnings)
    assert index.requests == []
    lock_function(function)
    third = package(function, tmp_path / "b.zip", cache)
    assert (third.packages, third.warnings) == ({"one": "2.0"}, ())


def test_a_kept_resolution_that_was_damaged_is_made_again(
    tmp_path: Path, two_wheels: Path, cache: Cache
) -> None:
    function = make_function(tmp_path / "src", found_in("../wheels", "one"))
    first = package(function, tmp_path / "out.zip", cache)
    [kept] = (cache.root / "resolutions").iterdir()
    kept.write_text(kept.read_text()[:-20])
    assert package(function, tmp_path / "out.zip", cache).digest == first.digest


def test_pinning_another_version_is_refused_until_the_lock_is_made_again(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    package(function, tmp_path / "out.zip", cache)
    make_wheel(tmp_path / "wheels", "one", "2.0")
    (function.source / "requirements.txt").write_text(found_in("../wheels", "one==2.0"))
    message = refusal(LockError, function, cache)
    assert "it asks for one==2.0, and the lock has one 1.0" in message
    assert "\n    make lock\n" in message
    path, lock, old = lock_function(function)
    assert path == function.source / "requirements.python3.11-x86_64.lock"
    assert old is not None
    assert [pin.version for pin in lock.pins if pin.name == "one"] == ["2.0"]
    assert package(function, tmp_path / "out.zip", cache).packages == {"one": "2.0"}


def test_locking_again_keeps_versions_that_still_answer(tmp_path: Path, function: Function) -> None:
    make_wheel(tmp_path / "wheels", "one", "1.1", requires=["two>=1"])
    make_wheel(tmp_path / "wheels", "two", "1.1")
    make_wheel(tmp_path / "wheels", "three")

    def versions(text: str, *, upgrade: bool = False) -> dict[str, str]:
        (function.source / "requirements.txt").write_text(found_in("../wheels", *text.split()))
        _, lock, _ = lock_function(function, upgrade=upgrade)
        return {pin.name: pin.version for pin in lock.pins}

    assert versions("one") == {"one": "1.0", "two": "1.0"}
    assert versions("one three") == {"one": "1.0", "three": "1.0", "two": "1.0"}
    assert versions("one>1") == {"one": "1.1", "two": "1.0"}
    assert versions("one>1", upgrade=True) == {"one": "1.1", "two": "1.1"}


def test_a_damaged_lock_can_be_made_again(tmp_path: Path, function: Function) -> None:
    lock = function.source / "requirements.python3.11-x86_64.lock"
    good = lock.read_text()
    lock.write_text(f"<<<<<<< HEAD\n{good}")
    lock_function(function)
    assert lock.read_text() == good


def test_a_function_without_requirements_has_nothing_to_lock(tmp_path: Path) -> None:
    with pytest.raises(LambdaBuildError, match="nothing to lock"):
        lock_function(make_function(tmp_path / "src", None))


# What cannot be had


def test_a_wheel_that_was_replaced_is_refused_with_both_hashes(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    make_wheel(tmp_path / "wheels", "one", files={"one/evil.py": ""})
    message = refusal(HashMismatchError, function, cache)
    lock = read_lock(function.source / "requirements.python3.11-x86_64.lock")
    assert "one-1.0-py3-none-any.whl is not the file that was locked" in message
    assert lock.pins[0].sha256 in message
    assert sha256_of(tmp_path / "wheels/one-1.0-py3-none-any.whl") in message


def test_a_wheel_that_was_withdrawn_is_refused_with_what_to_do(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    for wheel in (tmp_path / "wheels").iterdir():
        wheel.rename(wheel.with_name(wheel.name.replace("-1.0-", "-3.0-")))
    message = refusal(ResolutionError, function, cache)
    assert "one==1.0" in message


def test_a_wheel_without_the_hash_that_is_asked_for_is_refused(
    tmp_path: Path, two_wheels: Path, cache: Cache
) -> None:
    text = found_in("../wheels", f"two==1.0 --hash=sha256:{'a' * 64}")
    message = refusal(HashMismatchError, make_function(tmp_path / "src", text), cache)
    assert "requirements.txt, line 3: two==1.0" in message


def test_a_package_without_a_wheel_for_the_target_is_refused_with_what_there_is(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_wheel(wheels, tag="cp311-cp311-manylinux2014_aarch64")
    function = make_function(tmp_path / "src", found_in("../wheels", "one"))
    message = refusal(WheelError, function, cache)
    assert "manylinux2014_aarch64" in message
    assert "Only wheels are packaged" in message


def test_a_wheel_that_needs_a_newer_glibc_is_refused(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_wheel(wheels, tag="cp311-cp311-manylinux_2_28_x86_64")
    function = make_function(tmp_path / "src", found_in("../wheels", "one"))
    assert "manylinux_2_28_x86_64" in refusal(WheelError, function, cache)


def test_an_older_version_with_a_wheel_for_the_target_is_taken(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_wheel(wheels, version="1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    make_wheel(wheels, version="2.0", tag="cp311-cp311-manylinux_2_28_x86_64")
    function = make_function(tmp_path / "src", found_in("../wheels", "one"))
    assert package(function, tmp_path / "out.zip", cache).packages == {"one": "1.0"}


def test_requirements_that_contradict_are_refused_with_the_resolvers_reason(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_wheel(wheels, "one", requires=["two<1"])
    make_wheel(wheels, "two")
    function = make_function(tmp_path / "src", found_in("../wheels", "one", "two>=1"))
    message = refusal(ResolutionError, function, cache)
    assert "two<1" in message
    assert "you require two>=1" in message


def test_a_constraint_is_honoured(tmp_path: Path, wheels: Path, cache: Cache) -> None:
    make_wheel(wheels, version="1.0")
    make_wheel(wheels, version="2.0")
    text = found_in("../wheels", "-c limits.txt", "one")
    function = make_function(tmp_path / "src", text)
    write_tree(function.source, {"limits.txt": "one<2\n", ".lambdaignore": "limits.txt\n"})
    assert package(function, tmp_path / "out.zip", cache).packages == {"one": "1.0"}


def test_a_package_that_nobody_has_is_refused_by_name(
    tmp_path: Path, index: Index, cache: Cache
) -> None:
    function = make_function(tmp_path / "src", f"--index-url {index.url}\nnosuch\n")
    assert "nosuch was not found" in refusal(ResolutionError, function, cache)


def test_a_missing_requirements_file_is_refused(tmp_path: Path, cache: Cache) -> None:
    function = make_function(tmp_path / "src", "")
    (function.source / "requirements.txt").unlink()
    assert "requirements.txt does not exist" in refusal(RequirementsError, function, cache)


def test_a_project_that_does_not_build_is_refused_with_its_backends_words(
    tmp_path: Path, cache: Cache
) -> None:
    project_tree(tmp_path / "lib")
    backend = tmp_path / "lib/backend.py"
    backend.write_text("def build_wheel(*_, **__):\n    raise SystemExit('out of bricks')\n")
    function = make_function(tmp_path / "src", "../lib\n")
    lock_function(function)
    message = refusal(ToolError, function, cache)
    assert "out of bricks" in message
    assert "requirements.txt, line 1: ../lib" in message


def test_a_project_with_native_code_is_built_anew_for_another_target(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_tree(tmp_path / "lib")
    backend = tmp_path / "lib/backend.py"
    asked = "os.environ['MADE_FOR']"
    code = f"import os\nexec({backend.read_text()!r}.replace('py3-none-any', {asked}))\n"
    backend.write_text(code)
    function = make_function(tmp_path / "src", "../lib\n")
    monkeypatch.setenv("MADE_FOR", "cp311-cp311-manylinux2014_x86_64")
    package(function, tmp_path / "x.zip", cache)
    newer = replace(function, target=Target.parse("python3.13", "x86_64"))
    # The wheel of the first target is none for this one, and is not taken for it.
    assert "cp311-cp311-manylinux2014_x86_64.whl does not run on python3.13" in refusal(
        WheelError, newer, cache
    )
    monkeypatch.setenv("MADE_FOR", "cp313-cp313-manylinux2014_x86_64")
    assert package(newer, tmp_path / "y.zip", cache).packages == {"proj": "1.0"}


def test_a_project_required_by_a_project_must_be_named_too(tmp_path: Path, cache: Cache) -> None:
    project_tree(tmp_path / "inner", "inner")
    project_tree(tmp_path / "lib", dependencies=[f"inner @ file://{tmp_path}/inner"])
    function = make_function(tmp_path / "src", "../lib\n")
    message = refusal(RequirementsError, function, cache)
    assert "inner is a path requirement of a path requirement" in message


def test_conflicts_handlers_and_source_are_checked_before_anything_is_written(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_wheel(wheels, "one", files={"index.py": "other = 1\n"})
    text = found_in("../wheels", "one")
    conflict = make_function(tmp_path / "a", text)
    assert "index.py is in source and in one 1.0" in refusal(ConflictError, conflict, cache)
    without = make_function(tmp_path / "b", None, handler="app.handler")
    assert "the package has no app.py" in refusal(HandlerError, without, cache)
    broken = make_function(tmp_path / "c", None, files={"index.py": HANDLER, "b.py": "def (:\n"})
    assert "b.py is no Python 3.11" in refusal(SourceError, broken, cache)


# The network


@pytest.fixture
def from_index(tmp_path: Path, two_wheels: Path, index: Index) -> Function:
    function = make_function(tmp_path / "src", f"--index-url {index.url}\none\n")
    lock_function(function)
    return function


def test_wheels_come_from_an_index_once(
    tmp_path: Path, from_index: Function, cache: Cache, index: Index
) -> None:
    index.requests.clear()
    package(from_index, tmp_path / "a.zip", cache)
    files = [path for path in index.requests if path.endswith(".whl")]
    assert len(files) >= 2
    index.requests.clear()
    (from_index.source / "index.py").write_text(f"{HANDLER}# more\n")
    package(from_index, tmp_path / "a.zip", cache)
    assert index.requests == []


def test_with_a_warm_cache_no_network_is_needed(
    tmp_path: Path,
    from_index: Function,
    cache: Cache,
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package(from_index, tmp_path / "a.zip", cache)
    index.stop()
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    (from_index.source / "index.py").write_text(f"{HANDLER}# more\n")
    artefact = package(from_index, tmp_path / "b.zip", cache)
    assert artefact.packages == {"one": "1.0", "two": "1.0"}


def test_with_a_cold_cache_and_no_network_the_refusal_says_so(
    tmp_path: Path, from_index: Function, cache: Cache, index: Index
) -> None:
    index.stop()
    message = refusal(FetchError, from_index, cache)
    assert "the package index did not answer" in message
    assert "Connection refused" in message
    assert "HTTPS_PROXY" in message


def test_a_proxy_is_honoured(
    tmp_path: Path, two_wheels: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    function = make_function(tmp_path / "src", "--index-url http://index.invalid/simple\none\n")
    assert "Connection refused" in refusal(FetchError, function, cache)


def kept_in(cache: Cache) -> set[str]:
    """Return the folders of a cache that hold files."""
    files = (path for path in cache.root.rglob("*") if path.is_file())
    return {path.relative_to(cache.root).parts[0] for path in files}


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        ("404", FetchError, "404"),
        ("500", FetchError, "500"),
        ("401", FetchError, "401"),
        ("truncated", FetchError, "cannot be fetched"),
        ("garbage", HashMismatchError, "a proxy answered in its place"),
        ("other", HashMismatchError, "is not the file that was locked"),
    ],
)
def test_an_index_that_fails_to_give_a_wheel_leaves_nothing_behind(
    tmp_path: Path,
    from_index: Function,
    cache: Cache,
    index: Index,
    fault: Any,
    kind: type[LambdaBuildError],
    reason: str,
) -> None:
    index.faults["file"] = fault
    assert reason in refusal(kind, from_index, cache)
    assert kept_in(cache) <= {"bytecode"}  # of the source, which is compiled meanwhile
    index.faults.clear()
    package(from_index, tmp_path / "out.zip", cache)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("404", ResolutionError),
        ("500", FetchError),
        ("401", FetchError),
        ("garbage", ResolutionError),
    ],
)
def test_an_index_that_fails_to_list_wheels_is_an_error_of_its_kind(
    tmp_path: Path, two_wheels: Path, cache: Cache, index: Index, fault: Any, kind: Any
) -> None:
    index.faults["page"] = fault
    function = make_function(tmp_path / "src", f"--index-url {index.url}\none\n")
    refusal(kind, function, cache)


@pytest.mark.parametrize("harm", ["truncate", "edit", "empty"])
def test_a_wheel_that_was_damaged_in_the_cache_is_fetched_again(
    tmp_path: Path, from_index: Function, cache: Cache, harm: str
) -> None:
    package(from_index, tmp_path / "out.zip", cache)
    good = sha256_of(tmp_path / "out.zip")
    for wheel in (cache.root / "wheels").iterdir():
        data = wheel.read_bytes()
        harmed = {"truncate": data[:-30], "edit": data.replace(b"1.0", b"2.0"), "empty": b""}
        wheel.write_bytes(harmed[harm])
    (tmp_path / "out.zip").unlink()
    package(from_index, tmp_path / "out.zip", cache)
    assert sha256_of(tmp_path / "out.zip") == good


def test_a_project_that_was_damaged_in_the_cache_is_built_again(
    tmp_path: Path, cache: Cache
) -> None:
    project_tree(tmp_path / "lib")
    function = make_function(tmp_path / "src", "../lib\n")
    lock_function(function)
    package(function, tmp_path / "out.zip", cache)
    good = sha256_of(tmp_path / "out.zip")
    [wheel] = (cache.root / "projects").glob("*.whl")
    wheel.write_bytes(wheel.read_bytes()[:-30])
    (tmp_path / "out.zip").unlink()
    package(function, tmp_path / "out.zip", cache)
    assert sha256_of(tmp_path / "out.zip") == good


def test_a_wheel_named_by_its_address_is_taken_from_there(
    tmp_path: Path, two_wheels: Path, cache: Cache, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = str(index).removeprefix("http://")
    monkeypatch.setenv("INDEX_HOST", host)
    address = "http://${INDEX_HOST}/files/two-1.0-py3-none-any.whl"
    function = make_function(tmp_path / "src", f"--no-index\n{address}\n")
    lock_function(function)
    lock = function.source / "requirements.python3.11-x86_64.lock"
    assert host not in lock.read_text()
    assert package(function, tmp_path / "out.zip", cache).packages == {"two": "1.0"}


def test_an_indexs_credentials_are_used_and_written_nowhere(
    tmp_path: Path, two_wheels: Path, cache: Cache, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.credentials = "user:s3cr3t"
    monkeypatch.setenv("TOKEN", "s3cr3t")
    address = index.url.replace("http://", "http://user:${TOKEN}@")
    function = make_function(tmp_path / "src", f"--index-url {address}\none\n")
    lock_function(function)
    package(function, tmp_path / "out" / "out.zip", cache)
    stage_package(function, tmp_path / "out", cache)
    for folder in (function.source, tmp_path / "out", cache.root):
        for path in folder.rglob("*"):
            assert not path.is_file() or b"s3cr3t" not in path.read_bytes(), path
    monkeypatch.setenv("TOKEN", "wr0ng")
    shutil.rmtree(cache.root)
    (tmp_path / "out" / "out.zip").unlink()
    with pytest.raises(FetchError) as refused:
        package(function, tmp_path / "out" / "out.zip", cache)
    assert "wr0ng" not in str(refused.value)


# The disk


def test_an_output_that_cannot_be_written_is_refused_by_name(tmp_path: Path, cache: Cache) -> None:
    function = make_function(tmp_path / "src", None)
    write_tree(tmp_path, {"file": ""})
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        package(function, tmp_path / "file" / "out.zip", cache)
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        stage_package(function, tmp_path / "file", cache)
    (tmp_path / "out.zip").mkdir()
    with pytest.raises(OutputError, match=r"out\.zip cannot be written: Is a directory"):
        package(function, tmp_path / "out.zip", cache)


def test_a_cache_that_cannot_be_written_is_refused_by_name(
    tmp_path: Path, function: Function
) -> None:
    write_tree(tmp_path, {"file": ""})
    message = refusal(OutputError, function, Cache(root=tmp_path / "file"))
    assert "cannot be written: Not a directory" in message


def test_a_full_disk_is_an_error_and_leaves_the_old_artefact(
    tmp_path: Path, function: Function, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out" / "x.zip"
    package(function, output, cache)
    before = tree_of(output.parent)
    (function.source / "index.py").write_text(f"{HANDLER}# more\n")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lambda_build.archive.write_archive", full)
    with pytest.raises(OutputError, match=r"x\.zip cannot be written: No space left on device"):
        package(function, output, cache)
    monkeypatch.undo()
    assert tree_of(output.parent) == before


# Builds that are interrupted (at once, and killed: test_at_once)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_an_interrupted_build_ends_soon_and_leaves_nothing(
    tmp_path: Path, from_index: Function, cache: Cache, index: Index, number: int, code: int
) -> None:
    index.faults["file"] = "slow"
    output = tmp_path / "out" / "x.zip"
    running = start(from_index, output)
    until(lambda: list((cache.root / "wheels").glob(".*.aside")))
    running.send_signal(number)
    _, said = running.communicate(timeout=50)  # and not the 60 of the index
    assert running.returncode == code, said
    assert "Traceback" not in said
    assert kept_in(cache) <= {"bytecode"}
    assert list(output.parent.iterdir()) == []


def test_what_killed_builds_left_in_the_cache_goes_after_a_day(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    package(function, tmp_path / "out.zip", cache)
    folder = cache.root / "wheels"
    write_tree(folder, {".a.whl.x.aside": "", ".b.whl.x.aside": ""})
    yesterday = time.time() - 25 * 3600
    os.utime(folder / ".a.whl.x.aside", (yesterday, yesterday))
    next(folder.glob("*.whl")).unlink()  # a build that fetches nothing does not look for them
    (tmp_path / "out.zip").unlink()
    package(function, tmp_path / "out.zip", cache)
    assert [path.name for path in folder.glob(".*")] == [".b.whl.x.aside"]
