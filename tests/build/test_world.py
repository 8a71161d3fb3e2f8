"""Full disks, changed caches, slow servers, interrupts: no wrong artefact and nothing half-made."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from build.tiny import HANDLER, Index, found_in, make_function, make_wheel, project_tree, until
from build.tiny_elf import ElfRecipe
from lambda_build import fetch
from lambda_build.build import package, stage_package
from lambda_build.cache import Cache, sha256_of
from lambda_build.errors import FetchError, LambdaBuildError, OutputError
from lambda_build.locking import lock_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambda_build.function import Function

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def function(tmp_path: Path, wheels: Path) -> Function:
    """A function with a wheel that has a library, and a path requirement: each kind of cache."""
    library = ElfRecipe().data()
    tag = "cp311-cp311-manylinux2014_x86_64"
    make_wheel(wheels, "one", tag=tag, files={"one/__init__.py": "", "one/fast.so": library})
    project_tree(tmp_path / "lib")
    text = found_in("../wheels", "one", "../lib")
    files: dict[str, str | bytes] = {
        "index.py": f"import one\nimport proj\n{HANDLER}",
        "data": os.urandom(50_000),
    }
    return make_function(tmp_path / "src", text, files=files)


def started(
    function: Function,
    output: Path,
    before: Callable[[], None] | None = None,
    **environment: str,
) -> subprocess.Popen[str]:
    where = ("--source", os.fspath(function.source), "--output", os.fspath(output))
    return subprocess.Popen(
        [sys.executable, "-m", "lambda_build", "package", *where, "--handler", "index.handler"],
        # On a disk that takes no more, Python leaves half a .pyc behind, for every later run.
        env={
            **os.environ,
            "PYTHONPATH": os.fspath(SCRIPTS),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,  # noqa: PLW1509 - no thread runs here
    )


def ended(running: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = running.communicate(timeout=120)
    assert "Traceback" not in said, said
    return running.returncode, said


def half_made(*folders: Path) -> list[Path]:
    """Return what a build must not leave behind: asides and locks."""
    return [path for folder in folders for path in folder.rglob(".*")]


# The disk


@pytest.mark.parametrize("most", [100, 5_000, 40_000])
def test_a_disk_that_takes_no_more_is_an_error_and_nothing_half_made_is_kept(
    tmp_path: Path, function: Function, cache: Cache, most: int
) -> None:
    lock_function(function)
    output = tmp_path / "out" / "x.zip"

    def limit() -> None:
        # The kernel then refuses each write beyond the size, as a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    code, said = ended(started(function, output, limit))
    # A child that could not write is a tool that failed; all else names what cannot be written.
    assert code in {13, 14}, said
    assert "File too large" in said or code == 14
    assert not output.exists()
    assert half_made(cache.root, output.parent) == []
    good = package(function, tmp_path / "good.zip", Cache(root=tmp_path / "other"))
    assert sha256_of(package(function, output, cache).path) == sha256_of(good.path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_is_refused_by_name_and_the_old_package_stays(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    lock_function(function)
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", os.fspath(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        (function.source / "data").write_bytes(os.urandom(20_000))
        package(function, small / "x.zip", cache)
        old = sha256_of(small / "x.zip")
        (function.source / "data").write_bytes(os.urandom(110_000))
        with pytest.raises(OutputError, match=r"x\.zip cannot be written: No space left") as full:
            package(function, small / "x.zip", cache)
        assert "Make room on the disk, or choose another one." in str(full.value)
        with pytest.raises(OutputError, match="cannot be written: No space left"):
            stage_package(function, small, cache)
        assert half_made(small) == []
        assert sha256_of(small / "x.zip") == old
    finally:
        subprocess.run(["umount", os.fspath(small)], check=True)


def no_longer_almighty() -> None:
    """Give up, for the programs that this process becomes, what makes root pass over modes."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH; others have none
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
    finally:
        for path in paths:
            path.chmod(0o755)


def test_a_cache_that_is_full_and_read_only_is_used(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    lock_function(function)
    good = package(function, tmp_path / "good.zip", cache)
    with read_only(cache.root):
        running = started(function, tmp_path / "x.zip", no_longer_almighty)
        assert ended(running) == (0, "")
    assert sha256_of(tmp_path / "x.zip") == sha256_of(good.path)


def test_a_cache_that_is_empty_and_read_only_is_refused_by_name(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    lock_function(function)
    cache.root.mkdir()
    output = tmp_path / "out" / "x.zip"
    with read_only(cache.root):
        code, said = ended(started(function, output, no_longer_almighty))
    assert code == 13
    assert f"{cache.root}" in said
    assert "cannot be written: Permission denied" in said
    assert "or keep the cache elsewhere:\n    export LAMBDA_BUILD_CACHE=" in said
    assert list(output.parent.iterdir()) == []


# The cache

HARMS: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda _: b"",
    "cut": lambda data: data[: len(data) // 2],
    "garbage": lambda data: bytes(255 - byte for byte in data),
    "edited": lambda data: data.replace(b"1", b"2"),
    "longer": lambda data: data + b"\n",
}


@pytest.mark.parametrize("harm", HARMS)
def test_whatever_is_changed_in_the_cache_the_package_is_right(
    tmp_path: Path, function: Function, cache: Cache, harm: str
) -> None:
    output = tmp_path / "x.zip"  # without a lock: the resolution is in the cache as well
    package(function, output, cache)
    good, manifest = sha256_of(output), (tmp_path / "x.manifest.json").read_bytes()
    files = sorted(path for path in cache.root.rglob("*") if path.is_file())
    kinds = {path.relative_to(cache.root).parts[0] for path in files}
    assert kinds == {
        *("wheels", "members", "bytecode", "projects", "resolutions", "native", "imports"),
        "outputs",
    }
    for path in files:
        before = path.read_bytes()
        path.write_bytes(HARMS[harm](before))
        if path.read_bytes() == before:
            continue
        output.unlink()
        package(function, output, cache)
        assert sha256_of(output) == good, path
        assert (tmp_path / "x.manifest.json").read_bytes() == manifest, path


def test_a_report_that_was_edited_so_that_it_still_reads_well_is_not_believed(
    tmp_path: Path, function: Function, cache: Cache
) -> None:
    output = tmp_path / "x.zip"
    package(function, output, cache)
    manifest = (tmp_path / "x.manifest.json").read_bytes()
    for report in cache.root.rglob("*.json"):
        checksum, text = report.read_text().split("\n", 1)
        edited = json.loads(text)
        edited = {**edited, "sha256": {}, "failed": [["index.py", "no"]]}
        report.write_text(f"{checksum}\n{json.dumps(edited)}")
    output.unlink()
    package(function, output, cache)
    assert (tmp_path / "x.manifest.json").read_bytes() == manifest


@pytest.mark.parametrize("gone", ["digest", "bytecode", "archive", "files", "warnings"])
def test_a_manifest_that_lacks_something_is_made_again(
    tmp_path: Path, function: Function, cache: Cache, gone: str
) -> None:
    output = tmp_path / "x.zip"
    package(function, output, cache)
    place = tmp_path / "x.manifest.json"
    good = place.read_bytes()
    place.write_text(json.dumps({k: v for k, v in json.loads(good).items() if k != gone}))
    assert package(function, output, cache).built
    assert place.read_bytes() == good


# The index


def test_half_a_page_is_an_error_of_its_kind(
    tmp_path: Path, wheels: Path, cache: Cache, index: Index
) -> None:
    make_wheel(wheels)
    function = make_function(tmp_path / "src", f"--index-url {index.url}\none\n")
    index.faults["page"] = "truncated"
    with pytest.raises(LambdaBuildError) as refused:
        package(function, tmp_path / "x.zip", cache)
    assert refused.value.exit_code in {5, 6}
    assert not [path for path in cache.root.rglob("*") if path.is_file()]
    index.faults.clear()
    package(function, tmp_path / "x.zip", cache)


@pytest.mark.parametrize("slow", ["page", "file"])
def test_an_index_that_does_not_go_on_is_not_waited_for(
    tmp_path: Path,
    wheels: Path,
    cache: Cache,
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
    slow: Any,
) -> None:
    make_wheel(wheels)
    function = make_function(tmp_path / "src", f"--index-url {index.url}\none\n")
    if slow == "file":
        lock_function(function)
    monkeypatch.setattr(fetch, "_TIMEOUT_S", 0.3)
    monkeypatch.setattr(fetch, "_ATTEMPTS", 1)
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    index.faults[slow] = "slow"
    begun = time.monotonic()
    with pytest.raises(FetchError, match="run the command again"):
        package(function, tmp_path / "out" / "x.zip", cache)
    assert time.monotonic() - begun < 50  # and not the 60 of the index
    assert half_made(tmp_path / "out", cache.root) == []


# Interrupts


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_who_waits_for_another_build_can_be_interrupted_and_leaves_its_lock_alone(
    tmp_path: Path, function: Function, cache: Cache, number: int, code: int
) -> None:
    from lambda_build.cache import locked  # noqa: PLC0415 - the other build's part

    lock_function(function)
    output = tmp_path / "out" / "x.zip"
    with locked(output.with_name(".x.zip.lock")):
        running = started(function, output)
        until(lambda: f"/{running.pid}/" and _waits(running.pid))
        running.send_signal(number)
        assert ended(running)[0] == code
        assert [path.name for path in output.parent.iterdir()] == [".x.zip.lock"]
    assert list(output.parent.iterdir()) == []
    package(function, output, cache)


def _waits(pid: int) -> bool:
    return f" {pid} " in "".join(
        line for line in Path("/proc/locks").read_text().splitlines() if "->" in line
    )


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_a_build_that_is_interrupted_while_a_backend_runs_leaves_nothing(
    tmp_path: Path, cache: Cache, number: int, code: int
) -> None:
    lib = project_tree(tmp_path / "lib")
    backend = lib / "backend.py"
    mark = tmp_path / "begun"
    backend.write_text(
        f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(60)\n"
    )
    function = make_function(tmp_path / "src", "--no-index\n../lib\n")
    output = tmp_path / "out" / "x.zip"
    running = started(function, output, TMPDIR=os.fspath(tmp_path))
    until(mark.exists)
    running.send_signal(number)
    returned, said = ended(running)
    assert returned == code, said
    assert list(output.parent.iterdir()) == []
    assert half_made(cache.root) == []
    assert not (cache.root / "projects").exists()
