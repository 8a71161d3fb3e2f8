"""Which function is traced with which request, where that is left open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_aws import alone
from local_aws.errors import DockerUnavailableError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lambda_build.function import Function


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A request that a function answers."""

    path: str
    body: str | None = None


_EXAMPLES = {  # the first is traced if none is named; the next, where that needs Docker
    "inference": Example(path="/inference", body='{"url": "https://example.com/"}'),
    "chat": Example(path="/chat", body='{"messages": [{"role": "user", "content": "Hello"}]}'),
}


def choose_function(project: Path, name: str | None, say: Callable[[str], None]) -> Function:
    """Return the function of that name, else the first that this machine can run.

    `say` gets why it is not the first.
    """
    if name:
        return alone.find(project, name)
    why = ""
    for each in _EXAMPLES:
        function = alone.find(project, each)
        if (reason := alone.obstacle(function)) is None:
            if why:
                say(f"{why}\nSo a ZIP function is traced instead: {each}")
            return function
        why = why or reason
    raise DockerUnavailableError(why)


def example_of(function: Function) -> Example:
    """Return a request that the function answers; RequestError if none is known."""
    if function.name not in _EXAMPLES:
        raise RequestError(
            f"no request is known that {function.name} answers: name its path, for example\n"
            f"    make trace-request FUNCTION={function.name} PATH=/{function.name}"
        )
    return _EXAMPLES[function.name]
