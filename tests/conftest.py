"""What all tests share: the stack, applied once a run, Docker, and that CI skips nothing.

Where there are several workers (pytest-xdist), a fixture of the session is made in each that has a
test with it: tests/workers.py says which tests stay together.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from applied_stack import AppliedStack
    from base_images import BaseImages
    from docker_engine import Engine
    from local_aws.registry import Registry
    from xdist.scheduler import LoadScopeScheduling

PROJECT = Path(__file__).parents[1]

# Terraform and its AWS provider are Go's, live for seconds, and make hundreds of megabytes of
# schemas each time: collecting their garbage is a fifth of `terraform test`.
os.environ.setdefault("GOGC", "400")

# Two busy cores make whatever is timed a matter of luck, and a run leaves nothing behind. The
# examples are the same ones each time, as Hypothesis has it in CI: what fails is a change.
settings.register_profile(
    "project",
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)

# Reasons that a skipped test may give in CI, by how they begin. A skip anywhere else is a check
# that silently did not run, and fails the run.
_EXPECTED_SKIPS: tuple[str, ...] = (
    "no Python 3.14 on this machine",
    "only root can start Debian's engine",
    "only root mounts a small disk",  # nor does a container's root, which the next one says
    "no disk can be mounted here",
)


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's folder."""
    return PROJECT


@pytest.fixture(scope="session")
def image_variables(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the stack is told to build its images on; nothing where there is no Docker."""
    with suppress(pytest.skip.Exception):  # a test that needs containers skips by itself
        images = request.getfixturevalue("base_images")
        return {"TF_VAR_inference_base_image": images.amazon_linux}
    return {}


@pytest.fixture(scope="session")
def applied_stack(
    image_variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppliedStack]:
    """The stack of terraform/, applied to an AWS of its own on this machine, once a run.

    Without Docker its container functions are off.
    """
    # Imported here: most runs of a single test need neither moto nor Terraform.
    from applied_stack import apply_stack  # noqa: PLC0415

    with ExitStack() as exits:
        folder = tmp_path_factory.mktemp("applied")
        yield apply_stack(PROJECT, folder, exits, variables=image_variables)


_docker = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def docker_engine(pytestconfig: pytest.Config) -> Iterator[Engine]:
    """A Docker engine; this process's children find it too, by DOCKER_HOST."""
    from docker_engine import NoDockerError, engine  # noqa: PLC0415  few tests need it

    with ExitStack() as exits:
        try:
            found = exits.enter_context(engine())
        except NoDockerError as error:
            pytest.skip(f"no Docker: {error}")
        if found.host:
            exits.enter_context(mock.patch.dict(os.environ, {"DOCKER_HOST": found.host}))
        pytestconfig.stash.setdefault(_docker, []).append(found.description)
        yield found


@pytest.fixture(scope="session")
def base_images(docker_engine: Engine, pytestconfig: pytest.Config) -> BaseImages:
    """The images that functions are built on, in the engine."""
    from base_images import provide_base_images  # noqa: PLC0415  few tests need it
    from docker_engine import NoDockerError  # noqa: PLC0415

    try:
        images = provide_base_images(docker_engine)
    except NoDockerError as error:
        pytest.skip(f"no base images: {error}")
    pytestconfig.stash.setdefault(_docker, []).append(f"base images: {images.description}")
    return images


@pytest.fixture(scope="session")
def registry(docker_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry on this machine to push images to; several tests share it."""
    from local_aws.docker import Docker  # noqa: PLC0415  few tests need it
    from local_aws.registry import Registry  # noqa: PLC0415

    work_dir = tmp_path_factory.mktemp("registry")
    with Docker() as docker, Registry(work_dir, docker) as running:
        yield running


_shared_engine = pytest.StashKey[ExitStack]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Give the workers, which start after this, one engine: its images are then built once."""
    if not session.config.pluginmanager.has_plugin("dsession"):
        return
    from docker_engine import NoDockerError, engine  # noqa: PLC0415  few runs need it

    exits = session.config.stash[_shared_engine] = ExitStack()
    with suppress(NoDockerError):  # a test that needs one says what is missing
        found = exits.enter_context(engine())
        if found.host:
            os.environ["DOCKER_HOST"] = found.host


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the workers' engine."""
    if exits := config.stash.get(_shared_engine, None):
        exits.close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Keep together what shares much, and begin with what takes long."""
    from workers import Scheduling  # noqa: PLC0415  the run of a single test has no workers

    config.option.loadscopereorder = False
    return Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests of a worker in the order in which they are given out."""
    if hasattr(config, "workerinput"):
        from workers import order  # noqa: PLC0415  the run of a single test has no workers

        items.sort(key=order)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a worker's tests with Docker ran with."""
    used = node.config.stash.setdefault(_docker, [])
    told = getattr(node, "workeroutput", {}).get("docker", [])  # one that crashed tells nothing
    used += [each for each in told if each not in used]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that skipped what nobody expected it to skip."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["docker"] = session.config.stash.get(_docker, [])
    unexpected = _unexpected_skips(session)
    if os.environ.get("CI") and unexpected and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what Docker tests ran with, and name the skips that make a run in CI fail."""
    session = terminalreporter._session
    if session is not None and (used := session.config.stash.get(_docker, [])):
        terminalreporter.write_line("; ".join(used))
    if os.environ.get("CI") and session is not None:
        for reason in _unexpected_skips(session):
            terminalreporter.write_line(f"unexpected skip, which CI takes as a failure: {reason}")


def _unexpected_skips(session: pytest.Session) -> list[str]:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped]
    return [reason for reason in reasons if not reason.startswith(_EXPECTED_SKIPS)]
