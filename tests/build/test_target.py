"""A target is a runtime and an architecture, and everything that follows from them."""

from __future__ import annotations

import pytest
from lambda_build.errors import UsageError
from lambda_build.target import Architecture, Runtime, Target
from packaging.markers import Marker


def test_a_target_follows_from_lambdas_names() -> None:
    old = Target.parse("python3.11", "x86_64")
    assert (old.python, old.glibc, old.machine) == ("3.11", "2.26", "x86_64")
    assert old.uv_platform == "x86_64-manylinux_2_17"
    new = Target.parse("python3.13", "arm64")
    assert (new.python, new.glibc, new.machine) == ("3.13", "2.34", "aarch64")
    assert new.uv_platform == "aarch64-manylinux_2_34"
    assert str(new) == "python3.13-arm64"


@pytest.mark.parametrize(
    ("runtime", "architecture", "reason"),
    [
        ("python3.10", "x86_64", "'python3.10' is no runtime that is built for; choose one of"),
        ("nodejs22.x", "x86_64", "python3.11, python3.12, python3.13, python3.14"),
        ("python3.11", "aarch64", "'aarch64' is no architecture that is built for; choose one of"),
        ("", "x86_64", "''"),
    ],
)
def test_what_lambda_does_not_have_is_refused(runtime: str, architecture: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason.replace("(", r"\(")):
        Target.parse(runtime, architecture)


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ('platform_machine == "aarch64"', True),
        ('platform_machine == "x86_64"', False),
        ('python_version == "3.13"', True),
        ('python_full_version >= "3.13"', True),
        ('sys_platform == "linux" and platform_system == "Linux" and os_name == "posix"', True),
        ('sys_platform == "darwin" or sys_platform == "win32"', False),
        ('implementation_name == "cpython"', True),
        ('platform_python_implementation == "PyPy"', False),
    ],
)
def test_markers_are_those_of_the_target_and_not_of_this_machine(
    marker: str, *, holds: bool
) -> None:
    target = Target(runtime=Runtime.PYTHON3_13, architecture=Architecture.ARM64)
    assert Marker(marker).evaluate(dict(target.markers)) is holds
