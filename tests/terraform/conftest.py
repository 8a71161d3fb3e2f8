"""Terraform, once for all tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from terraform.terraform_roots import Terraform, copy_of, terraform_for

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform, with the providers that this machine has."""
    return terraform_for(tmp_path_factory.mktemp("providers"))


@pytest.fixture(scope="session")
def roots(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of terraform/ in which `terraform init` may write."""
    return copy_of(project, tmp_path_factory.mktemp("roots"))
