"""Answers with the version that runs."""

from __future__ import annotations

import json
import os

TEXT = "first"


def handler(event: dict[str, object], context: object) -> dict[str, object]:
    """Answer GET /chat/health."""
    body = {"function_version": os.environ["AWS_LAMBDA_FUNCTION_VERSION"], "text": TEXT}
    return {"statusCode": 200, "body": json.dumps(body)}
