"""An image's packages hold what they need to run, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build.tiny import WheelRecipe
from lambda_build.images.trim import trimmed
from lambda_build.layout import wheel_members
from lambda_build.target import Target
from lambda_build.wheel import read_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from build.tiny import Content
    from lambda_build.cache import Cache
    from lambda_build.layout import Member

TESTS: dict[str, Content] = {
    "one/__init__.py": "",
    "one/core.py": "x = 1\n",
    "one/tests/__init__.py": "",
    "one/tests/test_core.py": "from one.tests.helpers import x\n",
    "one/tests/helpers.py": "from . import more\n",
    "one/tests/more.py": "",
    "one/tests/data/table.csv": "1\n",
}


def members(folder: Path, files: dict[str, Content], name: str = "one") -> list[Member]:
    wheel = WheelRecipe(name=name, files=files).write(folder)
    return wheel_members(read_wheel(wheel, wheel.name, "0" * 64))


def kept(folder: Path, cache: Cache, files: dict[str, Content]) -> set[str]:
    [group] = trimmed([members(folder, files)], Target(), cache)
    return {member.path for member in group if ".dist-info/" not in member.path}


def test_tests_that_nothing_imports_are_left_out(tmp_path: Path, cache: Cache) -> None:
    assert kept(tmp_path, cache, TESTS) == {"one/__init__.py", "one/core.py"}


@pytest.mark.parametrize(
    "statement",
    [
        "from one.tests.helpers import x",
        "from one.tests import helpers",
        "from .tests import (\n    # what numpy.testing did\n    helpers,\n)",
        "import one.tests.helpers as h",
        "def late():\n    from .tests.helpers import x",
        'import importlib\nimportlib.import_module("one.tests.helpers")',
    ],
)
def test_what_is_imported_of_them_stays_with_what_it_needs(
    tmp_path: Path, cache: Cache, statement: str
) -> None:
    files = {**TESTS, "one/core.py": f"{statement}\n"}
    assert kept(tmp_path, cache, files) == files.keys() - {"one/tests/test_core.py"}


def test_another_package_may_need_them(tmp_path: Path, cache: Cache) -> None:
    two = members(tmp_path, {"two.py": "from one.tests.helpers import x\n"}, name="two")
    groups = trimmed([members(tmp_path, TESTS), two], Target(), cache)
    assert "one/tests/helpers.py" in {member.path for member in groups[0]}


def test_a_folder_of_that_name_that_holds_no_tests_stays(tmp_path: Path, cache: Cache) -> None:
    files: dict[str, Content] = {"one/test/__init__.py": "", "one/test/client.py": ""}
    assert kept(tmp_path, cache, files) == files.keys()


def test_metadata_headers_and_data_stay(tmp_path: Path, cache: Cache) -> None:
    files: dict[str, Content] = {"one/include/one.h": "", "one/table.txt": "", "one/py.typed": ""}
    [group] = trimmed([members(tmp_path, files)], Target(), cache)
    assert {member.path for member in group} > files.keys()
    assert any(member.path.endswith(".dist-info/METADATA") for member in group)


def test_stubs_and_what_is_for_compilers_is_left_out(tmp_path: Path, cache: Cache) -> None:
    files: dict[str, Content] = {f"one/a{end}": "" for end in (".pyi", ".pyx", ".pxd", ".a")}
    assert kept(tmp_path, cache, {**files, "one/a.py": ""}) == {"one/a.py"}


@pytest.mark.parametrize(
    "code",
    [
        "import lazy_loader\n__getattr__ = lazy_loader.attach_stub(__name__, __file__)\n",
        "from lazy_loader import attach_stub as lazy\n__getattr__ = lazy(__name__, __file__)\n",
        'open(f"{__file__}i")\nopen(f"{__name__}.pyi")\n',
    ],
)
def test_stubs_stay_that_a_package_reads_when_it_is_imported(
    tmp_path: Path, cache: Cache, code: str
) -> None:
    files: dict[str, Content] = {"one/__init__.py": code, "one/__init__.pyi": "from . import a\n"}
    assert kept(tmp_path, cache, files) == files.keys()


def test_a_package_that_only_speaks_of_its_stubs_does_without(tmp_path: Path, cache: Cache) -> None:
    said = '''"""Typed in __init__.pyi."""\n# See one.pyi, and lazy_loader.attach_stub.\n'''
    tests: dict[str, Content] = {"one/tests/test_one.py": 'open("../__init__.pyi")\n'}
    files: dict[str, Content] = {"one/__init__.py": said, "one/__init__.pyi": "", **tests}
    assert kept(tmp_path, cache, files) == {"one/__init__.py"}


def test_what_was_found_is_kept(tmp_path: Path, cache: Cache) -> None:
    groups = [members(tmp_path, TESTS)]
    first = trimmed(groups, Target(), cache)
    (tmp_path / "one-1.0-py3-none-any.whl").unlink()  # so that nothing is read again
    assert trimmed(groups, Target(), cache) == first
