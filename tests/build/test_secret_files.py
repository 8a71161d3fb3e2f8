"""A private key or credentials stay out of a package unless they are asked for by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from build.tiny import write_tree
from lambda_build.errors import SourceError
from lambda_build.source import read_function_source

if TYPE_CHECKING:
    from pathlib import Path


def pem(kind: str) -> str:
    return f"-----BEGIN {kind}-----\nMIIB\n-----END {kind}-----\n"


def paths(root: Path) -> list[str]:
    return [file.path for file in read_function_source(root)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("server.key", pem("PRIVATE KEY"), "a private key"),
        ("deep/server.pem", pem("RSA PRIVATE KEY"), "a private key"),
        ("both.pem", pem("CERTIFICATE") + pem("EC PRIVATE KEY"), "a private key"),
        ("both.crt", pem("CERTIFICATE").replace("\n", "\r\n") + pem("PRIVATE KEY"), "a private"),
        ("deploy_key", pem("OPENSSH PRIVATE KEY"), "a private key"),
        ("locked.p8", pem("ENCRYPTED PRIVATE KEY"), "a private key"),
        ("me.asc", pem("PGP PRIVATE KEY BLOCK"), "a private key"),
        ("me.PPK", "PuTTY-User-Key-File-3: ssh-ed25519\n", "a private key of PuTTY's"),
        (
            "credentials",
            f"[default]\naws_access_key_id = A\naws_secret_access_key = {'a' * 40}\n",
            "credentials of AWS",
        ),
        (
            "account.json",
            json.dumps({"type": "service_account", "private_key": pem("PRIVATE KEY")}),
            "a key of a Google service account",
        ),
        ("deep/.npmrc", "//registry.test/:_authToken=abc\n", "credentials of npm's"),
        ("deep/pip.conf", "index-url = https://me:pw@x.test/\n", "credentials of a package index"),
        ("deep/more.in", "--index-url https://me:pw@x.test/\n", "credentials of a package index"),
    ],
)
def test_a_secret_is_refused_unless_it_is_asked_for_by_name(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    write_tree(tmp_path, {name: content})
    with pytest.raises(SourceError, match=f"{name} holds {said}") as refused:
        paths(tmp_path)
    assert f"leave the file out, in .lambdaignore:\n    /{name}\n" in str(refused.value)
    assert f"ask for it by name:\n    !/{name}" in str(refused.value)
    write_tree(tmp_path, {".lambdaignore": f"/{name}\n"})
    assert paths(tmp_path) == []
    write_tree(tmp_path, {".lambdaignore": f"!/{name}\n"})
    assert paths(tmp_path) == [name]


def test_a_wildcard_asks_for_no_secret(tmp_path: Path) -> None:
    write_tree(
        tmp_path, {"a/server.key": pem("PRIVATE KEY"), ".lambdaignore": "!*\n!a/**\n!**/*\n"}
    )
    with pytest.raises(SourceError, match="holds a private key"):
        paths(tmp_path)
    write_tree(tmp_path, {".lambdaignore": "!*.key\n"})
    assert paths(tmp_path) == ["a/server.key"]


def test_the_last_word_about_a_secret_counts(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a.key": pem("PRIVATE KEY"), ".lambdaignore": "!a.key\n*.key\n"})
    assert paths(tmp_path) == []


def test_certificates_public_keys_and_code_that_speaks_of_keys_are_no_secrets(
    tmp_path: Path,
) -> None:
    files = {
        "ca.pem": pem("CERTIFICATE"),
        "key.pub": pem("PUBLIC KEY"),
        "public.pem": pem("PUBLIC KEY"),
        "code.py": f'HEAD = """\n{pem("PRIVATE KEY")}"""\n',
        "data.json": '{"private_key": null}',
        "config": "[default]\nregion = eu-west-1\naws_secret_access_key =\n",
    }
    write_tree(tmp_path, files)
    assert paths(tmp_path) == sorted(files)


def test_large_files_are_not_read_for_secrets(tmp_path: Path) -> None:
    write_tree(tmp_path, {"data.json": " " * (64 << 10) + "\n" + pem("PRIVATE KEY")})
    assert paths(tmp_path) == ["data.json"]


@pytest.mark.parametrize("pattern", ["!*", "!deep/*", "!**"])
def test_a_wildcard_brings_back_no_secret(tmp_path: Path, pattern: str) -> None:
    write_tree(tmp_path, {".lambdaignore": f"{pattern}\n", "deep/.env": "A=1\n"})
    with pytest.raises(SourceError, match=r"deep/\.env holds secrets, by its name"):
        paths(tmp_path)


def test_what_names_no_secret_is_none(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a.conf": "index-url = https://${A}:${B}@x.test/\n", ".npmrc": "a=b\n"})
    assert paths(tmp_path) == [".npmrc", "a.conf"]
