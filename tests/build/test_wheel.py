"""A wheel is taken only when it is whole, safe and what its RECORD says."""

from __future__ import annotations

import random
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from build.tiny import WheelRecipe
from hypothesis import given
from hypothesis import strategies as st
from lambda_build.errors import SizeError, WheelError
from lambda_build.target import Architecture, Runtime, Target
from lambda_build.wheel import rank, read_wheel, verify_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from lambda_build.wheel import Wheel

ELSEWHERE = "which would be written outside the package"


def checked(file: Path, filename: str | None = None) -> Wheel:
    wheel = read_wheel(file, filename or file.name, "")
    verify_wheel(wheel)
    return wheel


def paths(wheel: Wheel) -> list[str]:
    return [member.path for member in wheel.members]


def refusal(folder: Path, **recipe: Any) -> str:
    with pytest.raises(WheelError) as refused:
        checked(WheelRecipe(**recipe).write(folder))
    return str(refused.value)


def test_a_good_wheel_is_read_without_being_unpacked(tmp_path: Path) -> None:
    wheel = checked(WheelRecipe(name="My_One", version="1.0+local.1").write(tmp_path))
    info = "My_One-1.0+local.1.dist-info"
    assert (wheel.name, wheel.version) == ("my-one", "1.0+local.1")
    assert paths(wheel) == sorted(
        ["My_One/__init__.py", f"{info}/METADATA", f"{info}/RECORD", f"{info}/WHEEL"]
    )
    assert list(tmp_path.iterdir()) == [tmp_path / wheel.filename]


def test_a_file_that_is_not_the_recorded_one_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, recorded={"one/__init__.py": "other"})
    assert "one/__init__.py is not the file that its RECORD names" in message


def test_a_file_that_is_not_recorded_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, unrecorded=["one/__init__.py"])
    assert "its RECORD does not list one/__init__.py" in message


def test_a_wheel_without_record_is_refused(tmp_path: Path) -> None:
    assert "has no RECORD" in refusal(tmp_path, record=False)


def test_a_record_with_weak_or_broken_hashes_is_refused(tmp_path: Path) -> None:
    assert "does not list" in refusal(tmp_path, algorithm="md5")
    assert "not a whole wheel" in refusal(tmp_path, extra_rows="x,sha256=a,1\n")
    assert "not a whole wheel" in refusal(tmp_path, extra_rows=f'"{"x" * 200_000}",,\n')


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_stronger_hashes_are_verified_as_well(tmp_path: Path, algorithm: str) -> None:
    good = checked(WheelRecipe(algorithm=algorithm).write(tmp_path))
    assert len(good.members) == 4
    recorded = {"one/__init__.py": "other"}
    assert "does not list" in refusal(tmp_path, algorithm=algorithm, recorded=recorded)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/x.py",
        "../x.py",
        "one/../../x.py",
        "one/../x.py",
        "one\\x.py",
        "C:/x.py",
        "one//x.py",
        "./one.py",
        "one-1.0.data/purelib/../../x.py",
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    assert ELSEWHERE in refusal(tmp_path, files={name: "x = 1\n"})


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    assert "holds one name twice" in refusal(tmp_path, twice=["one/__init__.py"])


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    assert "a symbolic link" in refusal(tmp_path, links=["one/__init__.py"])


def test_another_packages_metadata_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, dist_info="two-1.0.dist-info")
    assert "holds the metadata of another package, two-1.0.dist-info" in message


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    file = WheelRecipe().write(tmp_path)
    data = bytearray(file.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = data.index(signature)
        data[start + flags] |= 1
    file.write_bytes(data)
    with pytest.raises(WheelError, match="encrypted"):
        checked(file)


def test_data_folders_are_installed_where_pip_installs_them(tmp_path: Path) -> None:
    kinds = ("purelib", "platlib", "scripts", "data", "headers")
    files = {f"one-1.0.data/{kind}/in_{kind}": kind for kind in kinds}
    wheel = checked(WheelRecipe(files=files).write(tmp_path))
    assert [path for path in paths(wheel) if "dist-info" not in path] == [
        *("bin/in_scripts", "in_data", "in_platlib", "in_purelib")
    ]


def test_executable_bits_are_kept_and_no_others(tmp_path: Path) -> None:
    files = {"one/tool": "#!/bin/sh\n", "one/text": ""}
    wheel = checked(WheelRecipe(files=files, executable=["one/tool"]).write(tmp_path))
    assert [member.path for member in wheel.members if member.executable] == ["one/tool"]


def test_bytecode_in_a_wheel_is_left_behind(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "one/__init__.py": "",
        "one/__pycache__/__init__.cpython-311.pyc": b"old",
    }
    wheel = checked(WheelRecipe(files=files).write(tmp_path))
    assert "one/__init__.py" in paths(wheel)
    assert not [path for path in paths(wheel) if "__pycache__" in path]


def test_empty_folders_and_signatures_of_the_record_are_no_members(tmp_path: Path) -> None:
    file = WheelRecipe().write(tmp_path)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("one/empty/", b"")
        archive.writestr("one-1.0.dist-info/RECORD.jws", b"{}")
    assert len(checked(file).members) == 4


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_members_are_read(tmp_path: Path, compression: int) -> None:
    assert len(checked(WheelRecipe(compression=compression).write(tmp_path)).members) == 4


@pytest.mark.parametrize(
    ("compression", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")]
)
def test_compressions_that_nothing_bounds_are_refused(
    tmp_path: Path, compression: int, name: str
) -> None:
    assert f"which is compressed by {name}" in refusal(tmp_path, compression=compression)


@pytest.mark.parametrize("end", [0, 1, 30, 200, -1, -22])
def test_a_truncated_wheel_is_refused(tmp_path: Path, end: int) -> None:
    file = WheelRecipe().write(tmp_path)
    file.write_bytes(file.read_bytes()[:end])
    with pytest.raises(WheelError, match=r"one-1\.0-py3-none-any\.whl"):
        checked(file)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(seed=st.integers(0, 2**32))
def test_a_damaged_wheel_is_refused_or_holds_what_it_held(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - the seed is hypothesis' choice
    folder = tmp_path_factory.mktemp("damaged")
    file = WheelRecipe(compression=chance.choice([0, 8])).write(folder)
    whole = {(m.path, m.sha256) for m in checked(file).members}
    data = bytearray(file.read_bytes())
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[place] = chance.randrange(256)
            case 1:
                data[place : place + 4] = struct.pack("<I", chance.choice([0, 2**31, 2**32 - 1]))
            case 2:
                del data[place : place + chance.randint(1, 40)]
            case _:
                data[place:place] = chance.randbytes(chance.randint(1, 40))
    file.write_bytes(data)
    try:
        held = {(member.path, member.sha256) for member in checked(file).members}
    except (SizeError, WheelError):
        return
    # RECORD is the one file whose hash is nowhere; the wheel's own hash stands for it.
    assert {item for item in held if "RECORD" not in item[0]} <= whole
    assert not {path for path, _ in held} - {path for path, _ in whole}


@pytest.mark.parametrize(
    ("tag", "runtime", "architecture", "runs"),
    [
        ("py3-none-any", "python3.11", "x86_64", True),
        ("py2.py3-none-any", "python3.11", "arm64", True),
        ("py2-none-any", "python3.11", "x86_64", False),
        ("cp311-cp311-manylinux_2_17_x86_64", "python3.11", "x86_64", True),
        ("cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64", "python3.11", "x86_64", True),
        ("cp311-cp311-manylinux1_x86_64", "python3.11", "x86_64", True),
        ("cp311-cp311-manylinux2010_x86_64", "python3.11", "x86_64", True),
        ("cp311-cp311-manylinux_2_26_x86_64", "python3.11", "x86_64", True),
        ("cp311-cp311-manylinux_2_27_x86_64", "python3.11", "x86_64", False),
        ("cp311-cp311-manylinux_2_28_x86_64", "python3.11", "x86_64", False),
        ("cp312-cp312-manylinux_2_28_x86_64", "python3.12", "x86_64", True),
        ("cp312-cp312-manylinux_2_34_x86_64", "python3.12", "x86_64", True),
        ("cp312-cp312-manylinux_2_35_x86_64", "python3.12", "x86_64", False),
        ("cp314-cp314-manylinux_2_34_aarch64", "python3.14", "arm64", True),
        ("cp313-cp313t-manylinux_2_17_x86_64", "python3.13", "x86_64", False),
        ("cp311-cp311-musllinux_1_2_x86_64", "python3.11", "x86_64", False),
        ("cp311-cp311-manylinux2014_aarch64", "python3.11", "x86_64", False),
        ("cp311-cp311-manylinux2014_aarch64", "python3.11", "arm64", True),
        ("cp311-cp311-macosx_11_0_arm64", "python3.11", "arm64", False),
        ("cp311-cp311-win_amd64", "python3.11", "x86_64", False),
        ("cp312-cp312-manylinux2014_x86_64", "python3.11", "x86_64", False),
        ("cp310-cp310-manylinux2014_x86_64", "python3.11", "x86_64", False),
        ("cp38-abi3-manylinux2014_x86_64", "python3.11", "x86_64", True),
        ("cp312-abi3-manylinux2014_x86_64", "python3.11", "x86_64", False),
        ("cp311-none-any", "python3.11", "x86_64", True),
        ("cp311-cp311-linux_x86_64", "python3.11", "x86_64", True),
        ("pp310-pypy310_pp73-manylinux2014_x86_64", "python3.11", "x86_64", False),
    ],
)
def test_a_wheels_name_says_whether_it_runs_on_the_target(
    tag: str, runtime: str, architecture: str, *, runs: bool
) -> None:
    target = Target(runtime=Runtime(runtime), architecture=Architecture(architecture))
    assert (rank(f"one-1.0-{tag}.whl", target) is not None) == runs


def test_the_most_specific_wheel_ranks_first() -> None:
    tags = [
        "cp311-cp311-manylinux_2_26_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-abi3-manylinux2014_x86_64",
        "cp38-abi3-manylinux2014_x86_64",
        "py3-none-any",
    ]
    ranks = [rank(f"one-1.0-{tag}.whl", Target()) for tag in tags]
    assert all(rank is not None for rank in ranks)
    assert ranks == sorted(ranks, key=lambda rank: rank or 0)
    assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize("name", ["one.whl", "one-1.0.tar.gz", "one-1.0-py3-none.whl", ""])
def test_a_name_that_is_no_wheels_runs_nowhere(name: str) -> None:
    assert rank(name, Target()) is None
