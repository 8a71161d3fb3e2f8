"""What cannot run on Lambda is refused while building, by name."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import pytest
from build.tiny import make_wheel, write_tree
from lambda_build.checks import check
from lambda_build.errors import HandlerError, SizeError
from lambda_build.layout import Layout, lay_out, source_members, wheel_members
from lambda_build.source import read_function_source
from lambda_build.target import Runtime, Target
from lambda_build.wheel import read_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lambda_build.layout import Member


def source(folder: Path, files: Mapping[str, str | bytes]) -> list[Member]:
    return source_members(read_function_source(write_tree(folder / "src", files)))


def wheel(
    folder: Path, files: Mapping[str, str | bytes], tag: str = "py3-none-any"
) -> list[Member]:
    file = make_wheel(folder, files=files, tag=tag)
    return wheel_members(read_wheel(file, file.name, hashlib.sha256(b"").hexdigest()))


def layout(folder: Path, files: Mapping[str, str | bytes]) -> Layout:
    return lay_out(source(folder, files))


def refusal(found: Layout, handler: str) -> str:
    with pytest.raises(HandlerError) as refused:
        check.check_handler(found, handler, Target())
    return str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "def handler(event, context): ...",
        "async def handler(event, context): ...",
        "class handler: ...",
        "handler = Mangum(app)",
        "handler: object = make()",
        "first, (handler, *rest) = make()",
        "a = handler = make()",
        "from app import handler",
        "from app import main as handler",
        "import handler",
        "import handler.sub",
        "import app.main as handler",
        "from app import *",
        "if True:\n    def handler(event, context): ...\nelse:\n    pass",
        "if x:\n    pass\nelse:\n    handler = 1",
        "try:\n    from a import handler\nexcept ImportError:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    from a import handler",
        "try:\n    pass\nexcept* ValueError:\n    handler = 1",
        "try:\n    pass\nfinally:\n    handler = 1",
        "with x:\n    handler = 1",
        "for handler in x:\n    pass",
        "with x as handler:\n    pass",
        "match x:\n    case 1:\n        handler = 1",
        "if (handler := make()): pass",
        "def __getattr__(name): ...",
    ],
)
def test_a_handler_is_found_wherever_its_module_binds_it(tmp_path: Path, text: str) -> None:
    check.check_handler(layout(tmp_path, {"index.py": text}), "index.handler", Target())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "def other(): ...",
        "class App:\n    def handler(self): ...",
        "def make():\n    handler = 1",
        "app.handler = 1",
        "handler\nprint(handler)",
        "# handler",
        "x = lambda handler: 1",
        "x = [handler for handler in y]",
    ],
)
def test_a_name_that_the_module_does_not_bind_is_no_handler(tmp_path: Path, text: str) -> None:
    message = refusal(layout(tmp_path, {"index.py": text}), "index.handler")
    assert "index.py does not define handler" in message


def test_the_refusal_says_what_the_module_does_define(tmp_path: Path) -> None:
    text = "import os\ndef lambda_handler(e, c): ...\n_private = 1\n"
    message = refusal(layout(tmp_path, {"index.py": text}), "index.handler")
    assert message.endswith("It defines: lambda_handler, os.")


def test_the_refusal_says_what_is_at_the_packages_top(tmp_path: Path) -> None:
    found = layout(tmp_path, {"app.py": "", "lib/a.py": ""})
    message = refusal(found, "index.handler")
    assert "The handler is index.handler, and the package has no index.py." in message
    assert "At its top are: app.py, lib/." in message
    assert "no files of the source" in refusal(Layout(members=()), "index.handler")


@pytest.mark.parametrize(
    ("path", "handler"),
    [
        ("pkg/__init__.py", "pkg.handler"),
        ("pkg/sub/index.py", "pkg.sub.index.handler"),
        ("pkg/index.py", "pkg/index.handler"),
    ],
)
def test_a_handler_may_be_in_a_package(tmp_path: Path, path: str, handler: str) -> None:
    text = "def handler(event, context): ..."
    check.check_handler(layout(tmp_path, {path: text}), handler, Target())


def test_a_package_hides_a_module_of_its_name(tmp_path: Path) -> None:
    found = layout(tmp_path, {"index.py": "handler = 1", "index/__init__.py": ""})
    assert "index/__init__.py does not define handler" in refusal(found, "index.handler")


def test_a_handler_may_be_in_a_dependency_or_compiled(tmp_path: Path) -> None:
    found = lay_out(wheel(tmp_path, {"one/index.py": "handler = 1"}))
    check.check_handler(found, "one.index.handler", Target())
    compiled = layout(tmp_path, {"index.cpython-311-x86_64-linux-gnu.so": "", "b.so": ""})
    check.check_handler(compiled, "index.handler", Target())
    check.check_handler(compiled, "b.handler", Target())


@pytest.mark.parametrize("handler", ["", "handler", ".handler", "index.", "index.not a name"])
def test_what_is_no_handlers_name_is_refused(tmp_path: Path, handler: str) -> None:
    assert "is no handler: it is a module and a function" in refusal(
        layout(tmp_path, {"index.py": "handler = 1"}), handler
    )


def test_a_handlers_module_must_be_python_of_the_target(tmp_path: Path) -> None:
    found = layout(tmp_path, {"index.py": "def handler(:"})
    own = Runtime("python{}.{}".format(*sys.version_info[:2]))
    with pytest.raises(HandlerError, match=r"^index\.py is not Python: "):
        check.check_handler(found, "index.handler", Target(runtime=own))
    # Another Python's syntax may be newer than this one's: that Python says so when compiling.
    other = next(runtime for runtime in Runtime if runtime != own)
    check.check_handler(found, "index.handler", Target(runtime=other))


def test_invalid_escapes_in_a_handlers_module_are_its_authors_business(tmp_path: Path) -> None:
    found = layout(tmp_path, {"index.py": "handler = '\\d'"})
    check.check_handler(found, "index.handler", Target())


def test_a_package_over_the_limit_is_refused_with_its_largest_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"data/a": "x" * 300, "data/b": "x" * 300, "c": "x" * 400}
    found = lay_out(source(tmp_path, files), wheel(tmp_path, {"one/b": "y" * 5000}))
    check.check_size(found)
    monkeypatch.setattr(check, "LARGEST_UNZIPPED_BYTES", found.size)
    check.check_size(found)
    monkeypatch.setattr(check, "LARGEST_UNZIPPED_BYTES", found.size - 1)
    with pytest.raises(SizeError) as refused:
        check.check_size(found)
    first, *rows = str(refused.value).splitlines()[:4]
    assert "MB unzipped, 1 bytes more than the 0.0 MB" in first
    parts = ["one 1.0", "source: data/", "source: c"]
    assert [row.split("MB")[1].strip() for row in rows] == parts
