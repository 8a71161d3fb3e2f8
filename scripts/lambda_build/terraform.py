"""The answer to Terraform's `data "external"`: strings in, strings out."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lambda_build.build import stage_package
from lambda_build.cache import Cache
from lambda_build.errors import UsageError
from lambda_build.function import Function
from lambda_build.target import Target

_QUERY = {"name", "source", "requirements", "runtime", "architecture", "handler", "output_dir"}


def answer(query_text: str) -> dict[str, str]:
    """Stage the package that a query names, and return what the module needs of it.

    Paths are relative to the root module, in the query and in the answer, so that nothing of a
    machine gets into a plan. Raises LambdaBuildError for whatever cannot be built.
    """
    query = _query(query_text)
    if {"/", "\0"} & set(query["name"]) or query["name"] in {"", ".", ".."}:
        raise UsageError(f"{query['name']!r} is no name of an artefact: it becomes a file's name")
    source = Path(query["source"])
    requirements = query["requirements"]
    function = Function(
        name=query["name"],
        source=source,
        requirements=source / requirements if requirements else None,
        target=Target.parse(query["runtime"], query["architecture"]),
        handler=query["handler"],
    )
    artefact = stage_package(function, Path(query["output_dir"]), Cache.default())
    return {
        "source_dir": os.fspath(artefact.path),
        "digest": artefact.digest,
        "lock": artefact.lock or "",
        "unzipped_bytes": str(artefact.unzipped_bytes),
        "warnings": "\n".join(artefact.warnings),
    }


def _query(text: str) -> dict[str, str]:
    try:
        query = json.loads(text)
    except ValueError as error:
        raise UsageError(f"stdin is not JSON: {error}; this command is for Terraform") from error
    if (
        not isinstance(query, dict)
        or query.keys() != _QUERY
        or not all(isinstance(value, str) for value in query.values())
    ):
        raise UsageError(
            f"the query must be an object of strings with the keys {', '.join(sorted(_QUERY))}"
        )
    return query
