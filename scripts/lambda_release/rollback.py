"""A roll-back: another version gets all requests, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_release.alias import serves, stays
from lambda_release.errors import NotFoundError, UsageError
from lambda_release.versions import wait_until_active

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_release.alias import Alias
    from lambda_release.aws import Aws
    from lambda_release.clock import Clock
    from lambda_release.functions import Function


def roll_back(
    function: Function, aws: Aws, clock: Clock, say: Callable[[str], None], *, version: str | None
) -> str:
    """Have the alias serve `version`, or the one before; return what there is to say.

    A version that is left for a lower one is remembered, and not released again unless told to.

    The one before is: while a version has a share, the one that has the rest; else the one that the
    release replaced, as the alias's description remembers; else the next lower one.
    """
    alias = aws.alias(function)
    published = aws.versions(function)
    to = version or _before(function, alias, published)
    if to not in published:
        raise UsageError(
            f"{function.name} has no version {to}; it has {', '.join(published[-10:])}"
        )
    if to == alias.version and not alias.weights:
        return f"{function.name}: version {to} is live already"
    wait_until_active(function, to, aws, clock, say)
    say(f"{function.key}: from {alias} to version {to}")
    left = {alias.version, *alias.weights} - {to}
    bad = {each: "rolled back by hand." for each in left if int(each) > int(to)}
    other = next(iter(alias.weights)) if to == alias.version else alias.version
    says = stays(to, clock.now()) if bad else serves(to, other, clock.now())
    aws.move(function, alias, alias.then(to, says, bad=bad))
    return f"{function.name}: version {to} is live"


def _before(function: Function, alias: Alias, published: list[str]) -> str:
    if alias.weights:
        return alias.version
    if alias.before in published:
        return alias.before
    if lower := [each for each in published if int(each) < int(alias.version)]:
        return lower[-1]
    raise NotFoundError(
        f"{function.name} has no version before {alias.version}, the one that is live. Nothing was "
        "moved. Mend it, and apply"
    )
