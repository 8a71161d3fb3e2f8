"""A local AWS in a process of its own: moto's state belongs to the process, and tests have theirs.

It prints where it is as a line of JSON, and ends when its stdin is closed.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from local_aws.bedrock import BedrockStandIn
from local_aws.containers import start_containers_if_possible
from local_aws.front import Front
from local_aws.server import LocalAws


def main() -> None:
    """Serve until nobody holds the other end of stdin any more."""
    with ExitStack() as exits:
        work_dir = Path(sys.argv[1])
        containers = start_containers_if_possible(work_dir, exits)
        bedrock = exits.enter_context(BedrockStandIn())
        aws = exits.enter_context(
            LocalAws(
                work_dir,
                function_environment={"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.endpoint_url},
                containers=containers,
            )
        )
        front = exits.enter_context(Front(aws.endpoint_url))
        told = {
            "environment": aws.environment,
            "front_url": front.url,
            "containers_off": containers if isinstance(containers, str) else "",
        }
        print(json.dumps(told), flush=True)
        sys.stdin.read()


main()
