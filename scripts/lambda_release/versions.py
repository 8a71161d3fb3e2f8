"""Whether a version works, asked past the alias before anybody else asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_release.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_release.aws import Aws, Invocation
    from lambda_release.clock import Clock
    from lambda_release.functions import Function

_ACTIVE_S = 300.0  # an image is prepared for minutes
_POLL_S = 2.0


def wait_until_active(
    function: Function, version: str, aws: Aws, clock: Clock, say: Callable[[str], None]
) -> None:
    """Return when Lambda can run the version.

    An image that nobody has asked for weeks is Inactive: Lambda has put it away, and brings it back
    when it is invoked, which fails meanwhile. Source: AWS Lambda developer guide, "Lambda function
    states".
    """
    waited = 0.0
    while (told := aws.state(function, version))[0] != "Active":
        state, reason = told
        if state == "Failed" or waited >= _ACTIVE_S:
            raise CheckFailedError(
                f"version {version} of {function.name} is {state} after {waited:.0f} s: "
                f"{reason or 'no reason is told'}. It is not released. Publish another version, or "
                "start again when it is Active"
            )
        if not waited:
            say(f"{function.key}: version {version} is {state}; waiting until it is Active")
        if state == "Inactive":
            aws.wake(function, version)
        clock.sleep(_POLL_S)
        waited += _POLL_S


def check(function: Function, version: str, aws: Aws, say: Callable[[str], None]) -> None:
    """Ask a version twice: the first answer tells whether it starts, the second is a warm one."""
    if function.check is None:
        say(f"{function.key}: version {version} is not checked: no event is told for that")
        return
    first = aws.invoke(function, version, function.check)
    answers = [first]
    if not (wrong := _wrong(first, version)):
        second = aws.invoke(function, version, function.check)
        answers.append(second)
        wrong = _wrong(second, version)
    if wrong:
        raise CheckFailedError(
            f"version {version} of {function.name} does not pass its check: {wrong}\n"
            "It is not released. Its log says more; mend it and publish another version"
        )
    say(
        f"{function.key}: version {version} answers: {answers[0].duration_ms:.0f} ms, "
        f"then {answers[1].duration_ms:.0f} ms"
    )


def _wrong(answer: Invocation, version: str) -> str:
    if answer.function_error:
        return f"{answer.function_error}: {str(answer.payload)[:500]}"
    if answer.version != version:
        return f"version {answer.version} answered in its place"
    status = answer.payload.get("statusCode", 200) if isinstance(answer.payload, dict) else 200
    if not 200 <= int(status) < 300:  # noqa: PLR2004  HTTP's
        return f"it answers {status}: {str(answer.payload.get('body'))[:500]}"
    return ""
