"""Of a source folder, what helps a running function is taken, and what cannot run is refused."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from build.tiny import write_tree
from lambda_build import source
from lambda_build.errors import SourceError
from lambda_build.source import read_function_source, read_project_source, tree_digest


def paths(root: Path) -> list[str]:
    return [file.path for file in read_function_source(root)]


def refusal(root: Path) -> str:
    with pytest.raises(SourceError) as refused:
        read_function_source(root)
    return str(refused.value)


def test_files_are_sorted_by_path_whatever_the_order_on_the_disk(tmp_path: Path) -> None:
    write_tree(tmp_path, {"b.py": "", "a/b.py": "", "a.py": "", "B.py": "", "a-b.py": ""})
    assert paths(tmp_path) == ["B.py", "a-b.py", "a.py", "a/b.py", "b.py"]


def test_secrets_tools_and_caches_are_never_taken(tmp_path: Path) -> None:
    names = [
        ".env",
        ".env.local",
        "deep/.env",
        ".netrc",
        ".pypirc",
        ".aws/credentials",
        ".ssh/id_rsa",
        "id_ed25519",
        "key.p12",
        ".git/config",
        ".venv/lib.py",
        "node_modules/a.js",
        "__pycache__/a.pyc",
        "a.pyc",
        ".mypy_cache/x",
        ".idea/x",
        ".DS_Store",
        "a.swp",
        "a~",
        ".terraform/x",
        "terraform.tfstate",
        "lambda_packages/chat.zip",
    ]
    write_tree(tmp_path, {"index.py": "", **dict.fromkeys(names, "")})
    assert paths(tmp_path) == ["index.py"]


@pytest.mark.parametrize("below", ["", "/a.py"], ids=["files", "folders"])
def test_a_lambdaignore_that_says_nothing_changes_nothing(tmp_path: Path, below: str) -> None:
    """Without one, names are compared by this project's own expression and not by pathspec."""
    defaults = [pattern.strip("/") for pattern in source.DEFAULTS]
    names = {
        name
        for pattern in defaults
        for stem in (pattern.replace("*", ""), pattern.replace("*", "x.y"))
        for name in (stem, f"{stem}x", f"x{stem}", stem.upper(), stem.replace(".", "_"))
    } - {"", ".lambdaignore"}
    taken = {f"{folder}{name}{below}" for name in names for folder in ("", "deep/", "deep/er/")}
    write_tree(tmp_path, dict.fromkeys(taken, ""))
    without = paths(tmp_path)
    write_tree(tmp_path, {".lambdaignore": "# nothing\n"})
    assert paths(tmp_path) == without
    assert len(defaults) < len(without) < len(taken)


def test_what_describes_the_function_stays_behind_at_the_top_only(tmp_path: Path) -> None:
    names = [
        "function.json",
        "requirements.txt",
        "requirements-dev.txt",
        "requirements.in",
        "requirements.python3.11-x86_64.lock",
        ".lambdaignore",
        ".gitignore",
        "Dockerfile",
        "README.md",
        "tests/test_index.py",
    ]
    write_tree(tmp_path, dict.fromkeys([*names, *(f"deep/{name}" for name in names)], ""))
    assert paths(tmp_path) == sorted(f"deep/{name}" for name in names)


def test_the_file_that_names_the_packages_stays_behind_whatever_it_is_called(
    tmp_path: Path,
) -> None:
    write_tree(tmp_path, dict.fromkeys(["in/aws.in", "in/other.in", "aws.in"], ""))

    def read() -> list[str]:
        found = read_function_source(tmp_path, requirements=tmp_path / "in/aws.in")
        return [file.path for file in found]

    assert read() == ["aws.in", "in/other.in"]
    write_tree(tmp_path, {".lambdaignore": "!/in/aws.in\n"})
    assert read() == ["aws.in", "in/aws.in", "in/other.in"]


def test_lambdaignore_has_gits_syntax_and_the_last_word(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            ".lambdaignore": "\ufeff# a comment\n*.md\n!keep.md\n/top.py\n**/deep/x\nall/\n!.env\n",
            **dict.fromkeys(["a.md", "b/keep.md", "top.py", "b/top.py", "b/deep/x", "x"], ""),
            **dict.fromkeys(["all/a.py", "b/all/a.py", "b/all.py", ".env"], ""),
        },
    )
    assert paths(tmp_path) == [".env", "b/all.py", "b/keep.md", "b/top.py", "x"]


def test_a_lambdaignore_that_is_not_understood_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, {".lambdaignore": "!\n"})
    assert ".lambdaignore is not understood" in refusal(tmp_path)
    write_tree(tmp_path, {".lambdaignore": "*.md\n[z-a]\n"})
    assert ".lambdaignore is not understood, line 2: [z-a]\n" in refusal(tmp_path)
    write_tree(tmp_path, {".lambdaignore": b"\xff\n"})
    assert ".lambdaignore cannot be read" in refusal(tmp_path)


def test_names_may_be_in_any_script_and_hold_spaces(tmp_path: Path) -> None:
    names = ["a b/c d.py", "naïve.py", "日本/語.txt", "emoji 🎉", "quote'\"", "new\nline"]
    write_tree(tmp_path, dict.fromkeys(names, ""))
    assert paths(tmp_path) == sorted(names)


@pytest.mark.parametrize("name", ["back\\slash.py", "c:drive.py"])
def test_a_name_that_readers_of_zips_see_differently_is_refused(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path, {name: ""})
    assert "some readers of ZIPs take for a folder or a drive" in refusal(tmp_path)


def test_a_name_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.py")).touch()
    assert "is no UTF-8 name" in refusal(tmp_path)


def test_the_executable_bit_is_read_and_no_other(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tool": "", "text": ""})
    (tmp_path / "tool").chmod(0o700)
    (tmp_path / "text").chmod(0o666)
    found = {file.path: file.executable for file in read_function_source(tmp_path)}
    assert found == {"tool": True, "text": False}


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    write_tree(tmp_path / "src", {"real/a.py": "a"})
    (tmp_path / "src/link.py").symlink_to("real/a.py")
    (tmp_path / "src/folder").symlink_to("real")
    (tmp_path / "linked").symlink_to("src")
    assert paths(tmp_path / "linked") == ["folder/a.py", "link.py", "real/a.py"]


def test_a_link_to_nothing_is_refused_unless_it_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("nowhere")
    assert "broken is a link to nowhere, which does not exist" in refusal(tmp_path)
    write_tree(tmp_path, {".lambdaignore": "broken\n"})
    assert paths(tmp_path) == []


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, {"src/index.py": "", "secret": "", "src2/a": ""})
    (tmp_path / "src/link").symlink_to("../secret")
    assert "is a link out of the source folder, to ../secret" in refusal(tmp_path / "src")
    (tmp_path / "src/link").unlink()
    (tmp_path / "src/link").symlink_to("../src2")
    assert "is a link out of the source folder, to ../src2" in refusal(tmp_path / "src")


@pytest.mark.parametrize("target", [".", "../src", "../src/sub"])
def test_a_link_to_a_folder_above_it_is_refused(tmp_path: Path, target: str) -> None:
    write_tree(tmp_path, {"src/sub/index.py": ""})
    (tmp_path / "src" / "sub" / "loop").symlink_to(target if target == "." else f"../{target}")
    assert "is a link to a folder that it stands in" in refusal(tmp_path / "src")


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert "a is a link to b, which does not exist" in refusal(tmp_path)


def test_a_file_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(tmp_path, {"locked.py": "", "open.py": ""})

    # The tests may run as root, whom no mode keeps out.
    def sha256_of(file: Path) -> str:
        if file.name == "locked.py":
            raise PermissionError(13, "Permission denied", str(file))
        return ""

    monkeypatch.setattr(source, "sha256_of", sha256_of)
    assert "locked.py cannot be read: Permission denied" in refusal(tmp_path)


def test_a_folder_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(tmp_path, {"locked/a.py": ""})
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "locked cannot be read: Permission denied" in refusal(tmp_path)


def test_pipes_and_sockets_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "pipe is neither a file nor a folder" in refusal(tmp_path)
    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(tmp_path / "s"))
        assert "s is neither a file nor a folder" in refusal(tmp_path)


def test_a_source_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    assert "nowhere is no folder" in refusal(tmp_path / "nowhere")
    write_tree(tmp_path, {"file.py": ""})
    assert "file.py is no folder" in refusal(tmp_path / "file.py")


def test_what_the_build_writes_into_the_folder_is_no_source(tmp_path: Path) -> None:
    write_tree(tmp_path, {"index.py": "", "out.zip": "", "dist/a": "", "sub/out.zip": ""})
    outputs = (tmp_path / "out.zip", tmp_path / "sub" / ".." / "dist")
    found = [file.path for file in read_function_source(tmp_path, outputs=outputs)]
    assert found == ["index.py", "sub/out.zip"]


def test_the_digest_of_a_tree_is_of_names_contents_and_executable_bits(tmp_path: Path) -> None:
    def digest() -> str:
        return tree_digest(read_function_source(tmp_path))

    write_tree(tmp_path, {"a.py": "1", "b.py": "2"})
    first = digest()
    os.utime(tmp_path / "a.py", (0, 0))
    (tmp_path / "a.py").chmod(0o600)
    assert digest() == first
    (tmp_path / "a.py").chmod(0o700)
    assert digest() != first
    (tmp_path / "a.py").chmod(0o600)
    (tmp_path / "a.py").rename(tmp_path / "c.py")
    assert digest() != first


def test_a_projects_source_keeps_what_its_build_needs(tmp_path: Path) -> None:
    names = ["pyproject.toml", "README.md", "src/a.py", "tests/t.py", "requirements.txt"]
    rubbish = ["build/a", "dist/a", "a.egg-info/b", ".git/x", "src/__pycache__/a.pyc", ".venv/a"]
    write_tree(tmp_path, dict.fromkeys([*names, *rubbish], ""))
    assert [file.path for file in read_project_source(tmp_path)] == sorted(names)


def test_messages_name_files_as_the_folder_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_tree(tmp_path, {"src/sub/a.py": ""}))
    (tmp_path / "src/sub/broken").symlink_to("nowhere")
    assert refusal(Path("src")).startswith("src/sub/broken is a link to nowhere, ")
