"""A local AWS in a process of its own: moto's state belongs to the process, and tests have theirs.

It prints where it is as a line of JSON, and ends when its stdin is closed.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from local_aws.bedrock import BedrockStandIn
from local_aws.front import Front
from local_aws.server import LocalAws


def main() -> None:
    """Serve until nobody holds the other end of stdin any more."""
    with ExitStack() as exits:
        bedrock = exits.enter_context(BedrockStandIn())
        aws = exits.enter_context(
            LocalAws(
                Path(sys.argv[1]),
                function_environment={"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.endpoint_url},
            )
        )
        front = exits.enter_context(Front(aws.endpoint_url))
        told = {"environment": aws.environment, "front_url": front.url}
        print(json.dumps(told), flush=True)
        sys.stdin.read()


main()
