"""A release: check the new versions, give each a share, watch, give each everything.

    found ──► checked ──► 10 % ──► watched ──► 100 %
                │           │         │
                ▼           └────┬────┘
             refused        taken back: 0 %

How far it is stands in the alias and nowhere else, so one that was killed is gone on with by
starting it again. Functions are released together: one watch, and if one is bad all go back,
because a caller sees them together, and an alarm of their API does not say whose fault it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from lambda_release.alias import gave_up, percent, serves, shares, stays
from lambda_release.aws import same
from lambda_release.errors import (
    AlarmRingsError,
    AwsError,
    CheckFailedError,
    LambdaReleaseError,
    TakenBackError,
)
from lambda_release.versions import check, wait_until_active

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from lambda_release.alias import Alias
    from lambda_release.aws import Aws
    from lambda_release.clock import Clock
    from lambda_release.functions import Function

SHARE = 0.1
"""What a new version gets while it is watched."""
_LOOK_BACK = timedelta(hours=3)  # where nothing says since when a version has had its share


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """For how long a version is watched at its share, and how often."""

    seconds: float
    interval_s: float


@dataclass(kw_only=True, slots=True)
class _Move:
    """One function's way from `old` to `new`; `alias` is what this process knows of it last."""

    function: Function
    old: str
    new: str
    alias: Alias
    since: datetime | None
    """Since when `new` has had a share; None: it has none yet."""
    wanted: Alias | None = field(default=None)
    """What was last written; AWS's answer may have been lost."""


def release(
    functions: Sequence[Function],
    aws: Aws,
    clock: Clock,
    say: Callable[[str], None],
    watch: Watch,
    *,
    version: str | None = None,
) -> list[str]:
    """Have the aliases serve the newest versions, or `version`; return what there is to say.

    Raises what ended it; then no alias gives the new version a share any more, but where the error
    says otherwise.
    """
    results: list[str] = []
    moves = [
        move
        for function in functions
        if (move := _planned(function, aws, clock, version, results.append))
    ]
    blame: dict[str, str] = {}
    try:
        _refuse_ringing(moves, aws, blame)
        for move in moves:
            _end_superseded(move, aws, clock, say)
            _check(move, aws, clock, say, blame)
        for move in moves:
            _give_share(move, aws, clock, say)
        if moves:
            _watch(moves, aws, clock, say, watch, blame)
        for move in moves:
            _give_all(move, aws, clock, say)
    except BaseException as error:
        _take_back(moves, aws, clock, say, blame, error)
        raise
    return [*results, *(f"{move.function.key}: version {move.new} is live" for move in moves)]


def _planned(
    function: Function,
    aws: Aws,
    clock: Clock,
    version: str | None,
    result: Callable[[str], None],
) -> _Move | None:
    """Return what is to be done for a function; None, and a result, if nothing is."""
    alias = aws.alias(function)
    new = version or aws.newest_version(function)
    if not alias.weights and alias.version == new:
        result(f"{function.key}: version {new} is live, and nothing newer is there to release")
        return None
    if not version and alias.taken_back and int(alias.taken_back[0]) >= int(new):
        if not alias.weights:
            bad, why = alias.taken_back
            result(
                f"{function.key}: version {alias.version} stays live. Version {bad} was taken "
                f"back, {why} Publish another one, or insist:\n"
                f"    {function.make('release', new)}"
            )
            return None
        new = next(iter(alias.weights))  # one that was insisted on has its share already
    old = alias.version if alias.version != new else next(iter(alias.weights))
    since = (alias.since or clock.now() - _LOOK_BACK) if alias.share(new) else None
    return _Move(function=function, old=old, new=new, alias=alias, since=since)


def _refuse_ringing(moves: Sequence[_Move], aws: Aws, blame: dict[str, str]) -> None:
    """Refuse to begin while an alarm rings; where a version has its share already, blame it."""
    ringing = aws.ringing(_alarms(moves))
    begun = [move for move in moves if move.since]
    blame.update(_rung(begun, ringing))
    if blame:
        raise TakenBackError(_told(blame))
    for name, why in ringing.items():
        move = next(move for move in moves if name in move.function.alarms)
        raise AlarmRingsError(
            f"the alarm {name} rings already: {why}\n"
            "Nothing is released, because it could not tell of a new version any more. Mend what "
            "it tells of, or take back what causes it; if the new version is what mends it, move "
            "to it at once, unwatched:\n"
            f"    {move.function.make('rollback', move.new)}"
        )


def _end_superseded(move: _Move, aws: Aws, clock: Clock, say: Callable[[str], None]) -> None:
    """Take the share from a version that another one was published after."""
    if move.since or not move.alias.weights:
        return
    other = next(iter(move.alias.weights))
    says = gave_up(move.old, other, f"{move.new} is released.", clock.now())
    bad = _left_for(move.new, other)
    _write(move, aws, move.alias.then(move.old, says, bad=bad))
    say(f"{move.function.key}: version {other} loses its share: {move.new} is released")


def _check(
    move: _Move, aws: Aws, clock: Clock, say: Callable[[str], None], blame: dict[str, str]
) -> None:
    try:
        wait_until_active(move.function, move.new, aws, clock, say)
        check(move.function, move.new, aws, say)
    except CheckFailedError:
        blame[move.function.key] = "its check failed."
        raise


def _give_share(move: _Move, aws: Aws, clock: Clock, say: Callable[[str], None]) -> None:
    key, new = move.function.key, move.new
    if move.since:
        say(f"{key}: going on: {move.alias}")
        return
    move.since = clock.now()
    _write(move, aws, move.alias.then(move.old, shares(new, move.since), weights={new: SHARE}))
    say(f"{key}: version {new} gets {percent(SHARE)} of the requests, version {move.old} the rest")


def _give_all(move: _Move, aws: Aws, clock: Clock, say: Callable[[str], None]) -> None:
    says = serves(move.new, move.old, clock.now())
    _write(move, aws, move.alias.then(move.new, says, bad=_left_for(move.new, move.old)))
    say(f"{move.function.key}: version {move.new} gets all requests")


def _left_for(new: str, other: str) -> dict[str, str]:
    """Return what is taken back, and why: who names a lower version to release wants it to stay."""
    return {other: f"{new} was released in its place."} if int(other) > int(new) else {}


def _write(move: _Move, aws: Aws, to: Alias) -> None:
    move.wanted = to
    move.alias = aws.move(move.function, move.alias, to)


def _watch(
    moves: Sequence[_Move],
    aws: Aws,
    clock: Clock,
    say: Callable[[str], None],
    watch: Watch,
    blame: dict[str, str],
) -> None:
    """Return after the time if all is well; else fill `blame` and raise TakenBackError."""
    started = clock.now()
    while True:
        blame.update(_look(moves, aws, clock, say))
        if blame:
            raise TakenBackError(_told(blame))
        left = watch.seconds - (clock.now() - started).total_seconds()
        if left <= 0:
            return
        clock.sleep(min(watch.interval_s, left))


def _look(
    moves: Sequence[_Move], aws: Aws, clock: Clock, say: Callable[[str], None]
) -> dict[str, str]:
    """Return what is wrong, by the function's key."""
    ringing = aws.ringing(_alarms(moves))
    wrong: dict[str, str] = {}
    told = []
    for move in moves:
        now = clock.now()
        requests = aws.requests(move.function, move.new, move.since or now, now)
        told.append(f"{move.function.key} {requests.errors} errors in {requests.count} requests")
        if requests.errors:
            wrong[move.function.key] = (
                f"version {move.new} failed {requests.errors} of {requests.count} requests."
            )
    wrong |= _rung(moves, ringing)
    say(f"watching: {', '.join(told)}; {len(ringing)} of {len(_alarms(moves))} alarms ring")
    return wrong


def _rung(moves: Sequence[_Move], ringing: Mapping[str, str]) -> dict[str, str]:
    """Return which alarm rings of each function, by its key, if one does."""
    return {
        move.function.key: f"the alarm {name} rang: {ringing[name]}"
        for move in moves
        for name in move.function.alarms
        if name in ringing
    }


def _told(blame: Mapping[str, str]) -> str:
    return "\n".join(
        f"{key}: the new version is bad, and lost its share: {why}" for key, why in blame.items()
    )


def _take_back(
    moves: Sequence[_Move],
    aws: Aws,
    clock: Clock,
    say: Callable[[str], None],
    blame: Mapping[str, str],
    cause: BaseException,
) -> None:
    """Give the old versions everything again, as far as it is this process that moved them."""
    why_not = "interrupted." if isinstance(cause, KeyboardInterrupt) else "the release failed."
    left: list[str] = []
    for move in reversed(moves):
        if not move.since:
            continue
        key = move.function.key
        try:
            now = aws.alias(move.function)
            if not _ours(move, now):
                say(f"{key}: somebody else moved it, and it is left as it is: {now}")
            elif now.share(move.new):
                says = (
                    stays(move.old, clock.now())
                    if key in blame
                    else gave_up(move.old, move.new, why_not, clock.now())
                )
                bad = {move.new: blame[key]} if key in blame else {}
                aws.move(move.function, now, now.then(move.old, says, bad=bad))
                say(f"{key}: taken back: version {move.old} gets all requests")
        except LambdaReleaseError as error:
            left.append(
                f"{key} could not be taken back: {error}\n"
                "Start again, which goes on from what the aliases serve now, or take it back:\n"
                f"    {move.function.make('rollback')}"
            )
    if left:
        # What cannot be undone is worse news than why it should be.
        kind = type(cause) if isinstance(cause, LambdaReleaseError) else AwsError
        raise kind("\n".join([str(cause), *left])) from cause


def _ours(move: _Move, now: Alias) -> bool:
    """Return whether an alias is as this process found or made it."""
    return now.revision == move.alias.revision or (
        move.wanted is not None and same(now, move.wanted)
    )


def _alarms(moves: Sequence[_Move]) -> list[str]:
    return sorted({name for move in moves for name in move.function.alarms})
