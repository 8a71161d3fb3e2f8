"""What runs here, in versions."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from lambda_shared.package import find_package, read_lock_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def report_health(environ: Mapping[str, str], *, package: Path) -> dict[str, object]:
    """The body of the answer to GET /chat/health, found without calling or importing anything.

    `package` is the folder that the function was deployed as.
    """
    boto3 = find_package("boto3", root=package)
    return {
        "status": "ok",
        "function_version": environ.get("AWS_LAMBDA_FUNCTION_VERSION"),
        "python": platform.python_version(),
        "boto3": None if boto3 is None else {"version": boto3.version, "vendored": boto3.vendored},
        "lock": read_lock_digest(package),
    }
