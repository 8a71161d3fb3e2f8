"""The chat function's settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

# Converse's own pattern lists every kind of ARN; this is what they have in common.
_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,2047}")


class ModelId(str):
    """A Bedrock model id, or the id or ARN of an inference profile."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """The id, if it can be one.

        Raises:
            ValueError: It cannot.
        """
        if not _MODEL_ID.fullmatch(text):
            raise ValueError(
                "it is no model id and no inference profile's id or ARN, such as "
                "eu.amazon.nova-lite-v1:0"
            )
        return super().__new__(cls, text)

    @property
    def public_name(self) -> str:
        """The id without the region and account that an ARN holds: fit for an answer."""
        return self.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatSettings:
    """BEDROCK_MODEL_ID: what to converse with."""

    bedrock_model_id: ModelId
