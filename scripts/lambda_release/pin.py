"""What is live, written as the stack's variable `release`, so that an apply leaves it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambda_release.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lambda_release.aws import Aws
    from lambda_release.functions import Function


def pin(functions: Sequence[Function], aws: Aws, file: Path) -> list[str]:
    """Write a variables file for Terraform; return what is live, a line a function.

    A function or an alias that is not in AWS is left out: Terraform makes it, with its newest
    version. A version that has a share keeps it, by its own number, whatever the apply publishes.
    """
    live: dict[str, Any] = {}
    lines = []
    for function in functions:
        try:
            alias = aws.alias(function)
        except NotFoundError:
            lines.append(f"{function.key}: not there yet")
            continue
        live[function.key] = {"version": alias.version} | (
            {"additional_version_weights": dict(alias.weights)} if alias.weights else {}
        )
        lines.append(f"{function.key}: {alias}")
    # Beside and renamed: half a file would be half a truth.
    aside = file.with_name(f".{file.name}.new")
    aside.write_text(json.dumps({"release": live}, indent=2, sort_keys=True) + "\n", "utf-8")
    aside.replace(file)
    return lines
