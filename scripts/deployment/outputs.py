"""The stack's outputs, as `terraform output -json` tells them."""

from __future__ import annotations

import json
from typing import Any

from deployment.errors import InputError

_PACKAGE = "_package"


def read_outputs(text: str) -> dict[str, Any]:
    """Return the outputs' values by name; raises InputError."""
    try:
        outputs = json.loads(text)
        return {name: output["value"] for name, output in outputs.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "these are no outputs in JSON. Make them with:\n"
            "    terraform -chdir=terraform output -json"
        ) from error


def output(outputs: dict[str, Any], name: str) -> str:
    """Return one of them; raises InputError, which says what there is."""
    if name not in outputs:
        raise InputError(f"the stack has no output {name}. It has: {', '.join(sorted(outputs))}.")
    return str(outputs[name])


def images(outputs_text: str) -> str:
    """Return the images that are deployed, by function, as a line of JSON: NAME_package's `uri`.

    It is what LAMBDA_BUILD_PROMOTED_IMAGES takes in the next environment.
    """
    packages = {
        name.removesuffix(_PACKAGE): value
        for name, value in read_outputs(outputs_text).items()
        if name.endswith(_PACKAGE) and isinstance(value, dict)
    }
    uris = {name: value["uri"] for name, value in packages.items() if value.get("uri")}
    return json.dumps(uris, sort_keys=True)
