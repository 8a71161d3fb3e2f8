"""Which version of a function answers at the API."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from deployment.errors import AnswerError, InputError
from deployment.outputs import output, read_outputs

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 60.0  # what API Gateway and Lambda may take to pass an alias's change on
_PAUSE_S = 2.0
_TIMEOUT_S = 35.0  # the API itself answers after 30


def ask(
    outputs_text: str,
    live_text: str,
    function: str,
    *,
    patience_s: float = _PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Return the version of a function that answers at /FUNCTION/health, if it is a live one.

    `outputs_text` is what `terraform output -json` wrote, `live_text` what `lambda-release pin`
    did: a release may have left the newest version where it is. Raises AnswerError when another
    version answers for `patience_s`, or none.
    """
    outputs = read_outputs(outputs_text)
    live = _live(live_text, function)
    url = f"{output(outputs, 'api_url')}/{function}/health"
    deadline = time.monotonic() + patience_s
    while True:
        said = _asked(url)
        if said.removeprefix("version ") in live:
            return said.removeprefix("version ")
        if time.monotonic() >= deadline:
            raise AnswerError(
                f"{url} is answered by {said}, and its alias serves version "
                f"{' and '.join(live)}.\n"
                "See the function's log, and what the alias serves now:\n"
                f"    {_get_alias(outputs, function)}"
            )
        sleep(_PAUSE_S)


def _live(text: str, function: str) -> list[str]:
    """Return the versions that a function's alias serves, the one with the largest share first."""
    try:
        told = json.loads(text)["release"][function]
        return [told["version"], *told.get("additional_version_weights", {})]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"what is live does not tell of {function}. Have it written after the release:\n"
            "    lambda-release pin --output FILE"
        ) from error


def _get_alias(outputs: dict[str, Any], function: str) -> str:
    """Return the command that says what the function's alias serves."""
    functions = outputs.get("functions")
    told = functions.get(function, {}) if isinstance(functions, dict) else {}
    name, alias = told.get("function_name", "NAME"), told.get("alias_name", "live")
    return f"aws lambda get-alias --function-name {name} --name {alias}"


def _asked(url: str) -> str:
    """Return who answers, in words."""
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url} is no address of an API. Give one that starts with https://.")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - see above
            body = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return f"status {error.code}"
    except (OSError, ValueError) as error:
        return f"nobody ({error})"
    version = body.get("function_version") if isinstance(body, dict) else None
    return f"version {version}" if version else "something that tells no version"
