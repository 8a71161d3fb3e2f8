"""Which version of a function answers at the API."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from deployment.errors import AnswerError, InputError
from deployment.outputs import output, read_outputs

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 60.0  # what API Gateway and Lambda may take to pass an alias's change on
_PAUSE_S = 2.0
_TIMEOUT_S = 35.0  # the API itself answers after 30


def ask(
    outputs_text: str,
    function: str,
    *,
    patience_s: float = _PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Return the version of a function that answers at /FUNCTION/health: the newest there is.

    `outputs_text` is what `terraform output -json` wrote. Raises AnswerError when another version
    answers for `patience_s`, or none.
    """
    outputs = read_outputs(outputs_text)
    wanted = output(outputs, f"{function}_function_version")
    url = f"{output(outputs, 'api_url')}/{function}/health"
    deadline = time.monotonic() + patience_s
    while True:
        said = _asked(url)
        if said == f"version {wanted}":
            return wanted
        if time.monotonic() >= deadline:
            raise AnswerError(
                f"{url} is answered by {said}, and version {wanted} of {function} was deployed.\n"
                "See the function's log, and which version its alias serves:\n"
                f"    make rollback FUNCTION={function}"
            )
        sleep(_PAUSE_S)


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
