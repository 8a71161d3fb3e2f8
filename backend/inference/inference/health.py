"""What runs here, in versions."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import sklearn
from lambda_shared.package import read_lock_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from inference.model import PhishingModel


def report_health(
    model: PhishingModel, environ: Mapping[str, str], *, package: Path
) -> dict[str, object]:
    """The body of the answer to GET /inference/health: whoever gets it has a model that works.

    `package` is the folder that the application was deployed as.
    """
    return {
        "status": "ok",
        "function_version": environ.get("AWS_LAMBDA_FUNCTION_VERSION"),
        "python": platform.python_version(),
        "scikit_learn": sklearn.__version__,
        "model": model.version,
        "lock": read_lock_digest(package),
    }
