"""Answers to an HTTP API, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A JSON answer: what a route returns."""

    body: Mapping[str, object]
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_reply(self) -> dict[str, object]:
        r"""The reply that API Gateway takes for it, the same for payload 2.0 and 1.0.

        The text stays readable (no ``\\u`` escapes), and is always valid UTF-8: a lone
        surrogate, which JSON can bring in and UTF-8 cannot carry out, becomes "?".
        """
        text = json.dumps(self.body, ensure_ascii=False)
        return {
            "statusCode": int(self.status),
            "headers": {"content-type": "application/json", **self.headers},
            "body": text.encode(errors="replace").decode(),
            "isBase64Encoded": False,
        }
