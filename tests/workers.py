"""What a worker of pytest-xdist is given at once, and in which order: see `make test`.

A module goes to one worker as a whole, so that what it sets up is set up once. So do all modules
that use the applied stack, or what belongs to the account beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

_STACK = "the applied stack"
ON_THE_STACK = frozenset(
    {
        "tests/end_to_end/test_another_repository.py",
        "tests/end_to_end/test_archives.py",
        "tests/end_to_end/test_chat_as_an_image.py",
        "tests/end_to_end/test_inference.py",
        "tests/end_to_end/test_interrupts.py",
        "tests/end_to_end/test_other_machines.py",
        "tests/end_to_end/test_refusals.py",
        "tests/end_to_end/test_request.py",
        "tests/terraform/test_applied_bootstrap.py",
        "tests/terraform/test_applied_packages.py",
        "tests/terraform/test_applied_stack.py",
        "tests/terraform/test_policies.py",
        "tests/terraform/test_role_coverage.py",
    }
)
"""Modules with a test that has one of the fixtures below."""
OF_THE_STACK = frozenset({"applied_stack", "bootstrap", "simulator"})

_WORKFLOWS = "tests/workflows/"
# What takes longest begins first, or one worker is alone with it at the end.
_FIRST = ("tests/end_to_end/", "tests/terraform/", "tests/build/")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no py.typed
    """Gives each worker a unit, and the next when that is all but done."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(test: str) -> str:
    """Return what a test is run with, in the same process, by its id."""
    module = test.partition("::")[0]
    if module in ON_THE_STACK:
        return _STACK
    return _WORKFLOWS if module.startswith(_WORKFLOWS) else module


def order(test: pytest.Item) -> int:
    """Return where a test's unit stands; tests of the same number stay as they are."""
    unit = unit_of(test.nodeid)
    if unit in {_STACK, _WORKFLOWS}:
        return 0
    ranks = [rank for rank, folder in enumerate(_FIRST, start=1) if unit.startswith(folder)]
    return ranks[0] if ranks else len(_FIRST) + 1
