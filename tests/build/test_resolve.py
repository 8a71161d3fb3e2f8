"""uv's refusals become the build's errors, each of its class, with uv's reason in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from build.tiny import write_tree
from lambda_build.errors import (
    FetchError,
    HashMismatchError,
    LambdaBuildError,
    RequirementsError,
    ResolutionError,
    WheelError,
)
from lambda_build.requirements import read_requirements
from lambda_build.resolve import _refusal, choose
from lambda_build.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lambda_build.requirements import Requirements

UNSOLVED = "error: No solution found when resolving dependencies\n  cause: Because "


def requirements(folder: Path, text: str = "") -> Requirements:
    return read_requirements(write_tree(folder, {"requirements.txt": text}) / "requirements.txt")


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        (f"{UNSOLVED}only one==1.0 is available and you require one>=2, …", ResolutionError),
        (f"{UNSOLVED}nosuch was not found in the package registry …", ResolutionError),
        (f"{UNSOLVED}one==1.0 has no wheels with a matching platform tag (e.g., …)", WheelError),
        (f"{UNSOLVED}one==1.0 has no usable wheels and building from source is …", WheelError),
        (
            f"{UNSOLVED}one …\n\nhint: … a lack of valid authentication credentials (401 …)",
            FetchError,
        ),
        (f"{UNSOLVED}one …\n\nhint: An index (…) returned a 403 Forbidden error.", FetchError),
        (f"{UNSOLVED}one …\n\nhint: … because the network was disabled. When …", FetchError),
        ("error: Failed to fetch: https://x.test/one/\n  cause: Connection refused", FetchError),
        ("error: error sending request for url (https://x.test/one/)", FetchError),
        ("error: Requested package name `two` does not match `one`", RequirementsError),
    ],
)
def test_each_refusal_of_uvs_is_an_error_of_its_class(
    tmp_path: Path, stderr: str, kind: type[LambdaBuildError]
) -> None:
    error = _refusal(stderr, requirements(tmp_path), Target())
    assert type(error) is kind
    reason = stderr.removeprefix("error: ").splitlines()
    assert all(line in str(error) for line in reason)
    assert "requirements.txt, for python3.11-x86_64: " in str(error)


def test_uvs_words_name_no_file_that_is_gone(tmp_path: Path) -> None:
    stderr = "error: Unexpected `x` in `/tmp/lambda-build-a1b2/requirements.txt` at position 3"
    error = _refusal(stderr, requirements(tmp_path), Target())
    assert "Unexpected `x` in `requirements.txt` at position 3" in str(error)


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("nosuch was not found in the package registry …", "Check how it is spelled"),
        ("there are no versions of one and you require one, …", "Check how it is spelled"),
        ("only one==1.0 is available and you require one>=2, …", "Change a version"),
    ],
)
def test_a_refusal_of_versions_says_what_to_do(tmp_path: Path, said: str, step: str) -> None:
    assert step in str(_refusal(f"{UNSOLVED}{said}", requirements(tmp_path), Target()))


def test_credentials_that_are_in_no_variable_are_told_from_wrong_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = requirements(tmp_path, "--index-url https://${INDEX_USER}:${INDEX_PASSWORD}@x.test/\n")
    stderr = f"{UNSOLVED}one …\n\nhint: … a lack of valid authentication credentials (401 …)"
    monkeypatch.setenv("INDEX_USER", "me")
    assert "The file names ${INDEX_PASSWORD}, which" in str(_refusal(stderr, wanted, Target()))
    monkeypatch.setenv("INDEX_PASSWORD", "secret")
    assert "Check those in the index's address" in str(_refusal(stderr, wanted, Target()))


def test_a_certificate_that_is_not_trusted_is_told_from_an_index_that_is_down(
    tmp_path: Path,
) -> None:
    stderr = "error: Failed to fetch: …\n  cause: invalid peer certificate: UnknownIssuer"
    assert "export SSL_CERT_FILE=" in str(_refusal(stderr, requirements(tmp_path), Target()))


A, B = "a" * 64, "b" * 64


def offered(name: str, version: str, *sha256s: str) -> dict[str, Any]:
    """Return a package of a pylock (PEP 751): the same wheel once for each hash."""
    wheels = [
        {"name": f"{name}-{version}-{build}-py3-none-any.whl", "url": "x", "hashes": {"sha256": x}}
        for build, x in enumerate(sha256s, start=1)
    ]
    return {"name": name, "version": version, "wheels": wheels}


def pinned(folder: Path, text: str, *packages: dict[str, Any]) -> Sequence[str]:
    pins = choose(packages, requirements(folder, text), Target()).lock.pins
    return [f"{pin.name} {pin.version} {pin.sha256[0]}" for pin in pins]


def test_a_hash_counts_where_its_marker_holds(tmp_path: Path) -> None:
    # As `uv export` and pip-compile write a package that differs by Python.
    text = (
        f"one==1.0 ; python_version < '3.11' --hash=sha256:{A}\n"
        f"one==2.0 ; python_version >= '3.11' --hash=sha256:{B}\n"
    )
    assert pinned(tmp_path, text, offered("one", "2.0", B)) == ["one 2.0 b"]
    with pytest.raises(HashMismatchError, match=r"line 2: one==2\.0"):
        pinned(tmp_path, text, offered("one", "2.0", A))


def test_a_hash_in_a_constraint_is_verified(tmp_path: Path) -> None:
    write_tree(tmp_path, {"constraints.txt": f"one==1.0 --hash=sha256:{B}\n"})
    text = "-c constraints.txt\none\n"
    assert pinned(tmp_path, text, offered("one", "1.0", A, B)) == ["one 1.0 b"]
    with pytest.raises(HashMismatchError, match=r"constraints\.txt, line 1: one==1\.0"):
        pinned(tmp_path, text, offered("one", "1.0", A))


def test_require_hashes_wants_one_for_each_package(tmp_path: Path) -> None:
    packages = (offered("one", "1.0", A), offered("two", "2.0", B))
    text = f"one==1.0 --hash=sha256:{A}\n"
    assert pinned(tmp_path, text, *packages) == ["one 1.0 a", "two 2.0 b"]
    with pytest.raises(HashMismatchError, match="two has none") as no:
        pinned(tmp_path, f"--require-hashes\n{text}", *packages)
    assert f"    two==2.0 --hash=sha256:{B}" in str(no.value)
