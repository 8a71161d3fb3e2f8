"""Every test of the build has caches of its own, and none of the user's settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from build.tiny import Index
from hypothesis import settings
from lambda_build.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

settings.register_profile("build", settings.get_profile("project"), max_examples=50)
settings.load_profile("build")

_SETTINGS = ("UV_", "PIP_", "LAMBDA_BUILD_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of uv's for the whole run: it holds what uv knows of the interpreters."""
    return tmp_path_factory.mktemp("uv")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, uv_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """The test's own cache, which `Cache.default` and started programs find as well."""
    for name in list(os.environ):
        if name.startswith(_SETTINGS) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("LAMBDA_BUILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no settings"))
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    return Cache.default()


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """The folder that the test's wheels are in."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    return folder


@pytest.fixture
def index(wheels: Path) -> Iterator[Index]:
    """An index of those wheels."""
    with Index(wheels) as running:
        yield running
