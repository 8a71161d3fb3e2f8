"""A function's settings: one frozen dataclass, read from the environment."""

from __future__ import annotations

import dataclasses
import typing

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

_Settings = typing.TypeVar("_Settings")


class SettingsError(Exception):
    """The function's environment variables are not what it needs; names each of them."""


def read_settings(model: type[_Settings], environ: Mapping[str, str]) -> _Settings:
    """The settings that the environment holds, as `model`, a dataclass.

    A field `bedrock_model_id: ModelId` is the variable BEDROCK_MODEL_ID, and `ModelId(text)`
    is its value: the type raises ValueError for what it refuses. A variable that is empty
    counts as missing. A field with a default may be missing.

    Raises:
        SettingsError: Variables are missing or wrong: all of them, not the first. Their values
            are not repeated, because settings may be secrets.
    """
    kinds = typing.get_type_hints(model)
    values: dict[str, object] = {}
    problems: list[str] = []
    for field in dataclasses.fields(typing.cast("typing.Any", model)):
        variable = field.name.upper()
        text = environ.get(variable, "")
        if text:
            try:
                values[field.name] = kinds[field.name](text)
            except ValueError as error:
                problems.append(f"{variable} is wrong: {error}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(f"{variable} is not set")
    if problems:
        raise SettingsError(
            f"{'; '.join(problems)}. Set the function's environment variables and deploy it again."
        )
    return model(**values)
