"""How tests reach the functions' code, and what stands behind it.

Every function's folder has an `index.py`, and beside it a package with a name of its own. The
folders are put on sys.path for the packages; an index is loaded from its file, under a name that
is made for it, so that no two meet as `index` in sys.modules.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import logging
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from backend.converse_server import ConverseServer, converse_response
from hypothesis import settings
from lambda_shared import http_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

BACKEND = Path(__file__).parents[2] / "backend"

sys.path += sorted(str(index.parent) for index in BACKEND.glob("*/index.py"))
settings.register_profile("backend", settings.get_profile("project"), max_examples=150)
settings.load_profile("backend")


@pytest.fixture(scope="session")
def new_environment() -> Callable[[str], ModuleType]:
    """Loads a function's index as a new execution environment does: with nothing kept."""

    def load(function: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(
            f"{function}_index", BACKEND / function / "index.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="module")
def inference(new_environment: Callable[[str], ModuleType]) -> Iterator[ModuleType]:
    """The inference function, and afterwards the process as it was before it started."""
    with _root_logger_kept():  # made before any test's own fixtures, so they keep what it left
        yield new_environment("inference")
    gc.unfreeze()
    logging.getLogger("mangum.http").setLevel(logging.NOTSET)
    asyncio.get_event_loop().close()
    asyncio.set_event_loop(None)


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, [(handler, handler.formatter) for handler in root.handlers]
    yield
    root.setLevel(level)
    root.handlers[:] = [handler for handler, _ in handlers]
    for handler, formatter in handlers:
        handler.setFormatter(formatter)


@pytest.fixture(autouse=True)
def _root_logger_as_it_was() -> Iterator[None]:
    """A handler configures the root logger once; each test begins before that."""
    http_api._configure_logs_once.cache_clear()
    with _root_logger_kept():
        yield


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[ConverseServer]:
    """Bedrock as the function's environment names it, answering "Hello!"."""
    with ConverseServer() as server:
        server.respond_with(converse_response({"text": "Hello!"}))
        environment = {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.url,
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "NO_PROXY": "127.0.0.1",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_ENDPOINT_URL"):
            monkeypatch.delenv(name, raising=False)
        yield server
