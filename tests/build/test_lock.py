"""A lock says which wheels answer the requirements, or is refused with what is wrong."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.tiny import make_wheel, write_tree
from lambda_build.errors import LockError
from lambda_build.lock import Lock, Pin, check_lock, lock_command, lock_path, read_lock
from lambda_build.locking import built_later
from lambda_build.requirements import read_requirements
from lambda_build.target import Architecture, Runtime, Target
from uv import find_uv_bin

if TYPE_CHECKING:
    from lambda_build.requirements import Requirements

ONE = Pin(name="one", version="1.0", sha256="a" * 64, filename="one-1.0-py3-none-any.whl")
TWO = Pin(name="two", version="1!2.0+x", sha256="b" * 64, filename="two-1!2.0+x-py3-none-any.whl")


def requirements(folder: Path, text: str) -> Requirements:
    write_tree(folder, {"requirements.txt": text})
    return read_requirements(folder / "requirements.txt")


def lock_of(wanted: Requirements, *pins: Pin, target: Target | None = None) -> Lock:
    target = target or Target()
    return Lock(
        target=str(target),
        glibc=target.glibc,
        requirements_name=wanted.file.name,
        requirements_digest=wanted.digest,
        pins=pins,
    )


def refusal(folder: Path, lock: Lock, now: str, target: Target | None = None) -> str:
    wanted = requirements(folder, now)
    with pytest.raises(LockError) as refused:
        check_lock(lock, folder / "requirements.lock", wanted, target or Target())
    return str(refused.value)


def test_a_lock_stands_beside_its_requirements_a_file_a_target(tmp_path: Path) -> None:
    target = Target(runtime=Runtime.PYTHON3_13, architecture=Architecture.ARM64)
    path = lock_path(tmp_path / "requirements.txt", target)
    assert path == tmp_path / "requirements.python3.13-arm64.lock"


@pytest.mark.parametrize("pins", [(), (ONE,), (ONE, TWO)])
def test_a_lock_is_read_as_it_was_written(tmp_path: Path, pins: tuple[Pin, ...]) -> None:
    lock = lock_of(requirements(tmp_path, "one\n"), *pins)
    path = tmp_path / "requirements.lock"
    path.write_text(lock.text)
    assert read_lock(path) == lock
    assert lock.digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_line_ends_make_no_other_lock(tmp_path: Path) -> None:
    lock = lock_of(requirements(tmp_path, "one\n"), ONE)
    path = tmp_path / "requirements.lock"
    path.write_text(lock.text, newline="\r\n")
    assert read_lock(path) == lock


def test_a_lock_names_no_host(tmp_path: Path) -> None:
    text = "--index-url https://user:secret@x.test/simple\none\n"
    lock = lock_of(requirements(tmp_path, text), ONE)
    assert "x.test" not in lock.text
    assert "secret" not in lock.text


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("# target:", "# aim:", "its head is missing"),
        ("# requirements: sha256:", "# requirements: sha256:x", "its head is missing"),
        ("--hash=sha256:aaa", "--hash=sha256:xxx", "line 4 is damaged: one==1.0"),
        ("one==1.0", "one>=1.0", "line 4 is damaged: one>=1.0"),
        ("one==1.0", "<<<<<<< HEAD\none==1.0", "line 4 is damaged: <<<<<<< HEAD"),
        ("two==", "one==", "line 5: one is there twice"),
    ],
)
def test_a_damaged_lock_is_refused_by_line_with_what_to_do(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    lock = lock_of(requirements(tmp_path, "one\n"), ONE, TWO)
    path = tmp_path / "requirements.lock"
    path.write_text(lock.text.replace(old, new))
    with pytest.raises(LockError) as refused:
        read_lock(path)
    assert reason in str(refused.value)
    assert "\n    make lock\n" in str(refused.value)


def test_a_lock_that_is_no_text_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, {"x.lock": b"\xff"})
    with pytest.raises(LockError, match=r"x\.lock cannot be read"):
        read_lock(tmp_path / "x.lock")


def test_a_lock_answers_its_requirements(tmp_path: Path) -> None:
    wanted = requirements(tmp_path, "One >= 1\ntwo ; python_version < '3'\n")
    check_lock(lock_of(wanted, ONE), tmp_path / "x.lock", wanted, Target())


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        ("one==2.0\n", "it asks for one==2.0, and the lock has one 1.0"),
        ("one\nthree>2\n", "it asks for three>2, and the lock has no three"),
        ("one\nthree; sys_platform == 'win32'\n", "it asks for something else now"),
        ("-c limits.txt\none\n", "it asks for something else now"),
        ("--index-url https://x.test\none\n", "it asks for something else now"),
    ],
)
def test_a_stale_lock_is_refused_with_what_changed(tmp_path: Path, now: str, changed: str) -> None:
    write_tree(tmp_path, {"limits.txt": "one<3\n"})
    lock = lock_of(requirements(tmp_path, "one\n"), ONE)
    message = refusal(tmp_path, lock, now)
    assert f"has changed since its lock was made: {changed}." in message
    assert "\n    make lock\n" in message


def test_a_lock_that_was_edited_is_refused(tmp_path: Path) -> None:
    lock = lock_of(requirements(tmp_path, "one\ntwo\n"), ONE)
    message = refusal(tmp_path, lock, "one\ntwo\n")
    assert "it asks for two, and the lock has no two" in message


def test_a_lock_for_another_target_is_refused(tmp_path: Path) -> None:
    other = Target(runtime=Runtime.PYTHON3_12)
    lock = lock_of(requirements(tmp_path, "one\n"), ONE, target=other)
    message = refusal(tmp_path, lock, "one\n")
    assert "was made for python3.12-x86_64 with glibc 2.34, not for python3.11-x86_64" in message


def test_pips_hash_checking_takes_the_lock(tmp_path: Path, wheels: Path) -> None:
    wheel = make_wheel(wheels)
    pin = Pin(
        name="one",
        version="1.0",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        filename=wheel.name,
    )
    path = tmp_path / "requirements.lock"

    def install(lock: Lock) -> subprocess.CompletedProcess[str]:
        path.write_text(lock.text)
        arguments = ("pip", "install", "--require-hashes", "--no-index", "--requirement", path)
        where = ("--find-links", wheels, "--target", tmp_path / "target")
        command = [os.fspath(word) for word in (find_uv_bin(), *arguments, *where)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    wanted = requirements(tmp_path, "one\n")
    assert "one==1.0" in install(lock_of(wanted, pin)).stderr
    (tmp_path / "target").rename(tmp_path / "installed")
    assert "Hash mismatch" in install(lock_of(wanted, ONE)).stderr


def test_the_command_that_makes_a_lock_names_its_file_and_its_target() -> None:
    named = {
        "src/requirements.python3.11-x86_64.lock": "--source src",
        "src/requirements.python3.13-arm64.lock": (
            "--source src --runtime python3.13 --architecture arm64"
        ),
        "a b/pyproject.python3.12-x86_64.lock": (
            "--source 'a b' --requirements 'a b/pyproject.toml' --runtime python3.12"
        ),
    }
    for path, words in named.items():
        tool, _, said = lock_command(Path(path)).partition(" lock ")
        assert said == words
        assert Path(tool.removeprefix("python3 ")).is_file()


def test_the_command_that_makes_a_lock_names_the_file_that_is_there(tmp_path: Path) -> None:
    write_tree(tmp_path, {"requirements.in": "one\n", "more.in": "one\n"})
    for name in ("requirements", "more"):
        command = lock_command(lock_path(tmp_path / f"{name}.in", Target()))
        assert f"--requirements {tmp_path}/{name}.in" in command


def test_a_lock_says_what_has_no_wheel_and_is_built_later() -> None:
    wheel = Pin(name="one", version="1.0", sha256="a" * 64, filename="one-1.0-py3-none-any.whl")
    source = Pin(name="two", version="2.0", sha256="b" * 64, filename="two-2.0.tar.gz")
    lock = Lock(
        target="python3.11-x86_64",
        glibc="2.26",
        requirements_name="requirements.txt",
        requirements_digest="c" * 64,
        pins=(wheel, source),
    )
    [said] = built_later(lock)
    assert said.startswith("two 2.0 has no wheel: it is built")
