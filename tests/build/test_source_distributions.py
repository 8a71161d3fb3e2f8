"""A pure package that is published as source only is built; a native one is refused."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from build.tiny import BACKEND, found_in, make_function, make_wheel, names_in, project_tree
from build.tiny_elf import make_elf
from lambda_build.build import package
from lambda_build.cache import sha256_of
from lambda_build.errors import FetchError, HashMismatchError, ToolError, WheelError
from lambda_build.lock import read_lock
from lambda_build.locking import fallen_back, lock_function
from lambda_build.source_distributions import native_reason, read_texts
from lambda_build.target import Architecture, Runtime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from build.tiny import Index
    from lambda_build.cache import Cache

# Says of itself that it was run.
_BEGINS = "metadata_directory=None):\n"
_SAYS = "    with open(__import__('os').environ['TINY_LOG'], 'a') as log: log.write('built\\n')\n"
COUNTING = BACKEND.replace(_BEGINS, _BEGINS + _SAYS)
assert COUNTING != BACKEND
NEWER_GLIBC = "cp311-cp311-manylinux_2_28_x86_64"


def make_sdist(
    folder: Path,
    name: str = "one",
    version: str = "1.0",
    *,
    files: Mapping[str, str | bytes] | None = None,
    kind: str = "tar.gz",
) -> Path:
    """Write a source distribution whose backend is in it, and return its file."""
    scratch = folder.parent / f"source-of-{name}-{version}"
    project_tree(scratch, name, version=version)
    told = {
        path.relative_to(scratch).as_posix(): path.read_bytes() for path in scratch.rglob("*.*")
    }
    metadata = f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n"
    for path, content in {"PKG-INFO": metadata, **(files or {})}.items():
        told[path] = content.encode() if isinstance(content, str) else content
    file = folder / f"{name}-{version}.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            for path, data in told.items():
                archive.writestr(f"{name}-{version}/{path}", data)
        return file
    with tarfile.open(file, "w:gz") as tar:
        for path, data in told.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return file


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that backends write to when they are run."""
    log = tmp_path / "builds.log"
    log.touch()
    monkeypatch.setenv("TINY_LOG", str(log))
    return log


def test_a_package_that_is_source_only_is_built_and_locked_by_its_sources_hash(
    tmp_path: Path, wheels: Path, cache: Cache, builds: Path
) -> None:
    sdist = make_sdist(wheels, files={"backend.py": COUNTING})
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    path, lock, _ = lock_function(function)
    (pin,) = lock.pins
    assert (pin.filename, pin.sha256, pin.version) == ("one-1.0.tar.gz", sha256_of(sdist), "1.0")
    assert read_lock(path) == lock
    assert builds.read_text() == ""  # its metadata is told without running anything
    built = package(function, tmp_path / "chat.zip", cache)
    assert dict(built.packages) == {"one": "1.0"}
    assert {"one/__init__.py", "one-1.0.dist-info/METADATA"} <= set(names_in(built.path))
    assert builds.read_text() == "built\n"


def test_a_source_distribution_is_built_once_for_each_hash(
    tmp_path: Path, wheels: Path, cache: Cache, builds: Path
) -> None:
    make_sdist(wheels, files={"backend.py": COUNTING})
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    lock_function(function)
    first = package(function, tmp_path / "a.zip", cache)
    (tmp_path / "chat" / "index.py").write_text("def handler(event, context): ...\n")
    second = package(function, tmp_path / "b.zip", cache)
    assert second.digest != first.digest
    assert builds.read_text() == "built\n"
    for kept in (cache.root / "projects").glob("*.whl"):
        kept.write_bytes(kept.read_bytes()[:-30])
    package(function, tmp_path / "c.zip", cache)
    assert builds.read_text() == "built\n" * 2


def test_a_zip_is_a_source_distribution_too(tmp_path: Path, wheels: Path, cache: Cache) -> None:
    make_sdist(wheels, kind="zip")
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    _, lock, _ = lock_function(function)
    assert [pin.filename for pin in lock.pins] == ["one-1.0.zip"]
    assert "one/__init__.py" in names_in(package(function, tmp_path / "chat.zip", cache).path)


def test_without_a_lock_a_source_distribution_is_built_as_well(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_sdist(wheels)
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    assert dict(package(function, tmp_path / "chat.zip", cache).packages) == {"one": "1.0"}


def test_wheels_are_preferred_even_to_newer_sources(
    tmp_path: Path, wheels: Path, builds: Path
) -> None:
    make_wheel(wheels, "one", "1.0")
    make_sdist(wheels, version="2.0", files={"backend.py": COUNTING})
    _, lock, _ = lock_function(make_function(tmp_path / "chat", found_in("../wheels", "one")))
    assert [pin.filename for pin in lock.pins] == ["one-1.0-py3-none-any.whl"]
    assert builds.read_text() == ""


def test_a_pinned_version_without_a_wheel_is_refused_with_the_newest_that_has_one(
    tmp_path: Path, wheels: Path, builds: Path
) -> None:
    make_wheel(wheels, "one", "1.0")
    make_sdist(wheels, version="2.0", files={"backend.py": COUNTING})
    with pytest.raises(
        WheelError, match=r"The newest that has a wheel for python3\.11-x86_64:\n    one==1\.0"
    ):
        lock_function(make_function(tmp_path / "chat", found_in("../wheels", "one==2.0")))
    assert builds.read_text() == ""


def test_a_package_with_wheels_for_other_systems_only_is_not_built(
    tmp_path: Path, wheels: Path, builds: Path
) -> None:
    make_wheel(wheels, "one", "1.0", tag="cp311-cp311-win_amd64")
    make_sdist(wheels, version="1.0", files={"backend.py": COUNTING})
    with pytest.raises(WheelError, match="Only wheels are packaged") as refused:
        lock_function(make_function(tmp_path / "chat", found_in("../wheels", "one")))
    assert "The newest that" not in str(refused.value)
    assert builds.read_text() == ""


def test_metadata_of_packages_with_wheels_is_never_built_beside_one_that_is_source_only(
    tmp_path: Path, wheels: Path, builds: Path
) -> None:
    make_sdist(wheels, "one")
    make_wheel(wheels, "two", "1.0", requires=["one"])
    # Without static metadata, reading it takes a build.
    old = "Metadata-Version: 2.1\nName: two\nVersion: 3.0\n"
    make_sdist(wheels, "two", "3.0", files={"backend.py": COUNTING, "PKG-INFO": old})
    _, lock, _ = lock_function(make_function(tmp_path / "chat", found_in("../wheels", "two")))
    assert [pin.filename for pin in lock.pins] == ["one-1.0.tar.gz", "two-1.0-py3-none-any.whl"]
    assert builds.read_text() == ""


def test_no_old_version_is_taken_only_because_it_needs_nothing_that_is_source_only(
    tmp_path: Path, wheels: Path
) -> None:
    make_sdist(wheels, "one")
    make_wheel(wheels, "two", "1.0")
    make_wheel(wheels, "two", "2.0", requires=["one"])
    _, lock, _ = lock_function(make_function(tmp_path / "chat", found_in("../wheels", "two")))
    assert [f"{pin.name} {pin.version}" for pin in lock.pins] == ["one 1.0", "two 2.0"]


def test_the_backend_comes_from_where_the_requirements_say(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_wheel(wheels, "tiny_backend", "1.0", files={"tiny_backend.py": BACKEND})
    project = (
        '[project]\nname = "one"\nversion = "1.0"\n'
        '[build-system]\nrequires = ["tiny-backend"]\nbuild-backend = "tiny_backend"\n'
    )
    make_sdist(wheels, files={"pyproject.toml": project})
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    lock_function(function)
    assert dict(package(function, tmp_path / "chat.zip", cache).packages) == {"one": "1.0"}


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("setup.py", "setup(ext_modules=[Extension('a', ['a.c'])])", "setup.py says ext_modules"),
        ("setup.py", "setup(**cythonize ('a.pyx'))", "setup.py says cythonize"),
        ("setup.py", "setup(cffi_modules=['build.py:ffi'])", "setup.py says cffi_modules"),
        ("setup.cfg", "[options]\next_modules = a\n", "setup.cfg says ext_modules"),
        ("pyproject.toml", "[build-system]\nbuild-backend = 'maturin'\n", "backend is maturin"),
        ("pyproject.toml", "[build-system]\nbuild-backend = 'mesonpy'\n", "backend is mesonpy"),
        (
            "pyproject.toml",
            "[build-system]\nbuild-backend = 'scikit_build_core.build'\n",
            "backend is scikit_build_core",
        ),
        ("pyproject.toml", "[[tool.setuptools.ext-modules]]\n", None),
        ("setup.py", "setup(name='one')  # no ext\n#   ext_modules", None),
        ("deep/setup.py", "ext_modules", None),
        ("pyproject.toml", "this is no TOML", None),
    ],
)
def test_what_has_to_be_compiled_is_known_by_reading_it(
    wheels: Path, path: str, text: str, reason: str | None
) -> None:
    for kind in ("tar.gz", "zip"):
        sdist = make_sdist(wheels, files={path: text}, kind=kind)
        found = native_reason(read_texts(sdist, sdist.name))
        assert (found is None) == (reason is None)
        assert (reason or "") in (found or "")


def test_a_native_package_is_refused_before_anything_is_compiled(
    tmp_path: Path, wheels: Path, cache: Cache, builds: Path
) -> None:
    setup = "setup(ext_modules=[])"
    make_sdist(wheels, files={"backend.py": COUNTING, "setup.py": setup})
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    with pytest.raises(WheelError, match=r"one 1\.0 is published as source only, and its setup"):
        package(function, tmp_path / "chat.zip", cache)
    assert builds.read_text() == ""
    assert not (tmp_path / "chat.zip").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("py3-none-any", "cp311-cp311-linux_x86_64"), "its wheel became one-1.0-cp311-cp311-lin"),
        (
            ("    rows = []", "    members['one/a.so'] = ELF\n    rows = []"),
            "native code, one/a.so",
        ),
    ],
)
def test_a_package_that_turns_out_native_is_refused(
    tmp_path: Path, wheels: Path, cache: Cache, change: tuple[str, str], reason: str
) -> None:
    backend = f"ELF = {make_elf()!r}\n" + BACKEND.replace(*change)
    make_sdist(wheels, files={"backend.py": backend})
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    with pytest.raises(WheelError, match=reason):
        package(function, tmp_path / "chat.zip", cache)


def test_a_backend_that_fails_is_quoted(tmp_path: Path, wheels: Path, cache: Cache) -> None:
    make_sdist(wheels, files={"backend.py": BACKEND + "\nraise SystemExit('no cheese')\n"})
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    with pytest.raises(ToolError, match=r"cannot be built from one-1\.0\.tar\.gz(?s:.)*no cheese"):
        package(function, tmp_path / "chat.zip", cache)


def test_a_source_distribution_that_was_replaced_is_refused(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_sdist(wheels)
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    lock_function(function)
    make_sdist(wheels, files={"one/evil.py": ""})
    with pytest.raises(HashMismatchError, match=r"one-1\.0\.tar\.gz is not the file that was lock"):
        package(function, tmp_path / "chat.zip", cache)


def test_a_damaged_source_distribution_is_refused(wheels: Path) -> None:
    sdist = make_sdist(wheels)
    sdist.write_bytes(sdist.read_bytes()[:50])
    with pytest.raises(WheelError, match="not a whole source distribution"):
        read_texts(sdist, sdist.name)


# Falling back


def test_an_older_version_that_fits_is_locked_and_said(tmp_path: Path, wheels: Path) -> None:
    make_wheel(wheels, "one", "1.0")
    make_wheel(wheels, "one", "2.0", tag=NEWER_GLIBC)
    make_wheel(wheels, "two", "1.0")
    requirements = found_in("../wheels", "one", "two")
    function = make_function(tmp_path / "chat", requirements)
    _, lock, old = lock_function(function)
    assert [pin.version for pin in lock.pins] == ["1.0", "1.0"]
    (said,) = fallen_back(function, lock, old)
    assert said == (
        "one 1.0 is the newest that runs on python3.11-x86_64 (glibc 2.26); elsewhere it would be "
        "2.0"
    )
    newer = make_function(tmp_path / "newer", requirements, runtime=Runtime.PYTHON3_13)
    assert fallen_back(newer, lock_function(newer)[1], None)[0].startswith("one 1.0 is the newest")
    arm64 = make_function(tmp_path / "arm", requirements, architecture=Architecture.ARM64)
    assert "python3.11-arm64" in fallen_back(arm64, lock_function(arm64)[1], None)[0]


def test_without_a_lock_it_is_said_when_the_versions_are_chosen(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_wheel(wheels, "one", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    make_wheel(wheels, "one", "2.0", tag=NEWER_GLIBC)
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    _, said = package(function, tmp_path / "a.zip", cache).warnings
    assert said.startswith("chat: one 1.0 is the newest that runs on python3.11-x86_64")


def test_versions_that_were_held_are_not_said_to_have_fallen_back(
    tmp_path: Path, wheels: Path
) -> None:
    make_wheel(wheels, "one", "1.0")
    function = make_function(tmp_path / "chat", found_in("../wheels", "one"))
    lock_function(function)
    make_wheel(wheels, "one", "2.0", tag=NEWER_GLIBC)
    make_wheel(wheels, "two", "1.0")
    (tmp_path / "chat" / "requirements.txt").write_text(found_in("../wheels", "one", "two"))
    _, lock, old = lock_function(function)
    assert fallen_back(function, lock, old) == ()
    assert len(fallen_back(function, lock, old, upgrade=True)) == 1


def test_an_unchanged_lock_asks_nobody(tmp_path: Path, wheels: Path, index: Index) -> None:
    make_wheel(wheels, "one", "1.0")
    function = make_function(tmp_path / "chat", f"--index-url {index.url}\none\n")
    _, lock, _ = lock_function(function)
    asked = len(index.requests)
    assert fallen_back(function, lock, lock) == ()
    assert len(index.requests) == asked


def test_an_index_that_is_gone_meanwhile_keeps_nobody_from_locking(
    tmp_path: Path, wheels: Path, index: Index
) -> None:
    make_wheel(wheels, "one", "1.0")
    function = make_function(tmp_path / "chat", f"--index-url {index.url}\none\n")
    _, lock, old = lock_function(function)
    index.stop()
    assert fallen_back(function, lock, old) == ()
    with pytest.raises(FetchError):
        lock_function(function)
