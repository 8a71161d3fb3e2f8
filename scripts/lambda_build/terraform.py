"""The answer to Terraform's `data "external"`: strings in, strings out."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_build.build import stage_package
from lambda_build.cache import Cache
from lambda_build.errors import UsageError
from lambda_build.function import Function
from lambda_build.provided import read_provided
from lambda_build.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

_QUERY = {
    *("name", "source", "requirements", "runtime", "architecture", "handler", "output_dir"),
    "archive_above_bytes",
}
_OPTIONAL = {"provided", "build_in_docker"}


def answer(query_text: str) -> dict[str, str]:
    """Build the package that a query names, and return what the module needs of it.

    What has at most `archive_above_bytes` unzipped is staged in `source_dir` for archive_file;
    larger ones are a ZIP already, `archive`. The other of the two is "".

    Paths are relative to the root module, in the query and in the answer, so that nothing of a
    machine gets into a plan. Raises LambdaBuildError for whatever cannot be built.
    """
    query = read_query(query_text, _QUERY, _OPTIONAL)
    check_name(query["name"])
    if not re.fullmatch("[0-9]+", query["archive_above_bytes"]):
        raise UsageError(f"archive_above_bytes is {query['archive_above_bytes']!r}: a whole number")
    source = Path(query["source"])
    requirements = query["requirements"]
    target = Target.parse(query["runtime"], query["architecture"])
    function = Function(
        name=query["name"],
        source=source,
        requirements=source / requirements if requirements else None,
        target=target,
        handler=query["handler"],
        provided=read_provided(read_names(query.get("provided", "[]")), target, "the query"),
        build_in_docker=read_switch(query, "build_in_docker"),
    )
    artefact = stage_package(
        function,
        Path(query["output_dir"]),
        Cache.default(),
        archive_above_bytes=int(query["archive_above_bytes"]),
    )
    path = os.fspath(artefact.path)
    sha256 = artefact.zip_sha256
    return {
        "source_dir": path if sha256 is None else "",
        "archive": path if sha256 is not None else "",
        "archive_sha256": base64.b64encode(bytes.fromhex(sha256 or "")).decode(),
        "archive_bytes": str(artefact.zipped_bytes or ""),
        "digest": artefact.digest,
        "lock": artefact.lock or "",
        "unzipped_bytes": str(artefact.unzipped_bytes),
        "warnings": "\n".join(artefact.warnings),
    }


def check_name(name: str) -> None:
    """Raise UsageError when a name would not do for a file."""
    if {"/", "\0"} & set(name) or name in {"", ".", ".."}:
        raise UsageError(f"{name!r} is no name of an artefact: it becomes a file's name")


def read_names(text: str) -> list[str]:
    """Return the list in a value: a query holds strings only, so a list is JSON in one."""
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError(f'provided is {text!r}, and not a JSON array of names, e.g. ["boto3"]')
    return names


def read_switch(query: Mapping[str, str], key: str) -> bool:
    """Return whether a value is `true`, as Terraform writes it; it may be missing."""
    text = query.get(key, "false")
    if text not in {"true", "false"}:
        raise UsageError(f"{key} is {text!r}: true or false")
    return text == "true"


def read_query(text: str, keys: AbstractSet[str], optional: AbstractSet[str]) -> dict[str, str]:
    """Return what Terraform asks for, an object of strings; UsageError when it is none."""
    try:
        query = json.loads(text)
    except ValueError as error:
        raise UsageError(f"the query is not JSON: {error}; this command is for Terraform") from (
            error
        )
    if (
        not isinstance(query, dict)
        or query.keys() - optional != keys
        or not all(isinstance(value, str) for value in query.values())
    ):
        raise UsageError(
            f"the query must be an object of strings with the keys {', '.join(sorted(keys))}"
        )
    return query
