"""uv's refusals become the build's errors, each of its class, with uv's reason in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build.tiny import write_tree
from lambda_build.errors import (
    FetchError,
    LambdaBuildError,
    RequirementsError,
    ResolutionError,
    WheelError,
)
from lambda_build.requirements import read_requirements
from lambda_build.resolve import _refusal
from lambda_build.target import Target

if TYPE_CHECKING:
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
