from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from lambda_shared.package import InstalledPackage, find_package, read_lock_digest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployed package with one library in it."""
    (tmp_path / "some_library").mkdir()
    (tmp_path / "some_library" / "__init__.py").write_text("raise AssertionError('imported')")
    metadata = tmp_path / "some_library-1.2.3.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: some-library\nVersion: 1.2.3\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_lock_digest_is_what_the_build_wrote_down(tmp_path: Path) -> None:
    (tmp_path / "lambda_build.json").write_text(json.dumps({"lock": "sha256:ab", "packages": {}}))
    assert read_lock_digest(tmp_path) == "sha256:ab"


def test_a_package_that_was_built_without_a_lock_has_no_digest(tmp_path: Path) -> None:
    (tmp_path / "lambda_build.json").write_text(json.dumps({"lock": None}))
    assert read_lock_digest(tmp_path) is None


def test_source_that_was_never_built_has_no_digest(tmp_path: Path) -> None:
    assert read_lock_digest(tmp_path) is None


def test_a_library_in_the_package_is_found_without_being_imported(package: Path) -> None:
    found = find_package("some_library", root=package)
    assert found == InstalledPackage(version="1.2.3", vendored=True)
    assert "some_library" not in sys.modules


def test_a_library_from_elsewhere_is_not_vendored(
    package: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = find_package("some_library", root=tmp_path_factory.mktemp("other"))
    assert found == InstalledPackage(version="1.2.3", vendored=False)


def test_the_version_is_of_the_copy_that_import_takes(
    package: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The metadata of another version is first on sys.path, but its code is not there.
    other = tmp_path_factory.mktemp("other")
    metadata = other / "some_library-9.9.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: some-library\nVersion: 9.9.9\n")
    monkeypatch.syspath_prepend(other)
    found = find_package("some_library", root=package)
    assert found == InstalledPackage(version="1.2.3", vendored=True)


def test_a_library_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert find_package("no_such_library", root=tmp_path) is None
