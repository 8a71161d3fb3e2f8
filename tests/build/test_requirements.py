"""Requirements files are understood as pip understands them."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import pytest
from build.tiny import make_wheel, project_tree, write_tree
from lambda_build.errors import HashMismatchError, RequirementsError
from lambda_build.requirements import expand_variables, read_requirements
from lambda_build.target import Architecture, Runtime, Target

if TYPE_CHECKING:
    from pathlib import Path

    from lambda_build.requirements import Requirements

SHA256 = "a" * 64


def read(folder: Path, text: str | bytes, **others: str | bytes) -> Requirements:
    write_tree(folder, {"requirements.txt": text, **others})
    return read_requirements(folder / "requirements.txt")


def asked(requirements: Requirements) -> list[str]:
    return [str(package.requirement) for package in requirements.packages]


def refusal(folder: Path, text: str | bytes, **others: str | bytes) -> str:
    with pytest.raises(RequirementsError) as refused:
        read(folder, text, **others)
    return str(refused.value)


def test_comments_and_blank_lines_ask_for_nothing(tmp_path: Path) -> None:
    text = "# first\n\n  # second\none  # why\ntwo#egg\n   \n"
    with pytest.raises(RequirementsError, match="line 5: two#egg"):
        read(tmp_path, text)
    assert asked(read(tmp_path, text.replace("two#egg\n", ""))) == ["one"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one>=1,\\\n<2\n", ["one<2,>=1"]),
        ("one \\\n  >=1 \\\n  ,<2\ntwo\n", ["one<2,>=1", "two"]),
        ("one \\\n# a comment ends the continuation\n,<2\n", None),
        ("# a comment's backslash continues nothing \\\none\n", ["one"]),
        ("  # nor an indented one's \\\none\n", ["one"]),
        ("one\\", ["one"]),
        ("one \\ \ntwo\n", None),  # a space after the backslash
    ],
)
def test_lines_continue_by_pips_rules(
    tmp_path: Path, text: str, expected: list[str] | None
) -> None:
    if expected is None:
        refusal(tmp_path, text)
    else:
        assert asked(read(tmp_path, text)) == expected


def test_an_error_names_the_first_line_of_a_continued_one(tmp_path: Path) -> None:
    assert "requirements.txt, line 2: " in refusal(tmp_path, "one\n==nonsense \\\n  ==\ntwo\n")


@pytest.mark.parametrize(
    "data",
    [
        b"one\r\ntwo>=1 \\\r\n ,<2\r\n",
        b"one\rtwo>=1 ,<2\r",
        codecs.BOM_UTF8 + b"one\ntwo>=1,<2",
        codecs.BOM_UTF16_LE + "one\r\ntwo>=1,<2\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "one\ntwo>=1,<2".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "one\ntwo>=1,<2".encode("utf-32-le"),
        b"# -*- coding: latin-1 -*-\n# caf\xe9\none\ntwo>=1,<2\n",
    ],
    ids=["CRLF", "CR", "UTF-8", "UTF-16-LE", "UTF-16-BE", "UTF-32", "latin-1"],
)
def test_line_ends_and_encodings_make_no_difference(tmp_path: Path, data: bytes) -> None:
    assert asked(read(tmp_path, data)) == ["one", "two<2,>=1"]


def test_bytes_in_no_encoding_are_refused(tmp_path: Path) -> None:
    assert "requirements.txt cannot be read: " in refusal(tmp_path, b"one \xff\n")
    assert "unknown encoding: nonsense" in refusal(tmp_path, b"# coding: nonsense\none\n")


def test_an_empty_file_asks_for_nothing(tmp_path: Path) -> None:
    empty = read(tmp_path, "")
    assert (empty.packages, empty.projects, empty.options) == ((), (), ())


@pytest.mark.parametrize(
    "include",
    [
        "-r sub/more.txt",
        "-rsub/more.txt",
        "-r=sub/more.txt",
        "--requirement sub/more.txt",
        "--requirement=sub/more.txt  # why",
        "-r 'sub/more.txt'",
        "-r ${SUB}/more.txt",
    ],
)
def test_files_named_in_a_file_are_relative_to_it(
    tmp_path: Path, include: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUB", "sub")
    more = {"sub/more.txt": "-r other.txt\ntwo\n", "sub/other.txt": "three\n"}
    assert asked(read(tmp_path, f"one\n{include}\n", **more)) == ["one", "three", "two"]


def test_a_file_may_be_named_twice_but_not_in_a_circle(tmp_path: Path) -> None:
    assert asked(read(tmp_path, "-r a.txt\n-r a.txt\n", **{"a.txt": "one\n"})) == ["one", "one"]
    message = refusal(tmp_path, "-r a.txt\n", **{"a.txt": "-r requirements.txt\n"})
    assert "includes itself: requirements.txt → a.txt → requirements.txt" in message


def test_a_missing_included_file_is_refused_by_name(tmp_path: Path) -> None:
    message = refusal(tmp_path, "-r none.txt\n")
    assert "none.txt does not exist; " in message
    assert "requirements.txt names it" in message


def test_a_remote_file_is_refused(tmp_path: Path) -> None:
    assert "is not on this machine" in refusal(tmp_path, "-r https://example.com/r.txt\n")


def test_constraints_ask_for_nothing_but_are_kept(tmp_path: Path) -> None:
    read_in = read(
        tmp_path,
        "one\n-c sub/limits.txt\n",
        **{
            "sub/limits.txt": "two<2\n--extra-index-url https://x.test\n-c more.txt\n-r r.txt\n",
            "sub/more.txt": "three<3 --hash=sha256:" + SHA256,
            "sub/r.txt": "four\n",
        },
    )
    assert read_in.constraints_text() == "two<2\nthree<3\n"
    # pip: a file named by -r is of requirements, whoever names it.
    assert asked(read_in) == ["one", "four"]
    assert [str(option) for option in read_in.options] == ["--extra-index-url https://x.test"]


def test_a_constraint_that_is_no_requirement_is_refused_by_file_and_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, "-c limits.txt", **{"limits.txt": "one\ntwo=<1\n"})
    assert "limits.txt, line 2: two=<1" in message
    assert "is a path" in refusal(
        project_tree(tmp_path), "-c limits.txt", **{"limits.txt": "./proj.whl", "proj.whl": ""}
    )


def test_extras_markers_and_addresses_are_kept(tmp_path: Path) -> None:
    lines = [
        "one[a,b]>=1",
        'two; python_version >= "3.12"',
        "three @ https://x.test/three-1.0-py3-none-any.whl",
        'https://x.test/four-1.0-py3-none-any.whl ; sys_platform == "linux"',
        "https://u:${TOKEN}@x.test/a/five-1.0%2Blocal-py3-none-any.whl#sha256=00",
    ]
    read_in = read(tmp_path, "\n".join(lines))
    assert [package.requirement.name for package in read_in.packages] == [
        *("one", "two", "three", "four", "five")
    ]
    assert read_in.packages[0].requirement.extras == {"a", "b"}
    assert str(read_in.packages[3].requirement.marker) == 'sys_platform == "linux"'
    assert read_in.text() == "".join(f"{line}\n" for line in lines)


def test_variables_are_shown_as_written_and_used_as_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    text = (
        "--index-url https://u:${TOKEN}@x.test/simple\n"
        "one @ https://${TOKEN}@x.test/one-1-py3-none-any.whl\n"
    )
    first = read(tmp_path, text)
    assert first.packages[0].url == "https://s3cret@x.test/one-1-py3-none-any.whl"
    assert "s3cret" not in first.text()
    assert expand_variables("${lower} ${UNSET} $TOKEN") == "${lower} ${UNSET} $TOKEN"
    digest = first.digest
    monkeypatch.setenv("TOKEN", "another")
    assert read(tmp_path, text).digest == digest


def test_hashes_are_read_and_other_algorithms_refused(tmp_path: Path) -> None:
    text = f"one==1 \\\n  --hash=sha256:{SHA256} \\\n  --hash sha256:{SHA256.upper()[:-1]}B\n"
    assert read(tmp_path, text).packages[0].sha256s == {SHA256, "a" * 63 + "b"}
    assert "no sha256 hash" in refusal(tmp_path, "one==1 --hash=md5:aa")
    for wrong in ("sha256:xyz", "sha256:abxy", SHA256):
        line = f"one==1 --hash=sha256:{SHA256} --hash={wrong}"
        assert "has a hash that is none" in refusal(tmp_path, line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-i https://x.test/simple", ["--index-url https://x.test/simple"]),
        ("--index-url=https://x.test/a=b", ["--index-url https://x.test/a=b"]),
        ("--pypi-url https://x.test", ["--index-url https://x.test"]),
        ("--no-index --pre", ["--no-index", "--pre"]),
        ("-i https://a -f=https://b", ["--index-url https://a", "--find-links https://b"]),
        ("--only-binary :all:", ["--only-binary :all:"]),
        ("--trusted-host x.test --pre", ["--trusted-host x.test", "--pre"]),
        ("--no-binary :none:", ["--no-binary :none:"]),
    ],
)  # fmt: skip
def test_options_are_understood_in_each_of_pips_spellings(
    tmp_path: Path, line: str, expected: list[str]
) -> None:
    assert [str(option) for option in read(tmp_path, line).options] == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("--bogus", "--bogus is no option of a requirements file"),
        ("--index-url", "--index-url needs a value"),
        ("-r 'x", "No closing quotation"),
        ("--no-binary one", "only wheels are packaged"),
        ("one two", "is not a requirement"),
        ("one==", "is not a requirement"),
        ("one ; nonsense", "is not a requirement"),
        ("git+https://x.test/one", "is a repository"),
        ("one @ git+ssh://git@x.test/one", "is a repository"),
        ("-e git+https://x.test/one#egg=one", "is a repository"),
        ("https://x.test/one-1.0.tar.gz", "is not a wheel's address"),
        ("one @ https://x.test/one-1.0.tar.gz", "is not a wheel's address"),
        ("./nowhere", "does not exist; a path is relative to the file that names it"),
        ("-e nowhere", "does not exist"),
        ("./requirements.txt", "is neither a folder nor a wheel"),
        (".", "is no Python project: it has no pyproject.toml and no setup.py"),
    ],
)
def test_what_is_not_understood_is_refused_with_file_and_line(
    tmp_path: Path, line: str, reason: str
) -> None:
    message = refusal(tmp_path, f"# head\n{line}\n")
    assert reason in message
    assert "requirements.txt, line 2: " in message


@pytest.mark.parametrize(
    "line",
    [
        "./lib",
        "-e ./lib",
        "-elib",
        "--editable=lib",
        "-e 'lib'",
        "-e ./lib ; python_version > '3'",
        "../{name}/lib",
        "lib/../lib",
        "file:lib",
        "file://{folder}/lib",
        "proj @ file://{folder}/lib",
        "proj @ ./lib",
        "{folder}/lib",
        "${{LIB}}/lib",
    ],
)
def test_a_path_is_a_project_relative_to_the_file_that_names_it(
    tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIB", str(tmp_path))
    project_tree(tmp_path / "lib")
    read_in = read(tmp_path, f"{line.format(folder=tmp_path, name=tmp_path.name)}\n")
    assert [project.path for project in read_in.projects] == [tmp_path / "lib"]
    assert not read_in.packages


def test_paths_in_a_nested_file_are_relative_to_that_file(tmp_path: Path) -> None:
    project_tree(tmp_path / "sub" / "lib")
    (tmp_path / "sub" / "wheels").mkdir()
    more = {"sub/more.txt": "-e lib\n--find-links ./wheels\n-f https://x.test/links\n"}
    read_in = read(tmp_path, "-r sub/more.txt\n", **more)
    assert read_in.projects[0].path == tmp_path / "sub" / "lib"
    wheels = (tmp_path / "sub" / "wheels").as_uri()
    assert read_in.options_text() == f"--find-links {wheels}\n--find-links https://x.test/links\n"


def test_a_folder_of_links_that_is_missing_is_refused_with_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match=r"requirements.txt, line 1: .*\n.* does not exist"):
        read(tmp_path, "--find-links ./nowhere\n").text()


def test_extras_and_markers_of_a_path_are_kept(tmp_path: Path) -> None:
    project_tree(tmp_path / "a b")
    read_in = read(tmp_path, "./a b[x,y] ; python_version >= '3.12'\n")
    uri = (tmp_path / "a b").as_uri()
    assert read_in.text() == f'{uri}[x,y] ; python_version >= "3.12"\n'
    older = Target(runtime=Runtime.PYTHON3_11)
    newer = Target(runtime=Runtime.PYTHON3_12, architecture=Architecture.ARM64)
    assert read_in.projects_on(older.markers) == ()
    assert len(read_in.projects_on(newer.markers)) == 1


def test_a_wheel_beside_the_file_is_a_path_too(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    assert read(tmp_path, wheel.name).projects[0].path == wheel
    assert read(tmp_path, f"{wheel.name}[x]").projects[0].extras == "[x]"
    assert read(tmp_path, f"./{wheel.name}").projects[0].path == wheel


def test_the_hash_of_a_local_wheel_is_verified(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    with pytest.raises(HashMismatchError, match="has another hash:\n    sha256:"):
        read(tmp_path, f"./{wheel.name} --hash=sha256:{SHA256}\n")
    with pytest.raises(HashMismatchError, match="has another hash:\n    sha256:"):
        read(tmp_path, f"one @ {wheel.as_uri()}#sha256={SHA256}\n")


def test_the_digest_is_of_what_is_asked_for_only(tmp_path: Path) -> None:
    project_tree(tmp_path / "a" / "lib")
    project_tree(tmp_path / "b" / "lib")
    first = read(tmp_path / "a", "one>=1  # why\n./lib\n-i https://x.test\n").digest
    assert (
        read(tmp_path / "b", "\n# x\r\n./lib\r\n-i  https://x.test\r\none>=1\r\n").digest == first
    )
    assert read(tmp_path / "a", "one>=2\n./lib\n-i https://x.test\n").digest != first
    assert read(tmp_path / "a", "one>=1\n./lib\n-i https://y.test\n").digest != first


def test_the_digest_follows_what_a_project_asks_for_and_not_its_code(tmp_path: Path) -> None:
    lib = project_tree(tmp_path / "lib")
    first = read(tmp_path, "./lib\n").digest
    (lib / "proj/__init__.py").write_text("NAME = 'other'\n")
    assert read(tmp_path, "./lib\n").digest == first
    project_tree(lib, dependencies=["one"])
    assert read(tmp_path, "./lib\n").digest != first


def test_a_project_with_computed_dependencies_is_digested_by_its_metadata_files(
    tmp_path: Path,
) -> None:
    write_tree(tmp_path / "lib", {"setup.py": "first", "pyproject.toml": "\xff"})
    first = read(tmp_path, "./lib\n").digest
    (tmp_path / "lib/setup.py").write_text("second")
    assert read(tmp_path, "./lib\n").digest != first
