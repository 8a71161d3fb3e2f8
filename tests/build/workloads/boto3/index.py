"""Lists what lies under a prefix of a bucket."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import boto3


@cache
def _s3() -> Any:
    return boto3.client("s3")


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Return the keys under the event's prefix, with their sizes in bytes."""
    pages = _s3().get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=os.environ["BUCKET"], Prefix=event.get("prefix", ""))
    return {
        "objects": [
            {"key": entry["Key"], "bytes": entry["Size"]}
            for page in found
            for entry in page.get("Contents", [])
        ]
    }
