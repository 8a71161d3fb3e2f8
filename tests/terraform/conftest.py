"""Terraform, once for all tests of this folder."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from terraform.terraform_roots import Terraform, copy_of, terraform_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from terraform.applied_bootstrap import Bootstrap
    from terraform.iam import Simulator


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform, with the providers that this machine has."""
    return terraform_for(tmp_path_factory.mktemp("providers"))


@pytest.fixture(scope="session")
def roots(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of terraform/ in which `terraform init` may write."""
    return copy_of(project, tmp_path_factory.mktemp("roots"))


@pytest.fixture(scope="session")
def bootstrap(
    project: Path, terraform: Terraform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bootstrap]:
    """The account's bootstrap, applied to an AWS of its own, its state moved into its bucket."""
    # Imported here: the mocked tests need no moto.
    from applied_stack import serve  # noqa: PLC0415
    from terraform.applied_bootstrap import apply_bootstrap  # noqa: PLC0415

    root = copy_of(project, tmp_path_factory.mktemp("bootstrap")) / "bootstrap"
    # In a process of its own: moto's state is the process's, and this one may run other tests with
    # a local AWS as long as the bootstrap stands.
    with ExitStack() as exits:
        told = serve(tmp_path_factory.mktemp("local-aws"), exits)
        yield apply_bootstrap(project, root, terraform, told["environment"])


@pytest.fixture(scope="session")
def simulator(project: Path) -> Simulator:
    """What says how AWS would answer."""
    from terraform.iam import NoSimulatorError, install_simulator  # noqa: PLC0415

    try:
        return install_simulator(project / ".tools")
    except NoSimulatorError as error:
        pytest.skip(f"no policies are evaluated: {error}")
