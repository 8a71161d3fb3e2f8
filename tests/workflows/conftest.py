from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from workflows.act import ActNotFoundError, find_act
from workflows.world import World, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def world(
    request: pytest.FixtureRequest, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A clone of the project with a small stack, act to run its workflows, and an AWS."""
    try:
        find_act()
    except ActNotFoundError as error:
        pytest.skip(str(error))
    with suppress(pytest.skip.Exception):  # the test that needs Docker skips by itself
        request.getfixturevalue("docker_engine")
    with ExitStack() as exits:
        yield make_world(project, tmp_path_factory.mktemp("workflows"), exits)
