"""Which providers Terraform is given, in which order of choice, and what is said about it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from local_aws.providers import REGISTRY, ProvidersNotFoundError, _platform, find_providers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STAND_IN = "the project's stand-in, not HashiCorp's"


def add_package(
    mirror: Path, name: str, version: str = "1.2.3", platform: str | None = None
) -> Path:
    package = mirror / REGISTRY / "hashicorp" / name / version / (platform or _platform())
    package.mkdir(parents=True)
    package.joinpath(f"terraform-provider-{name}_v{version}_x5").touch(mode=0o755)
    return package


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    add_package(folder, "aws", "5.100.0")
    return folder


@pytest.fixture
def other_mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "other"
    add_package(folder, "aws", "5.99.0")
    return folder


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    return tmp_path / "work"


def offline() -> bool:
    return False


def online() -> bool:
    return True


def never() -> bool:
    raise AssertionError("the registry was asked")


def nowhere() -> Iterator[Path]:
    raise AssertionError("a mirror was looked for")
    yield


def test_the_named_mirror_comes_before_the_registry(mirror: Path, work_dir: Path) -> None:
    providers = find_providers(
        work_dir,
        environ={"TERRAFORM_PROVIDER_MIRROR": str(mirror)},
        registry_answers=never,
        places=nowhere(),
    )

    assert providers.used["aws"] == f"mirror {mirror}"


def test_a_registry_that_answers_is_left_alone(work_dir: Path) -> None:
    providers = find_providers(work_dir, environ={}, registry_answers=online, places=nowhere())

    assert providers.environment == {}
    assert providers.used == dict.fromkeys(
        ("archive", "aws", "external"), "the Terraform registry, registry.terraform.io"
    )
    assert not work_dir.exists()


def test_the_first_mirror_that_holds_aws_is_taken_when_no_registry_answers(
    mirror: Path, other_mirror: Path, work_dir: Path, tmp_path: Path
) -> None:
    add_package(tmp_path / "without", "random")
    add_package(tmp_path / "another-machine's", "aws", platform="plan9_mips")
    places = [
        tmp_path / "missing",
        tmp_path / "without",
        tmp_path / "another-machine's",
        mirror,
        other_mirror,
    ]

    providers = find_providers(work_dir, environ={}, registry_answers=offline, places=places)

    assert providers.used["aws"] == f"mirror {mirror}"


def test_terraforms_own_directories_are_searched(work_dir: Path, tmp_path: Path) -> None:
    add_package(tmp_path / ".terraform.d" / "plugins", "aws")

    providers = find_providers(work_dir, environ={"HOME": str(tmp_path)}, registry_answers=offline)

    assert providers.used["aws"] == f"mirror {tmp_path / '.terraform.d' / 'plugins'}"


def test_nothing_found_says_what_to_do(work_dir: Path) -> None:
    with pytest.raises(ProvidersNotFoundError) as refused:
        find_providers(work_dir, environ={}, registry_answers=offline, places=[])

    message = str(refused.value)
    assert "registry.terraform.io does not answer" in message
    assert "\n    terraform -chdir=terraform providers mirror DIRECTORY\n" in message
    assert "\n    export TERRAFORM_PROVIDER_MIRROR=DIRECTORY" in message


def test_a_named_mirror_that_is_none_is_refused_by_name(tmp_path: Path, work_dir: Path) -> None:
    named = {"TERRAFORM_PROVIDER_MIRROR": str(tmp_path / "empty")}

    with pytest.raises(ProvidersNotFoundError, match=r"empty, which holds no directory registry"):
        find_providers(work_dir, environ=named, registry_answers=online, places=[])


def test_a_named_mirror_for_another_machine_is_refused_by_name(
    tmp_path: Path, work_dir: Path
) -> None:
    add_package(tmp_path / "mips", "aws", platform="plan9_mips")
    named = {"TERRAFORM_PROVIDER_MIRROR": str(tmp_path / "mips")}

    with pytest.raises(ProvidersNotFoundError, match="mips, which holds no hashicorp/aws for"):
        find_providers(work_dir, environ=named, registry_answers=online, places=[])


def test_what_the_mirror_lacks_comes_from_the_stand_ins(mirror: Path, work_dir: Path) -> None:
    archive = add_package(mirror, "archive", "2.7.0")

    providers = find_providers(work_dir, environ={}, registry_answers=offline, places=[mirror])

    assert providers.used == {
        "archive": f"mirror {mirror}",
        "aws": f"mirror {mirror}",
        "external": STAND_IN,
    }
    hashicorp = work_dir / "terraform-providers" / REGISTRY / "hashicorp"
    assert (hashicorp / "archive" / "2.7.0" / _platform()).readlink() == archive
    stand_in = hashicorp / "external" / "2.3.5" / _platform()
    assert os.access(stand_in / "terraform-provider-external_v2.3.5_x5", os.X_OK)


def test_packed_packages_of_a_mirror_are_taken_too(tmp_path: Path, work_dir: Path) -> None:
    packed = tmp_path / "packed" / REGISTRY / "hashicorp" / "aws"
    packed.mkdir(parents=True)
    packed.joinpath(f"terraform-provider-aws_5.100.0_{_platform()}.zip").touch()

    providers = find_providers(
        work_dir, environ={}, registry_answers=offline, places=[tmp_path / "packed"]
    )

    assert providers.used["aws"] == f"mirror {tmp_path / 'packed'}"
    links = list((work_dir / "terraform-providers").rglob("*.zip"))
    assert [link.is_symlink() for link in links] == [True]


def test_terraform_is_pointed_at_the_combined_mirror_only(mirror: Path, work_dir: Path) -> None:
    providers = find_providers(work_dir, environ={}, registry_answers=offline, places=[mirror])

    configuration = work_dir / "terraform-providers" / "terraform.tfrc"
    assert providers.environment["TF_CLI_CONFIG_FILE"] == str(configuration)
    text = configuration.read_text(encoding="utf-8")
    assert f'path = "{work_dir / "terraform-providers"}"' in text
    assert "direct {" not in text


def test_it_says_for_each_provider_where_it_came_from(mirror: Path, work_dir: Path) -> None:
    providers = find_providers(work_dir, environ={}, registry_answers=offline, places=[mirror])

    assert str(providers).splitlines() == [
        f"hashicorp/archive: {STAND_IN}",
        f"hashicorp/aws: mirror {mirror}",
        f"hashicorp/external: {STAND_IN}",
    ]


def test_a_second_time_changes_nothing(mirror: Path, work_dir: Path) -> None:
    def state() -> dict[Path, int]:
        return {path: path.lstat().st_mtime_ns for path in work_dir.rglob("*")}

    find_providers(work_dir, environ={}, registry_answers=offline, places=[mirror])
    before = state()

    find_providers(work_dir, environ={}, registry_answers=offline, places=[mirror])

    assert state() == before


def test_another_mirror_leaves_nothing_of_the_first(
    mirror: Path, other_mirror: Path, work_dir: Path
) -> None:
    archive = add_package(other_mirror, "archive", "2.7.1")
    find_providers(work_dir, environ={}, registry_answers=offline, places=[mirror])

    find_providers(work_dir, environ={}, registry_answers=offline, places=[other_mirror])

    hashicorp = work_dir / "terraform-providers" / REGISTRY / "hashicorp"
    assert [path.parent.name for path in hashicorp.glob(f"aws/*/{_platform()}")] == ["5.99.0"]
    assert (hashicorp / "archive" / "2.7.1" / _platform()).readlink() == archive
