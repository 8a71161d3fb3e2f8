"""An import that would fail on Lambda is found by reading, wherever in the source it stands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from build.tiny import make_wheel, write_tree
from lambda_build.cache import Cache, sha256_of
from lambda_build.checks.findings import Severity, refuse
from lambda_build.checks.imports import failing_imports
from lambda_build.checks.standard_library import standard_library
from lambda_build.errors import ImportsError
from lambda_build.layout import Layout, lay_out, source_members, wheel_members
from lambda_build.source import read_function_source
from lambda_build.target import Runtime, Target
from lambda_build.wheel import read_wheel

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from lambda_build.checks.findings import Finding


def layout(
    folder: Path,
    files: Mapping[str, str | bytes],
    wheels: Mapping[str, Mapping[str, str | bytes]] | None = None,
) -> Layout:
    """Return the layout of a source and of wheels, each by its name with its files."""
    groups = [source_members(read_function_source(write_tree(folder / "src", files)))]
    for name, held in (wheels or {}).items():
        file = make_wheel(folder / "wheels", name, files=held)
        groups.append(wheel_members(read_wheel(file, file.name, sha256_of(file))))
    return lay_out(*groups)


def findings(
    found: Layout,
    runtime: Runtime = Runtime.PYTHON3_11,
    *,
    provided: Collection[str] = (),
    projects: Collection[str] = (),
    handler: str | None = "index.handler",
    cache: Cache | None = None,
) -> list[Finding]:
    return list(
        failing_imports(
            found,
            Target(runtime=runtime),
            provided=provided,
            projects=projects,
            handler=handler,
            cache=cache,
        )
    )


def of(folder: Path, text: str, runtime: Runtime = Runtime.PYTHON3_11) -> list[Finding]:
    """Return what is found in a function of one file, that has a package `there`."""
    held = {"there/__init__.py": "", "there/sub.py": ""}
    return findings(layout(folder, {"index.py": text}, {"there": held}), runtime)


def refusal(found: list[Finding]) -> str:
    with pytest.raises(ImportsError) as refused:
        refuse(found)
    assert refused.value.exit_code == 15
    return str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "import json, os.path, collections.abc, xml.etree.ElementTree",
        "import tomllib",
        "from __future__ import annotations",
        "import there, there.sub as s",
        "from there import sub, anything",
        "from there.sub import anything",
        "from there import *",
        "import index",
        "def f():\n    import there",
    ],
)
def test_the_standard_library_the_source_and_the_dependencies_are_found(
    tmp_path: Path, text: str
) -> None:
    assert of(tmp_path, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "import missing",
        "import missing.sub as s",
        "from missing import name",
        "from missing.sub import name",
        "import json, missing",
        "def f():\n    import missing",
        "async def f():\n    from missing import name",
        "class A:\n    import missing",
        "if x:\n    import missing",
        "if x:\n    pass\nelif y:\n    pass\nelse:\n    import missing",
        "for x in y:\n    import missing",
        "while x:\n    import missing",
        "with x:\n    import missing",
        "match x:\n    case 1:\n        import missing",
        "try:\n    import missing\nexcept ValueError:\n    pass",
        "try:\n    import missing\nfinally:\n    pass",
        "try:\n    pass\nfinally:\n    import missing",
        "try:\n    def f():\n        import missing\nexcept ImportError:\n    pass",
        "with suppress(ValueError):\n    import missing",
    ],
)
def test_a_missing_module_is_refused_however_deep_the_import_stands(
    tmp_path: Path, text: str
) -> None:
    [found] = of(tmp_path, text)
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "missing" in row)
    assert found.severity is Severity.ERROR
    assert f"index.py, line {line}: `" in refusal([found])
    assert "the package has no missing" in found.cause


def test_a_module_of_a_package_that_is_there_is_missed_by_its_whole_name(tmp_path: Path) -> None:
    assert "there 1.0 is in the package and has no there.other" in refusal(
        of(tmp_path, "import there.other.deep")
    )


def test_all_failing_imports_are_named_in_one_refusal(tmp_path: Path) -> None:
    files = {"index.py": "import one\n\nimport two\n", "a/b.py": "import three\n"}
    said = refusal(findings(layout(tmp_path, files)))
    assert said.startswith("a/b.py, line 1: `import three` fails on Lambda: the package has no")
    assert "So it is with index.py, line 1 (one), index.py, line 3 (two)." in said


@pytest.mark.parametrize(
    ("module", "requirement"),
    [
        ("yaml", "PyYAML"),
        ("PIL.Image", "Pillow"),
        ("cv2", "opencv-python-headless"),
        ("sklearn.ensemble", "scikit-learn"),
        ("bs4", "beautifulsoup4"),
        ("dotenv", "python-dotenv"),
        ("jwt", "PyJWT"),
        ("Crypto.Cipher", "pycryptodome"),
        ("google.protobuf.message", "protobuf"),
        ("google.cloud.storage", "google-cloud-storage"),
        ("requests.adapters", "requests"),
    ],
)
def test_the_requirement_that_is_likely_missing_is_named(
    tmp_path: Path, module: str, requirement: str
) -> None:
    said = refusal(of(tmp_path, f"import {module}"))
    assert f"Is this requirement missing?\n    {requirement}\n" in said


def test_boto3_that_nobody_required_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    said = refusal(of(tmp_path, "import boto3"))
    assert "boto3 is neither in the requirements nor declared as provided" in said
    assert "requirements:\n    boto3\n" in said
    assert '    "provided": ["boto3"]  in function.json,  --provided boto3  on the' in said
    assert '    provided = ["boto3"]  in the package of a Terraform module' in said
    assert '"provided": ["python-dateutil"]' in refusal(of(tmp_path, "import dateutil.parser"))


def test_what_is_provided_is_found(tmp_path: Path) -> None:
    found = layout(tmp_path, {"index.py": "import boto3\nfrom botocore.config import Config\n"})
    assert findings(found, provided={"boto3", "botocore"}) == []


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import missing\nexcept ImportError:\n    missing = None",
        "try:\n    import missing\nexcept ModuleNotFoundError:\n    pass",
        "try:\n    import missing\nexcept (ValueError, ImportError):\n    pass",
        "try:\n    import missing\nexcept builtins.Exception as error:\n    pass",
        "try:\n    import missing\nexcept:\n    pass",
        "try:\n    if x:\n        import missing\nexcept ImportError:\n    pass",
        "try:\n    try:\n        import missing\n    finally:\n        0\nexcept ImportError: 0",
        "with contextlib.suppress(ImportError):\n    import missing",
        'import importlib\nmodule = importlib.import_module("missing.sub")',
        'def f():\n    return __import__("missing")',
    ],
)
def test_a_module_that_may_be_missing_is_worth_a_warning_of_one_line(
    tmp_path: Path, text: str
) -> None:
    [found] = of(tmp_path, text)
    assert found.severity is Severity.WARNING
    [warning] = refuse([found])
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "missing" in row)
    assert warning.startswith(f"index.py, line {line}: `")
    assert warning.endswith("` finds no missing on Lambda.")
    assert "\n" not in warning


def test_a_try_that_only_says_why_the_module_is_needed_needs_it(tmp_path: Path) -> None:
    text = "try:\n    import missing\nexcept ImportError as e:\n    raise SystemExit from e\n"
    assert "no missing" in refusal(of(tmp_path, text))


def test_what_stands_in_for_a_module_that_is_there_is_never_reached(tmp_path: Path) -> None:
    text = "try:\n    import tomllib\nexcept ImportError:\n    import tomli as tomllib\n"
    assert of(tmp_path, text) == []


def test_what_stands_in_for_a_missing_module_must_be_there(tmp_path: Path) -> None:
    text = "try:\n    import missing\nexcept ImportError:\n    import {}\n"
    [warning] = of(tmp_path, text.format("json"))
    assert warning.severity is Severity.WARNING
    assert "line 4: `import other`" in refusal(of(tmp_path, text.format("other")))


def test_what_follows_a_failed_import_is_never_reached(tmp_path: Path) -> None:
    text = "try:\n    import {}\nexcept ImportError:\n    pass\nelse:\n    import other\n"
    [warning] = of(tmp_path, text.format("missing"))
    assert warning.severity is Severity.WARNING
    assert "import other" in refusal(of(tmp_path, text.format("json")))


@pytest.mark.parametrize(
    "condition",
    [
        "TYPE_CHECKING",
        "typing.TYPE_CHECKING",
        "not not TYPE_CHECKING",
        "TYPE_CHECKING and x",
        "False",
        "0",
        "sys.version_info < (3, 11)",
        "sys.version_info[0] == 2",
        "sys.version_info[:2] <= (3, 10)",
        "sys.version_info.minor < 11",
        'sys.platform == "win32"',
        'sys.platform.startswith("win")',
        'os.name == "nt"',
        'platform.system() == "Windows"',
        'sys.platform in ("win32", "cygwin")',
        '__name__ == "__main__"',
        'importlib.util.find_spec("missing")',
        'find_spec("missing") is not None',
        "six.PY2",
    ],
)
def test_a_branch_that_lambda_never_takes_is_not_read(tmp_path: Path, condition: str) -> None:
    assert of(tmp_path, f"if {condition}:\n    import missing\n") == []
    assert of(tmp_path, f"if {condition}:\n    pass\nelse:\n    import missing\n")


@pytest.mark.parametrize(
    "condition",
    [
        "True",
        "sys.version_info >= (3, 11)",
        "sys.version_info >= (3, 11, 4)",
        'sys.platform == "linux"',
        "not TYPE_CHECKING",
        "six.PY3",
    ],
)
def test_the_other_side_of_a_branch_that_is_always_taken_is_not_read(
    tmp_path: Path, condition: str
) -> None:
    assert of(tmp_path, f"if {condition}:\n    pass\nelse:\n    import missing\n") == []
    assert of(tmp_path, f"if {condition}:\n    import missing\n")


@pytest.mark.parametrize(
    ("module", "gone_in", "came_in"),
    [
        ("distutils.core", 12, 0),
        ("imp", 12, 0),
        ("asyncore", 12, 0),
        ("cgi", 13, 0),
        ("telnetlib", 13, 0),
        ("typing.io", 13, 0),
        ("annotationlib", 99, 14),
        ("compression.zstd", 99, 14),
        ("string.templatelib", 99, 14),
        ("tomllib", 99, 11),
    ],
)
def test_the_standard_library_is_that_of_the_targets_python(
    tmp_path: Path, module: str, gone_in: int, came_in: int
) -> None:
    for runtime in Runtime:
        minor = int(runtime.rpartition(".")[2])
        found = of(tmp_path, f"import {module}", runtime)
        assert bool(found) is not (came_in <= minor < gone_in), runtime
        if found:
            said = refusal(found)
            assert "the standard library in Python 3." in said


def test_the_standard_library_of_this_python_is_what_it_says_itself() -> None:
    running = "{}.{}".format(*sys.version_info[:2])
    assert standard_library(running) == sys.stdlib_module_names


def test_relative_imports_are_found_and_missed(tmp_path: Path) -> None:
    files = {
        "index.py": "from app import main",
        "app/__init__.py": "from . import main\nfrom .main import run",
        "app/main.py": "from .deep.below import x\nfrom .gone import y",
        "app/deep/below.py": "from .. import main\nfrom ..main import run\nfrom . import below",
    }
    [found] = findings(layout(tmp_path, files))
    assert "app/main.py, line 2: `from .gone import y`" in found.cause
    assert "there is no app.gone in the source" in found.cause


def test_a_relative_import_out_of_its_package_is_refused(tmp_path: Path) -> None:
    files = {"index.py": "from . import a", "a/b.py": "from .. import index\nfrom ...c import d"}
    said = [found.cause for found in findings(layout(tmp_path, files))]
    assert [cause.partition(":")[0] for cause in said] == [
        "a/b.py, line 1",
        "a/b.py, line 2",
        "index.py, line 1",
    ]
    assert all("leads out of the package that the file is in" in cause for cause in said)


def test_folders_without_an_init_file_are_packages_too(tmp_path: Path) -> None:
    files = {"index.py": "import app.deep.a\nfrom app import deep\nfrom app.deep import a, b"}
    [found] = findings(layout(tmp_path, {**files, "app/deep/a.py": ""}))
    assert "line 3" in found.cause
    assert "there is no app.deep.b in the source" in found.cause


def test_a_namespace_is_shared_by_source_and_dependencies(tmp_path: Path) -> None:
    text = "import google.cloud.storage\nfrom google.cloud import own\nimport google.cloud.other"
    held = {"google-cloud-storage": {"google/cloud/storage/__init__.py": ""}}
    wheels = {name.replace("-", "_"): files for name, files in held.items()}
    [found] = findings(layout(tmp_path, {"index.py": text, "google/cloud/own.py": ""}, wheels))
    assert "`import google.cloud.other`" in found.cause


def test_modules_that_a_dependency_makes_when_it_is_imported_are_believed(tmp_path: Path) -> None:
    text = "from six.moves import urllib\nfrom six.moves.urllib.parse import quote"
    wheels = {"six": {"six.py": "import sys\nsys.modules['six.moves'] = object()\n"}}
    assert findings(layout(tmp_path, {"index.py": text}, wheels)) == []


def test_below_a_plain_module_there_is_nothing(tmp_path: Path) -> None:
    found = findings(layout(tmp_path, {"index.py": "import one.two"}, {"one": {"one.py": ""}}))
    assert "`import one.two`" in refusal(found)
    files = {"index.py": "import one.two", "one.py": "", "one/two.py": ""}
    assert "there is no one.two in the source" in refusal(findings(layout(tmp_path, files)))


def test_native_modules_are_modules(tmp_path: Path) -> None:
    tag = "cpython-311-x86_64-linux-gnu.so"
    held: dict[str, str | bytes] = {
        f"native/a.{tag}": b"",
        "native/b.abi3.so": b"",
        "c.so": b"",
        f"pack/__init__.{tag}": b"",
    }
    text = "import native.a, c\nfrom native import b\nimport pack.made_by_it"
    assert findings(layout(tmp_path, {"index.py": text}, {"native": held})) == []


def test_a_module_beside_the_file_is_named_as_lambda_finds_it(tmp_path: Path) -> None:
    files = {
        "index.py": "from app import main",
        "app/main.py": "import helper",
        "app/helper.py": "",
    }
    said = refusal(findings(layout(tmp_path, files)))
    assert "helper is in app/, which is no folder that Lambda imports from" in said
    assert "    from app import helper" in said


def test_folders_that_the_source_adds_to_the_path_are_looked_into(tmp_path: Path) -> None:
    text = 'import sys\nsys.path.insert(0, "vendored")\nimport helper\nimport gone'
    [found] = findings(layout(tmp_path, {"index.py": text, "vendored/helper.py": ""}))
    assert "`import gone`" in found.cause


def test_a_file_that_is_only_imported_where_it_may_fail_may_fail(tmp_path: Path) -> None:
    guarded = "try:\n    from app import fast\nexcept ImportError:\n    fast = None\n"
    files = {"index.py": guarded, "app/__init__.py": "", "app/fast.py": "import missing"}
    [found] = findings(layout(tmp_path, files))
    assert found.severity is Severity.WARNING
    [found] = findings(layout(tmp_path, {**files, "other.py": "import app.fast"}))
    assert found.severity is Severity.ERROR
    [found] = findings(layout(tmp_path / "b", files), handler="app.fast.handler")
    assert found.severity is Severity.ERROR


def test_files_that_nothing_imports_are_read_as_well(tmp_path: Path) -> None:
    assert findings(layout(tmp_path, {"index.py": "", "plugins/one.py": "import missing"}))


def test_dependencies_are_not_read(tmp_path: Path) -> None:
    held = {"there/__init__.py": "import missing"}
    assert findings(layout(tmp_path, {"index.py": "import there"}, {"there": held})) == []


def test_of_a_path_requirement_the_modules_that_the_source_reaches_are_read(tmp_path: Path) -> None:
    held = {
        "lib/__init__.py": "",
        "lib/used.py": "from . import below",
        "lib/below.py": "import missing",
        "lib/unused.py": "import unheard_of",
    }
    found = findings(
        layout(tmp_path, {"index.py": "from lib import used"}, {"lib": held}),
        projects={"lib 1.0"},
    )
    assert [one.thing for one in found] == ["lib/below.py, line 1 (from lib 1.0) (missing)"]


def test_what_was_read_of_a_file_is_kept_by_its_hash(tmp_path: Path) -> None:
    cache = Cache(root=tmp_path / "kept")
    text = "try:\n    import a\nexcept ImportError:\n    from b import c\nelse:\n    import d"
    first = findings(layout(tmp_path, {"index.py": text}), cache=cache)
    kept = [path for path in cache.root.rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert findings(layout(tmp_path, {"index.py": text}), cache=cache) == first
    kept[0].write_text("{damaged")
    assert findings(layout(tmp_path, {"index.py": text}), cache=cache) == first


def test_a_file_that_is_no_python_is_left_to_the_compiler(tmp_path: Path) -> None:
    assert of(tmp_path, "import missing this is no Python") == []


def test_a_module_that_nests_deeper_than_python_calls_is_read(tmp_path: Path) -> None:
    text = "if x == 0:\n    pass\n" + "elif x:\n    pass\n" * 500 + "else:\n    import missing\n"
    assert len(of(tmp_path, text)) == 1
