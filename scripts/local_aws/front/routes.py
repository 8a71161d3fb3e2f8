"""Which route of an HTTP API answers a request.

Source of the rules: "Create routes for HTTP APIs in API Gateway", in the API Gateway guide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT = "$default"

_VARIABLE = re.compile(r"\{(?P<name>[^{}+]+)(?P<greedy>\+?)\}")

# How well a segment of a route fits: the smaller, the better.
_LITERAL, _NAMED, _GREEDY = 0, 1, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Integration:
    """What a route calls, as API Gateway stores it."""

    uri: str
    kind: str = "AWS_PROXY"
    payload_format: str = "2.0"
    timeout_s: float = 30.0

    @property
    def function_arn(self) -> str | None:
        """Return the ARN of the function, alias or version that is called; None: no function."""
        _, functions, rest = self.uri.partition("/functions/")
        if functions:
            return rest.removesuffix("/invocations")
        return self.uri if self.uri.startswith("arn:") and ":lambda:" in self.uri else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A route key (`GET /pets/{id}`, `ANY /{proxy+}`, `$default`) and what it calls."""

    key: str
    integration: Integration | None
    authorization: str = "NONE"

    @property
    def method(self) -> str:
        """Return `GET`, …, `ANY`; `$default` for the route of that name."""
        return self.key.partition(" ")[0]

    @property
    def path(self) -> str:
        """Return `/pets/{id}`; `$default` for the route of that name."""
        return self.key.partition(" ")[2] or DEFAULT


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """The route that answers a request, and what its variables stand for."""

    route: Route
    parameters: Mapping[str, str]


def match(routes: Iterable[Route], method: str, path: str) -> Match | None:
    """Return the route that fits best, or None where API Gateway says Not Found.

    The most specific path wins (a literal segment before a variable, both before `{proxy+}`),
    and on one path the method before ANY. `$default` takes what no other route does.
    """
    fits = [
        (rank, method_rank, Match(route=route, parameters=parameters))
        for route in routes
        if (method_rank := _method_rank(route, method)) is not None
        and (fit := _fit(route.path, path)) is not None
        for rank, parameters in [fit]
    ]
    if fits:
        return min(fits, key=lambda fit: fit[:2])[2]
    return next(
        (Match(route=route, parameters={}) for route in routes if route.key == DEFAULT), None
    )


def _method_rank(route: Route, method: str) -> Literal[0, 1] | None:
    if route.method == method:
        return 0
    return 1 if route.method == "ANY" else None


def _fit(pattern: str, path: str) -> tuple[tuple[int, ...], dict[str, str]] | None:
    """Return how each segment fits, and the variables; None when the path is not the route's."""
    wanted, given = pattern.split("/"), path.split("/")
    rank: list[int] = []
    parameters: dict[str, str] = {}
    for position, segment in enumerate(wanted):
        rest = given[position:]
        variable = _VARIABLE.fullmatch(segment)
        if variable is None:
            if rest[:1] != [segment]:
                return None
            rank.append(_LITERAL)
        elif not rest or rest == [""]:
            return None  # a variable stands for something
        elif variable["greedy"]:
            return (*rank, _GREEDY), {**parameters, variable["name"]: "/".join(rest)}
        elif not rest[0]:
            return None
        else:
            rank.append(_NAMED)
            parameters[variable["name"]] = rest[0]
    return (tuple(rank), parameters) if len(wanted) == len(given) else None
