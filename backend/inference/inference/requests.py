"""What a request and its answer look like, as OpenAPI tells it at /openapi.json."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from inference.url import MAX_URL_CHARACTERS, Url, UrlError, parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_URLS: Final = 100
RULE: Final = "rule"
"""The type of an error that says in its own words which rule is broken, after the field's name."""
_LONGEST_NAME_SHOWN: Final = 40


class Verdict(StrEnum):
    """What the probability means, at the model's threshold."""

    PHISHING = "phishing"
    NOT_PHISHING = "not_phishing"


def _parse(text: object) -> Url:
    try:
        return parse_url(text)
    except UrlError as error:
        raise PydanticCustomError(RULE, "{rule}", {"rule": str(error)}) from error


UrlText = Annotated[
    InstanceOf[Url],
    BeforeValidator(_parse),
    WithJsonSchema(
        {
            "type": "string",
            "format": "uri",
            "maxLength": MAX_URL_CHARACTERS,
            "examples": ["https://www.example.com/login"],
        }
    ),
]


class InferenceRequest(BaseModel):
    """One URL, or up to a hundred: one of the two fields, and no other."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    url: UrlText | None = None
    urls: Annotated[list[UrlText], Field(min_length=1, max_length=MAX_URLS)] | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.url is None) is not (self.urls is None):
            return self
        rule = "cannot be given together with urls" if self.url else "or urls must be given"
        raise PydanticCustomError(RULE, "{rule}", {"rule": rule, "field": "url"})

    def asked(self) -> list[Url]:
        """The URLs, in the order in which they are answered."""
        return list(self.urls or ()) if self.url is None else [self.url]


class ModelName(BaseModel):
    """Which model has judged; GET /inference/model tells the rest."""

    version: str
    threshold: float


class Judgement(BaseModel):
    """How likely a URL is to be phishing, from 0 to 1, and what that means."""

    url: str
    probability: float
    verdict: Verdict


class InferenceAnswer(BaseModel):
    """A judgement for each URL, in the order of the request."""

    model: ModelName
    results: list[Judgement]


def describe_error(error: Mapping[str, Any]) -> tuple[str, str]:
    """The field that one of pydantic's errors is about, such as `urls[3]`, and the whole sentence.

    The sentence never repeats what was sent.
    """
    told: Mapping[str, Any] = error.get("ctx") or {}
    field = str(told["field"]) if "field" in told else _field(error)
    match error["type"]:
        case "json_invalid":
            rule = f"is not JSON: {told.get('error', 'it cannot be read')}"
        case "missing":
            rule = 'is missing; send {"url": "https://…"} as application/json'
        case "extra_forbidden":
            rule = "is not known; url and urls are"
        case "model_attributes_type" | "model_type":
            rule = "must be a JSON object, sent with content-type: application/json"
        case "list_type":
            rule = "must be a list of URLs"
        case "too_short":
            rule = "must hold at least one URL"
        case "too_long":
            rule = f"has more than {MAX_URLS} URLs"
        case _:
            rule = f"is refused: {error['msg']}" if error["type"] != RULE else str(told["rule"])
    return field, f"{field} {rule}."


def _field(error: Mapping[str, Any]) -> str:
    # ("body", "urls", 3, …): what stands after the position is pydantic's own.
    names = [each for each in error["loc"] if each != "body"]
    if not names or error["type"] == "json_invalid":
        return "body"
    name = str(names[0])[:_LONGEST_NAME_SHOWN]
    return f"{name}[{names[1]}]" if len(names) > 1 and isinstance(names[1], int) else name
