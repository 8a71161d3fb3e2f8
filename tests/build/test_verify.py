"""An archive that anyone made is held to what a build promises, and each fault is found."""

from __future__ import annotations

import json
import os
import py_compile
import re
import shutil
import stat
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
from build.foreign import ZipRecipe, install, replace_name, write_wheels, zipped
from build.test_cli import in_process
from build.tiny import HANDLER, found_in, make_function, make_wheel, tree_of, write_tree
from build.tiny_elf import ARM64, ElfRecipe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lambda_build.build import package
from lambda_build.checks.findings import Severity
from lambda_build.errors import UsageError
from lambda_build.inspection import leftovers, reader
from lambda_build.inspection import verify as verification
from lambda_build.inspection.verify import verify
from lambda_build.interpreters import find_interpreter
from lambda_build.process import run
from lambda_build.target import Architecture, Runtime, Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from build.foreign import Installer
    from lambda_build.cache import Cache
    from lambda_build.checks.findings import Finding

OWN = "index.handler"


def codes(file: Path, handler: str | None = OWN, **options: object) -> set[str]:
    return {found.code for found in verify(file, handler=handler, **options).findings}  # type: ignore[arg-type]


def finding(file: Path, code: str, handler: str | None = OWN, **options: object) -> Finding:
    found = verify(file, handler=handler, **options).findings  # type: ignore[arg-type]
    (one,) = [finding for finding in found if finding.code == code]
    return one


@pytest.fixture(scope="module", params=["pip", "uv"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function's folder as pip or uv fills it."""
    tool: Installer = request.param
    folder = tmp_path_factory.mktemp(tool)
    return install(tool, write_wheels(folder / "wheels"), folder / "function")


@pytest.fixture
def folder(installed: Path, tmp_path: Path) -> Path:
    """A copy of it, for a fault to be planted in."""
    return shutil.copytree(installed, tmp_path / "function", symlinks=True)


# Good archives


def test_nothing_is_wrong_with_what_pip_or_uv_and_zip_made(folder: Path) -> None:
    report = verify(zipped(folder), handler=OWN)
    assert report.findings == ()
    assert [str(found) for found in report.distributions] == ["one 1.0", "two 1.0"]


def test_nothing_is_wrong_with_what_a_build_made(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    write_wheels(wheels)
    make_wheel(wheels, "boto3")
    function = make_function(tmp_path / "f", found_in("../wheels", "one"))
    file = package(function, tmp_path / "f.zip", cache).path
    report = verify(file)
    assert report.findings == ()
    assert (report.handler, report.target_from) == (OWN, "lambda_build.json")


def test_targets_come_from_the_record_then_from_options_then_from_defaults(
    tmp_path: Path, cache: Cache
) -> None:
    plain = ZipRecipe().write(tmp_path / "plain.zip")
    report = verify(plain)
    assert (report.target, report.target_from, report.handler) == (Target(), "by default", None)
    report = verify(plain, runtime="python3.13", architecture="arm64")
    asked = Target(runtime=Runtime.PYTHON3_13, architecture=Architecture.ARM64)
    assert (report.target, report.target_from) == (asked, "the options")
    function = make_function(tmp_path / "f", None, architecture=Architecture.ARM64)
    built = package(function, tmp_path / "f.zip", cache).path
    assert verify(built).target == Target(architecture=Architecture.ARM64)
    assert "other-target" in codes(built, architecture="x86_64")


def test_an_unknown_runtime_and_a_missing_file_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="python2"):
        verify(ZipRecipe().write(tmp_path / "a.zip"), runtime="python2.7")
    with pytest.raises(UsageError, match="cannot be read"):
        verify(tmp_path / "none.zip")
    with pytest.raises(UsageError, match="cannot be read"):
        verify(tmp_path)


# Faults planted in what pip and uv installed


def remove(path: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).unlink()


def write(path: str, content: str | bytes) -> Callable[[Path], None]:
    return lambda folder: (write_tree(folder, {path: content}), None)[1]


def change_mode(path: str, mode: int) -> Callable[[Path], None]:
    return lambda folder: (folder / path).chmod(mode)


def link(path: str, to: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).symlink_to(to)


def remove_folder(path: str) -> Callable[[Path], None]:
    return lambda folder: shutil.rmtree(folder / path)


def foreign_pyc(magic: int, path: str) -> Callable[[Path], None]:
    return write(path, (magic | 0x0A0D0000).to_bytes(4, "little") + bytes(60))


def edit_below_bytecode(folder: Path) -> None:
    module = folder / "index.py"
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    target = folder / "__pycache__/index.cpython-311.pyc"
    source = module.read_bytes()
    # Whichever Python runs this: the head is what is looked at.
    py_compile.compile(str(module), str(target), doraise=True, invalidation_mode=mode)
    head = Target().pyc_magic.to_bytes(4, "little")
    target.write_bytes(head + target.read_bytes()[4:])
    module.write_bytes(source + b"# edited\n")


PLANTED = {
    "a module is missing": (remove("one/sub/a.py"), "record-missing"),
    "a data file is missing": (remove("two/table.json"), "record-missing"),
    "a type marker is missing": (remove("two/py.typed"), "record-trimmed"),
    "a module was edited": (write("two/__init__.py", "VERSION = '2'\n"), "record-mismatch"),
    "metadata is missing": (remove("two-1.0.dist-info/METADATA"), "metadata-missing"),
    "RECORD is missing": (remove("two-1.0.dist-info/RECORD"), "record-absent"),
    "the metadata folder is missing": (remove_folder("two-1.0.dist-info"), "metadata-missing"),
    "two versions": (
        write("two-2.0.dist-info/METADATA", "Name: two\nVersion: 2.0\n"),
        "two-versions",
    ),
    "a version that does not fit": (
        write("two-1.0.dist-info/METADATA", "Name: two\nVersion: 0.9\n"),
        "version-conflict",
    ),
    "a wheel of another Python": (
        write("two-1.0.dist-info/WHEEL", "Tag: cp312-cp312-manylinux_2_17_x86_64\n"),
        "wrong-wheel",
    ),
    "a wheel of another system": (
        write("two-1.0.dist-info/WHEEL", "Tag: cp311-cp311-macosx_11_0_arm64\n"),
        "wrong-wheel",
    ),
    "a library of another machine": (
        write("two/fast.so", ElfRecipe(machine=ARM64).data()),
        "wrong-machine",
    ),
    "a library of another Python": (
        write("two/fast.cpython-312-x86_64-linux-gnu.so", ElfRecipe().data()),
        "wrong-python",
    ),
    "a library of another C library": (
        write("two/fast.so", ElfRecipe(needed=["libc.musl-x86_64.so.1"]).data()),
        "musl",
    ),
    "a library of a newer glibc": (
        write("two/fast.so", ElfRecipe(versions={"libc.so.6": ["GLIBC_2.28"]}).data()),
        "too-new-glibc",
    ),
    "a library of a library that is missing": (
        write("two/fast.so", ElfRecipe(needed=["libxyz.so.1"]).data()),
        "missing-library",
    ),
    "an import that fails": (write("index.py", f"import nowhere\n{HANDLER}"), "import"),
    "bytecode of another Python": (
        foreign_pyc(3531, "one/__pycache__/__init__.cpython-312.pyc"),
        "bytecode-other-python",
    ),
    "bytecode of another Python in place of a module": (
        foreign_pyc(3531, "late.pyc"),
        "bytecode-only",
    ),
    "bytecode without source": (
        foreign_pyc(3495, "one/__pycache__/gone.cpython-311.pyc"),
        "bytecode-without-source",
    ),
    "bytecode of an older source": (
        foreign_pyc(3495, "one/__pycache__/__init__.cpython-311.pyc"),
        "bytecode-stale",
    ),
    "bytecode that hides an edit": (edit_below_bytecode, "bytecode-wrong"),
    "an environment file": (write(".env", "TOKEN=1"), "secret"),
    "a private key": (
        write("deploy.txt", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n"),
        "secret",
    ),
    "a key below a text": (
        write("keys.pem", "Bag Attributes\n-----BEGIN PRIVATE KEY-----\nabc\n"),
        "secret",
    ),
    "Terraform's state": (write("infra/terraform.tfstate", "{}"), "secret"),
    "a repository": (write(".git/config", "[core]"), "leftover"),
    "an editor's folder": (write(".vscode/settings.json", "{}"), "leftover"),
    "tests": (write("tests/test_index.py", ""), "leftover"),
    "a file that only its owner may read": (change_mode("index.py", 0o600), "unreadable-file"),
    "a folder that only its owner may enter": (change_mode("one/sub", 0o700), "unreadable-folder"),
    "a dangling link": (link("latest", "nowhere"), "link"),
    "a link out of the package": (link("hosts", "/etc/hosts"), "link"),
    "no handler": (write("index.py", "def main(): ...\n"), "handler"),
    "names that differ in case": (write("One/a.txt", ""), "case-collision"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_each_fault_planted_in_a_folder_is_found(folder: Path, fault: str) -> None:
    plant, code = PLANTED[fault]
    plant(folder)
    assert code in codes(zipped(folder))


def test_unicode_names_are_those_that_were_zipped(folder: Path) -> None:
    names = ("ünï/cödé.py", "日本.txt", "a b.txt", f"{'é' * 126}.py")
    write_tree(folder, dict.fromkeys(names, ""))
    report = verify(zipped(folder), handler="ünï.cödé.handler")
    # Info-ZIP sets no flag; Python does.
    assert {found.code for found in report.findings} <= {"name-not-utf8", "handler"}
    assert not any("no ünï/cödé.py" in found.cause for found in report.findings)
    assert all(
        found.severity is Severity.WARNING
        for found in report.findings
        if found.code == "name-not-utf8"
    )


def test_a_missing_requirement_is_found_and_the_runtimes_are_not_missing(folder: Path) -> None:
    shutil.rmtree(folder / "two")
    shutil.rmtree(folder / "two-1.0.dist-info")
    found = finding(zipped(folder), "requirement-missing")
    assert found.cause == "one 1.0 requires two, which is neither in the ZIP nor in the runtime."


def test_a_requirement_may_be_in_a_layer(folder: Path, tmp_path: Path) -> None:
    layer = tmp_path / "layer/python"
    layer.mkdir(parents=True)
    for path in ("two", "two-1.0.dist-info", "two_more.py"):
        shutil.move(folder / path, layer / path)
    assert "requirement-missing" in codes(zipped(folder))
    assert codes(zipped(folder), layers=[zipped(layer.parent)]) == set()


def test_all_files_that_are_missing_are_named_with_how_many_there_were(folder: Path) -> None:
    (folder / "one/__init__.py").unlink()
    (folder / "one/sub/a.py").unlink()
    found = finding(zipped(folder), "record-missing")
    assert (found.thing, found.others) == ("one/__init__.py", ("one/sub/a.py",))
    assert "2 of its" in found.cause


def test_what_installers_and_people_leave_out_rightly_is_not_missing(folder: Path) -> None:
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for name in ("INSTALLER", "REQUESTED", "WHEEL"):
        (folder / "two-1.0.dist-info" / name).unlink(missing_ok=True)
    assert codes(zipped(folder)) == set()


def test_a_wheel_that_was_only_unzipped_is_found(tmp_path: Path) -> None:
    wheels = write_wheels(tmp_path / "wheels")
    folder = write_tree(tmp_path / "f", {"index.py": HANDLER})
    with zipfile.ZipFile(wheels / "two-1.0-py3-none-any.whl") as wheel:
        wheel.extractall(folder)
    assert codes(zipped(folder)) == {"not-installed"}


def test_a_folder_that_was_zipped_with_its_name_has_no_handler(folder: Path) -> None:
    found = finding(
        zipped(folder.parent, folder.parent.parent / f"{folder.parent.name}.zip"), "handler"
    )
    assert "At its top are: function/" in found.next_step


def test_bytecode_that_pip_compiled_is_checked_by_time(tmp_path: Path) -> None:
    python = find_interpreter("3.11")
    assert python is not None
    folder = write_tree(tmp_path / "f", {"index.py": HANDLER})
    run([python, "-m", "compileall", "-q", folder])
    assert codes(zipped(folder)) == {"bytecode-by-time"}
    os.utime(folder / "index.py", (1.6e9, 1.6e9))
    assert codes(zipped(folder)) == {"bytecode-stale"}
    run([python, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", folder])
    assert codes(zipped(folder)) == set()


def test_bytecode_that_a_wheel_was_published_with_is_its_authors(tmp_path: Path) -> None:
    files = {"one/__init__.py": "", "one/__pycache__/__init__.cpython-311.pyc": bytes(16)}
    make_wheel(tmp_path / "wheels", "one", files=files)
    folder = install("uv", tmp_path / "wheels", tmp_path / "f", "one")
    assert codes(zipped(folder)) == set()


def test_links_inside_a_package_are_followed(folder: Path) -> None:
    (folder / "index.py").rename(folder / "app.py")
    (folder / "index.py").symlink_to("app.py")
    (folder / "also").symlink_to("one/sub")
    assert codes(zipped(folder)) == set()


def test_links_in_a_circle_lead_nowhere(folder: Path) -> None:
    (folder / "loop").symlink_to("pool")
    (folder / "pool").symlink_to("loop")
    assert codes(zipped(folder)) == {"link"}


# Faults of the ZIP itself


@pytest.mark.parametrize(
    ("recipe", "code"),
    [
        (ZipRecipe(files={"/etc/a": "", "index.py": HANDLER}), "unsafe-name"),
        (ZipRecipe(files={"../a.py": "", "index.py": HANDLER}), "unsafe-name"),
        (ZipRecipe(files={"a/../../b": "", "index.py": HANDLER}), "unsafe-name"),
        (ZipRecipe(files={"a\\b.py": "", "index.py": HANDLER}), "unsafe-name"),
        (ZipRecipe(files={"C:/a.py": "", "index.py": HANDLER}), "unsafe-name"),
        (ZipRecipe(files={"a//b.py": "", "index.py": HANDLER}), "unsafe-name"),
        (
            ZipRecipe(files={"p": "", "index.py": HANDLER}, modes={"p": stat.S_IFIFO | 0o644}),
            "special-file",
        ),
        (ZipRecipe(files={"a": "", "a/b": "", "index.py": HANDLER}), "file-and-folder"),
        (ZipRecipe(files={f"{'a' * 256}.py": "", "index.py": HANDLER}), "name-too-long"),
        (ZipRecipe(modes={"index.py": 0}), "unreadable-file"),
        (ZipRecipe(modes={"index.py": 0o100600}), "unreadable-file"),
        (
            ZipRecipe(files={"a/": "", "index.py": HANDLER}, modes={"a/": 0o40711}),
            "unreadable-folder",
        ),
        (ZipRecipe(method=zipfile.ZIP_LZMA), "compression-method"),
        (ZipRecipe(files={}), "empty"),
        (ZipRecipe(files={"lambda_build.json": "{"}), "record-damaged"),
        (ZipRecipe(files={"lambda_build.json": "[]"}), "record-damaged"),
        (ZipRecipe(files={"lambda_build.json": '{"runtime": 3}'}), "record-damaged"),
        (ZipRecipe(files={"lambda_build.json": '{"runtime": "go"}'}), "record-damaged"),
        (
            ZipRecipe(files={"lambda_build.json": '{"packages": {"one": "1.0"}}'}),
            "metadata-missing",
        ),
    ],
)
def test_each_fault_of_a_zip_is_found(tmp_path: Path, recipe: ZipRecipe, code: str) -> None:
    assert code in codes(recipe.write(tmp_path / "a.zip"))


def test_a_zip_made_on_windows_has_no_modes_and_needs_none(tmp_path: Path) -> None:
    file = ZipRecipe(modes={"index.py": 0}, system=0).write(tmp_path / "a.zip")
    assert codes(file) == set()


def test_a_name_twice_is_found(tmp_path: Path) -> None:
    file = ZipRecipe().write(tmp_path / "a.zip")
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("index.py", "handler = 1")
    assert finding(file, "duplicate-name").thing == "index.py"


def test_a_name_with_a_nul_is_found(tmp_path: Path) -> None:
    file = ZipRecipe(files={"evil-.py": "", "index.py": HANDLER}).write(tmp_path / "a.zip")
    assert "unsafe-name" in codes(replace_name(file, b"evil-.py", b"evil\0.py"))


def test_a_unicode_name_without_the_flag_is_found(tmp_path: Path) -> None:
    file = ZipRecipe(files={"xx.py": "", "index.py": HANDLER}).write(tmp_path / "a.zip")
    replace_name(file, b"xx.py", "é.py".encode())
    assert finding(file, "name-not-utf8").severity is Severity.WARNING
    assert finding(file, "name-not-utf8").thing == "é.py"
    replace_name(file, "é.py".encode(), b"\xe9\xe9.py")
    assert finding(file, "name-not-utf8").severity is Severity.ERROR
    flagged = ZipRecipe(files={"é.py": "", "index.py": HANDLER}).write(tmp_path / "b.zip")
    assert codes(flagged) == set()


def test_wrong_bytes_are_found_by_their_crc(tmp_path: Path) -> None:
    files = {"index.py": HANDLER, "a.txt": "unmistakable"}
    file = ZipRecipe(files=files, method=zipfile.ZIP_STORED).write(tmp_path / "a.zip")
    file.write_bytes(file.read_bytes().replace(b"unmistakable", b"unmistakabel"))
    assert finding(file, "damaged").thing == "a.txt"


def test_a_member_that_ends_too_early_is_found(tmp_path: Path) -> None:
    files = {"index.py": HANDLER, "a.txt": "x" * 1000}
    file = ZipRecipe(files=files).write(tmp_path / "a.zip")
    # Its CRC is that of what is there: zipfile does not mind.
    file.write_bytes(file.read_bytes().replace(struct.pack("<I", 1000), struct.pack("<I", 2000)))
    assert "ends too early" in finding(file, "damaged").cause


def test_an_encrypted_member_is_found(tmp_path: Path) -> None:
    file = ZipRecipe(files={"a.txt": "x", "index.py": HANDLER}).write(tmp_path / "a.zip")
    data = bytearray(file.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + flags] |= 1
    file.write_bytes(data)
    assert finding(file, "encrypted").thing == "a.txt"


@pytest.mark.parametrize("source", ["-" * 200_000 + "1", "a" + ".b" * 100_000, "(" * 9999, "\0"])
def test_source_that_no_parser_takes_is_a_finding(tmp_path: Path, source: str) -> None:
    file = ZipRecipe(files={"index.py": source}).write(tmp_path / "a.zip")
    assert verify(file, handler=OWN).errors


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all", bytes(1000)])
def test_what_is_no_zip_is_a_finding(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    assert codes(tmp_path / "a.zip") == {"not-a-zip"}


def test_a_broken_directory_is_one_finding(tmp_path: Path) -> None:
    file = ZipRecipe().write(tmp_path / "a.zip")
    file.write_bytes(file.read_bytes().replace(b"PK\1\2", b"PK\1\7"))
    assert codes(file) == {"not-a-zip"}


def test_names_cannot_write_to_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a\x1b[31m\nnothing is wrong.py"
    file = ZipRecipe(files={name: "", "index.py": HANDLER}, modes={name: 0o100600})
    file.write(tmp_path / "a.zip")
    _, out, err = in_process(tmp_path, monkeypatch, capsys, "verify", "a.zip")
    assert "\x1b" not in out + err
    assert "\nnothing is wrong" not in out


# Limits


def test_a_zip_over_the_limit_is_counted_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ZipRecipe(files={"index.py": HANDLER, "zeros": bytes(5_000_000)})
    file.write(tmp_path / "a.zip")
    for module in (
        "lambda_build.inspection.reader",
        "lambda_build.checks.check",
        "lambda_build.inspection.verify",
    ):
        monkeypatch.setattr(f"{module}.LARGEST_UNZIPPED_BYTES", 4_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)  # nobody may read a member
    assert codes(tmp_path / "a.zip") == {"unzipped-size", "not-read"}


def test_layers_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    function = ZipRecipe(files={"index.py": HANDLER, "a": bytes(3000)}).write(tmp_path / "a.zip")
    layer = ZipRecipe(files={"python/b": bytes(3000)}).write(tmp_path / "b.zip")
    hidden = ZipRecipe(files={"python/a": bytes(3000)}).write(tmp_path / "c.zip")
    for module in (
        "lambda_build.inspection.reader",
        "lambda_build.checks.check",
        "lambda_build.inspection.verify",
    ):
        monkeypatch.setattr(f"{module}.LARGEST_UNZIPPED_BYTES", 5000)
    assert codes(function) == set()
    found = finding(function, "unzipped-size", layers=[layer])
    assert "b.zip" in found.next_step
    assert "unzipped-size" in codes(function, layers=[hidden])


def test_a_large_zip_needs_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = ZipRecipe().write(tmp_path / "a.zip")
    monkeypatch.setattr(verification, "LARGEST_ZIPPED_BYTES", 10)
    assert finding(file, "zipped-size").severity is Severity.WARNING


def test_a_directory_larger_than_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ZipRecipe(files={f"{number}": "" for number in range(99)}).write(tmp_path / "a.zip")
    monkeypatch.setattr(reader, "_LARGEST_DIRECTORY_BYTES", 1000)
    assert "its directory is larger" in finding(file, "not-a-zip").cause


def test_layers_are_looked_at_as_lambda_mounts_them(tmp_path: Path) -> None:
    function = ZipRecipe(files={"index.py": "from app import handler"}).write(tmp_path / "a.zip")
    wrong = ZipRecipe(files={"app.py": HANDLER}).write(tmp_path / "wrong.zip")
    assert finding(function, "layer-path", layers=[wrong]).thing == "app.py"
    late = ZipRecipe(files={"python/lib/python3.12/site-packages/app.py": HANDLER})
    late.write(tmp_path / "late.zip")
    assert "layer-path" in codes(function, layers=[tmp_path / "late.zip"])
    bare = ZipRecipe(files={"README": ""}).write(tmp_path / "bare.zip")
    for prefix in ("python/", "python/lib/python3.11/site-packages/"):
        right = ZipRecipe(files={f"{prefix}app.py": HANDLER}).write(tmp_path / "right.zip")
        assert codes(bare, handler="app.handler", layers=[right]) == set()
    both = {f"python/{name}main.py": "" for name in ("lib/python3.11/site-packages/", "")}
    first = {**both, "python/lib/python3.11/site-packages/main.py": HANDLER}
    hides = ZipRecipe(files=first).write(tmp_path / "hides.zip")
    assert codes(bare, handler="main.handler", layers=[hides]) == set()
    assert "too-many-layers" in codes(function, layers=[right] * 6)


def test_what_a_layer_is_to_bring_is_awaited_from_the_layers(tmp_path: Path) -> None:
    record = '{"handler": "index.handler", "provided": ["boto3", "two"]}'
    files = {"index.py": f"import two, boto3\n{HANDLER}", "lambda_build.json": record}
    file = ZipRecipe(files=files).write(tmp_path / "a.zip")
    report = verify(file)
    assert {found.code for found in report.findings} == {"layer-not-given", "import"}
    assert report.errors == 0
    empty = ZipRecipe(files={"python/a.txt": ""}).write(tmp_path / "empty.zip")
    assert codes(file, layers=[empty]) == {"requirement-missing", "import"}
    info = "python/two-1.dist-info"
    brings = {
        "python/two.py": "",
        f"{info}/METADATA": "Name: two\nVersion: 1\n",
        f"{info}/RECORD": "two.py,,\n",
    }
    layer = ZipRecipe(files=brings).write(tmp_path / "layer.zip")
    assert codes(file, layers=[layer]) == set()


# The command


def test_the_command_lists_what_is_wrong_and_exits_with_16(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "one/sub/a.py").unlink()
    file = zipped(folder)
    code, out, err = in_process(
        folder.parent, monkeypatch, capsys, "verify", file.name, "--handler", OWN
    )
    assert code == 16
    assert out.startswith("function.zip: ")
    assert "target: python3.11-x86_64 (by default)" in out
    assert "\nerror record-missing\n  one/sub/a.py is missing" in out
    assert out.endswith("function.zip: 1 error, 0 warnings\n")
    assert err == "lambda-build: function.zip: 1 error, 0 warnings; it would not work on Lambda\n"


def test_the_command_prints_json_and_warnings_are_no_failure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tree(folder, {".idea/a.xml": ""})
    file = zipped(folder)
    code, out, err = in_process(
        folder.parent, monkeypatch, capsys, "verify", file, "--json", "--handler", OWN
    )
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["packages"] == {"one": "1.0", "two": "1.0"}
    (found,) = report["findings"]
    assert (found["code"], found["severity"], found["thing"]) == ("leftover", "warning", ".idea/")


def test_the_command_says_that_nothing_is_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = zipped(folder)
    code, out, _ = in_process(folder.parent, monkeypatch, capsys, "verify", file.name)
    assert code == 0
    assert "handler: not checked; name it with --handler MODULE.FUNCTION" in out
    assert out.endswith("nothing is wrong with function.zip\n")


def test_the_readme_names_every_code_and_no_other(project: Path) -> None:
    folder = project / "scripts/lambda_build"
    modules = ("reader", "distributions", "leftovers", "verify")
    text = "".join((folder / "inspection" / f"{name}.py").read_text() for name in modules)
    found = {
        *re.findall(r'code="([a-z0-9-]+)"', text),
        *re.findall(r'_about\(\s+"([a-z0-9-]+)"', text),
        *re.findall(r'found_by\(error, "([a-z0-9-]+)"', text),
        *re.findall(r'"([a-z0-9-]+)" if kind else "([a-z0-9-]+)"', text)[0],
        *re.findall(r'Severity\.[A-Z]+, "([a-z0-9-]+)"\),\n', text),
        *leftovers._BYTECODE,
    }
    section = (folder / "README.md").read_text().partition("## What `verify` finds")[2]
    table = "".join(line for line in section.partition("\n## ")[0].splitlines() if line[:1] == "|")
    named = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)*)`", table))
    assert named == found


# Whatever is in the file


MEMBERS: dict[str, str | bytes] = {
    "index.py": HANDLER,
    "one/__init__.py": "import two",
    "one/fast.so": ElfRecipe().data(),
    "one-1.0.dist-info/METADATA": "Name: one\nVersion: 1.0\nRequires-Dist: two; extra == 'a'\n",
    "one-1.0.dist-info/RECORD": "one/__init__.py,sha256=AAAA,3\n",
    "one-1.0.dist-info/WHEEL": "Tag: py3-none-any\n",
    "one/__pycache__/__init__.cpython-311.pyc": bytes(30),
    "lambda_build.json": '{"runtime": "python3.11", "packages": {"one": "1.0"}}',
}


@given(data=st.binary(max_size=2000))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_garbage_is_a_finding_and_never_a_traceback(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    assert verify(tmp_path / "a.zip").errors


@given(
    changes=st.lists(
        st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6
    ),
    kept=st.integers(0, 4000),
)
@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_a_mutated_or_cut_zip_gives_a_report_and_writes_nothing(
    tmp_path: Path, changes: list[tuple[int, bytes]], kept: int
) -> None:
    folder = tmp_path / "only"
    folder.mkdir(exist_ok=True)
    file = ZipRecipe(files=MEMBERS, method=zipfile.ZIP_STORED).write(folder / "a.zip")
    data = bytearray(file.read_bytes())
    for where, what in changes:
        data[where % len(data)] = what[0]
    file.write_bytes(data[: max(kept, 1)] if kept < len(data) else data)
    before = tree_of(tmp_path)
    report = verify(file, handler=OWN, layers=[file])
    assert report.errors + report.warnings == len(report.findings)
    assert tree_of(tmp_path) == before


@given(
    texts=st.fixed_dictionaries(
        {name: st.text(max_size=200) for name in MEMBERS if "dist-info" in name or "json" in name}
    )
)
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_whatever_metadata_says_gives_a_report(tmp_path: Path, texts: dict[str, str]) -> None:
    files: dict[str, str | bytes] = {**MEMBERS}
    files |= {name: text.encode("utf-8", "replace") for name, text in texts.items()}
    file = ZipRecipe(files=files).write(tmp_path / "a.zip")
    assert verify(file, handler=OWN).files == len(files)
