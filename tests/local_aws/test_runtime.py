from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest
from lambda_build.images import emulator
from lambda_build.interpreters import find_interpreter
from local_aws import runtime
from local_aws.errors import RuntimeUnavailableError
from local_aws.runtime import machine_architecture, obstacle, provide_runtime

HERE = machine_architecture()
VERSIONS = [f"3.{minor}" for minor in range(11, 15) if find_interpreter(f"3.{minor}")]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_function_s_python_sees_awslambdaric_and_no_package_of_the_machine(version: str) -> None:
    provided = provide_runtime(f"python{version}", HERE)
    code = """if True:
        import sys, awslambdaric, runtime_client
        from importlib.metadata import distributions
        print("%d.%d" % sys.version_info[:2])
        print(*sorted(each.name for each in distributions()))
    """
    said = subprocess.run(
        [provided.python, "-c", code], check=True, capture_output=True, text=True, env={}
    ).stdout.splitlines()
    assert said == [version, "awslambdaric simplejson snapshot-restore-py"]


def test_the_emulator_is_brought_once() -> None:
    first = provide_runtime("python3.11", HERE)
    made = first.emulator.stat().st_mtime_ns
    assert provide_runtime("python3.11", HERE) == first
    assert first.emulator.stat().st_mtime_ns == made


def test_the_cache_is_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMBDA_BUILD_CACHE", str(tmp_path))
    provided = provide_runtime("python3.11", HERE)
    assert provided.emulator.is_relative_to(tmp_path)
    assert provided.python.is_relative_to(tmp_path)
    assert [each.name for each in (tmp_path / "emulator").glob(".*")] == [".lock"]


def test_two_at_once_make_a_thing_once(tmp_path: Path) -> None:
    made: list[Path] = []
    both_want_it = threading.Barrier(2)

    def make(aside: Path) -> None:
        made.append(aside)
        aside.mkdir()

    def want() -> None:
        both_want_it.wait()
        runtime._made_once(tmp_path / "thing", make)

    threads = [threading.Thread(target=want) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert (tmp_path / "thing").is_dir()


def test_what_a_killed_process_left_half_made_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".making-of-another").mkdir()
    runtime._made_once(tmp_path / "thing", Path.mkdir)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".lock", "thing"]


def test_a_making_that_fails_leaves_nothing_that_looks_made(tmp_path: Path) -> None:
    def fail(aside: Path) -> None:
        aside.mkdir()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        runtime._made_once(tmp_path / "thing", fail)
    assert [each.name for each in tmp_path.iterdir()] == [".lock"]


def test_a_function_for_this_machine_meets_no_obstacle() -> None:
    assert obstacle("python3.11", HERE) is None


def test_a_function_for_another_machine_is_told_what_to_change() -> None:
    other = "arm64" if HERE == "x86_64" else "x86_64"
    assert f'deploy it with architecture = "{HERE}"' in str(obstacle("python3.11", other))


@pytest.mark.parametrize("name", ["nodejs22.x", "python3.10", "python3.11 ", ""])
def test_a_runtime_that_is_not_run_here_is_named(name: str) -> None:
    assert f"the function's runtime is {name!r}" in str(obstacle(name, HERE))


def test_a_python_that_is_not_on_the_machine_is_named_with_the_command_that_brings_it() -> None:
    assert "uv python install 3.99" in str(obstacle("python3.99", HERE))


def test_other_systems_than_linux_are_told_to_use_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert "run the local AWS on Linux" in str(obstacle("python3.11", HERE))


def test_an_obstacle_stops_the_providing() -> None:
    with pytest.raises(RuntimeUnavailableError, match="uv python install"):
        provide_runtime("python3.99", HERE)


def test_what_cannot_be_fetched_names_the_cache_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "emulator.lock"
    lock.write_text("aws-sam-cli==0.0.0 --hash=sha256:00\n")
    monkeypatch.setattr(emulator, "LOCK", lock)
    monkeypatch.setenv("LAMBDA_BUILD_CACHE", str(tmp_path / "cache"))
    with pytest.raises(RuntimeUnavailableError, match=r"cache/emulator: uv cannot install"):
        provide_runtime("python3.11", HERE)


@pytest.mark.parametrize("lock", [emulator.LOCK, runtime._RUNTIME_LOCK], ids=lambda lock: lock.name)
def test_the_locks_name_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text
