"""What all tests share: the stack, applied once a run, and the rule that CI skips nothing."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from applied_stack import AppliedStack

PROJECT = Path(__file__).parents[1]

# Reasons that a skipped test may give in CI, by how they begin. A skip anywhere else is a check
# that silently did not run, and fails the run.
_EXPECTED_SKIPS: tuple[str, ...] = ("no Python 3.14 on this machine",)


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's folder."""
    return PROJECT


@pytest.fixture(scope="session")
def applied_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppliedStack]:
    """The stack of terraform/, applied to an AWS of its own on this machine, once a run."""
    # Imported here: most runs of a single test need neither moto nor Terraform.
    from applied_stack import apply_stack  # noqa: PLC0415

    with ExitStack() as exits:
        yield apply_stack(PROJECT, tmp_path_factory.mktemp("applied"), exits)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that skipped what nobody expected it to skip."""
    unexpected = _unexpected_skips(session)
    if os.environ.get("CI") and unexpected and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the skips that make a run in CI fail."""
    session = terminalreporter._session
    if os.environ.get("CI") and session is not None:
        for reason in _unexpected_skips(session):
            terminalreporter.write_line(f"unexpected skip, which CI takes as a failure: {reason}")


def _unexpected_skips(session: pytest.Session) -> list[str]:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped]
    return [reason for reason in reasons if not reason.startswith(_EXPECTED_SKIPS)]
